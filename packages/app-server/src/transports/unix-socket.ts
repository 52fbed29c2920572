/** The place of a unix socket: nobody but its owner connects, and no living server loses its socket to another. */
import { lstatSync, statSync, unlinkSync } from "node:fs";
import type { Stats } from "node:fs";
import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { makeFolders } from "@sallyport/supervisor";
import { refused } from "./listen-address.ts";

/** Makes the socket, mode 0600, and its folder, mode 0700, where that is missing. One that a dead server left is replaced. Throws
 *  `LISTEN_REFUSED`. */
export async function listenOnPath(server: Server, path: string): Promise<void> {
  const listen = `unix://${path}`;
  prepareFolder(listen, dirname(path));
  await removeStale(listen, path);
  // The attack: between making the socket and a chmod anybody could connect. So it is made with its mode.
  const umask = process.umask(0o177);
  try {
    const listening = new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(refused(listen, error.message, error)));
      server.listen({ path }, resolve);
    });
    process.umask(umask); // the socket was made by now: binding does not wait
    await listening;
  } finally {
    process.umask(umask);
  }
}

/** The attack: whoever can write the folder puts a socket of their own in the place of ours, and clients talk to them. */
function prepareFolder(listen: string, folder: string): void {
  let stats: Stats;
  try {
    makeFolders(folder, 0o700);
    stats = statSync(folder);
  } catch (error) {
    throw refused(listen, `its folder can't be made: ${(error as Error).message}`, error);
  }
  const own = process.geteuid?.() ?? stats.uid;
  if (stats.uid !== own && stats.uid !== 0) {
    throw refused(listen, `its folder belongs to user ${stats.uid}, expected ${own}; choose a folder of your own`);
  }
  const isSticky = (stats.mode & 0o1000) !== 0;
  if ((stats.mode & 0o022) !== 0 && !isSticky) {
    throw refused(listen, "others may write its folder; chmod go-w it, or choose another");
  }
}

async function removeStale(listen: string, path: string): Promise<void> {
  let stats: Stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw refused(listen, (error as Error).message, error);
  }
  if (!stats.isSocket()) throw refused(listen, "something that is no socket has this name; choose another");
  if (await isListening(path)) throw refused(listen, "another server listens there; end it, or choose another path");
  try {
    unlinkSync(path);
  } catch (error) {
    throw refused(listen, `a dead server's socket can't be removed: ${(error as Error).message}`, error);
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (listens: boolean): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.once("connect", () => end(true));
    // Anything but "nobody there" may be a server that is busy.
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}
