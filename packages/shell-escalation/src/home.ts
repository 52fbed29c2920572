/** Sallyport's home folder: where it is and whether it can be trusted. Rules in it decide what leaves the sandbox, so a home
 *  that somebody else may write is refused. */
import { mkdirSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { SallyportError } from "@sallyport/supervisor";

/** `SALLYPORT_HOME`, else `.sallyport` in the user's home folder. Throws `HOME_REFUSED` for a relative path, which would let
 *  the folder one happens to stand in choose the rules. */
export function locateHome(configured: string | undefined): string {
  if (configured === undefined || configured === "") return join(homedir(), ".sallyport");
  if (!isAbsolute(configured)) {
    throw refused(configured, "SALLYPORT_HOME is relative, expected an absolute path");
  }
  return resolve(configured);
}

/** Returns whether the home exists. Throws `HOME_REFUSED` where it exists and is no folder, belongs to another user, or may be
 *  written by group or others. */
export function checkHome(home: string): boolean {
  let stats: Stats;
  try {
    stats = statSync(home);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    throw refused(home, `it can't be looked at (${code ?? "unknown error"})`, error);
  }
  if (!stats.isDirectory()) throw refused(home, "it is not a folder; move it away or set SALLYPORT_HOME");
  const uid = process.geteuid?.();
  if (uid !== undefined && stats.uid !== uid) {
    throw refused(home, `it belongs to user ${stats.uid}, expected ${uid}; set SALLYPORT_HOME to a folder of your own`);
  }
  if ((stats.mode & 0o022) !== 0) {
    throw refused(
      home,
      `others may write it (mode ${(stats.mode & 0o7777).toString(8)}), expected 700; run chmod 700 on it`,
    );
  }
  return true;
}

/** Makes the home (mode 0700) if it is not there; the folder above it has to exist. */
export function createHome(home: string): void {
  try {
    mkdirSync(home, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    throw refused(home, `it can't be created (${code ?? "unknown error"}); create it or set SALLYPORT_HOME`, error);
  }
}

function refused(home: string, why: string, cause?: unknown): SallyportError {
  return new SallyportError("HOME_REFUSED", `Home "${home}" is refused: ${why}`, {
    data: { home },
    ...(cause === undefined ? {} : { cause }),
  });
}
