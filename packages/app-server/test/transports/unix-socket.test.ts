import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { listenOnPath } from "../../src/transports/unix-socket.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-unix-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function listening(path: string): Promise<() => Promise<void>> {
  const server = createServer();
  await listenOnPath(server, path);
  return async () => {
    server.close();
    await once(server, "close");
  };
}

test("the socket and its folder are their owner's alone, and the socket goes with the server", async () => {
  const path = join(folder, "new", "inner", "s.sock");
  const umask = process.umask();
  const close = await listening(path);
  assert.equal(process.umask(), umask);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, "new")).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "new", "inner")).mode & 0o777, 0o700);
  await close();
  assert.equal(existsSync(path), false);
});

test("the socket of a living server is left alone", async () => {
  const path = join(folder, "living.sock");
  const close = await listening(path);
  await assert.rejects(listening(path), { code: "LISTEN_REFUSED", message: /another server listens there/ });
  assert.equal(existsSync(path), true);
  await close();
});

test("the socket of a server that was killed is replaced", async () => {
  const path = join(folder, "dead.sock");
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("ready"))`;
  const child = spawn(process.execPath, ["-e", script]);
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  assert.equal(existsSync(path), true);
  const close = await listening(path);
  await close();
});

test("a file of that name is left alone", async () => {
  const path = join(folder, "file");
  writeFileSync(path, "mine");
  await assert.rejects(listening(path), {
    code: "LISTEN_REFUSED",
    message: /something that is no socket has this name/,
  });
});

test("a folder that others may write is refused, but for sticky ones", async () => {
  const open = mkdtempSync(join(folder, "open-"));
  chmodSync(open, 0o777);
  await assert.rejects(listening(join(open, "s.sock")), {
    code: "LISTEN_REFUSED",
    message: /others may write its folder/,
  });
  chmodSync(open, 0o1777);
  const close = await listening(join(open, "s.sock"));
  await close();
});
