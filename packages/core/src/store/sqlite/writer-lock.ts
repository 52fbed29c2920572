/** Who writes which thread, among several servers on one home. Each server that writes holds a lock of the operating system on a
 *  small file of its own for as long as it lives, and `threads.writer` names that file.
 *
 *      server A   writers/A.lock  EXCLUSIVE      threads.writer = A
 *      server B   wants the thread: A.lock can be had SHARED?   no: A lives, refuse.   yes: A is dead, take over
 *
 *  The kernel drops the lock when the process ends, however it ends, so there is no lease to renew and no process id that
 *  another process may have been given. Node has no call for file locks; SQLite's are such locks, and they also hold between two
 *  stores of one process. A reader asks with a SHARED lock, so that two who ask at once don't take each other for the owner. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { v7 as uuidv7 } from "uuid";
import { fileError, isLockedElsewhere, makePrivateFile, storeError } from "./database.ts";

const suffix = ".lock";

export class WriterLock {
  readonly id: string = uuidv7();
  readonly #folder: string;
  #held: DatabaseSync | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Takes the lock, if this server does not have it yet, and removes the files of dead servers. Only inside a transaction that
   *  writes: no other server can then find the new file before it is locked and remove it as a dead one's. */
  hold(): void {
    if (this.#held !== null) return;
    this.#makeFolder();
    this.#removeDead();
    makePrivateFile(this.#pathOf(this.id));
    try {
      this.#held = new DatabaseSync(this.#pathOf(this.id));
      this.#held.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE"); // nothing is ever written, so no file beside it
    } catch (error) {
      this.#held?.close();
      this.#held = null;
      throw storeError(this.#pathOf(this.id), error);
    }
  }

  isAlive(writer: string): boolean {
    if (writer === this.id) return this.#held !== null;
    let probe: DatabaseSync;
    try {
      probe = new DatabaseSync(this.#pathOf(writer), { readOnly: true, timeout: 0 });
    } catch {
      return false; // no such file: its server ended in order, or was found dead
    }
    try {
      probe.prepare("SELECT count(*) FROM sqlite_schema").get();
      return false;
    } catch (error) {
      if (isLockedElsewhere(error)) return true;
      throw storeError(this.#pathOf(writer), error);
    } finally {
      probe.close();
    }
  }

  release(): void {
    if (this.#held === null) return;
    this.#held.close();
    this.#held = null;
    rmSync(this.#pathOf(this.id), { force: true });
  }

  #makeFolder(): void {
    try {
      mkdirSync(this.#folder, { mode: 0o700, recursive: true });
    } catch (error) {
      throw fileError(this.#folder, error);
    }
  }

  #removeDead(): void {
    for (const name of readdirSync(this.#folder)) {
      if (!name.endsWith(suffix) || this.isAlive(name.slice(0, -suffix.length))) continue;
      rmSync(join(this.#folder, name), { force: true });
    }
  }

  #pathOf(writer: string): string {
    return join(this.#folder, `${writer}${suffix}`);
  }
}
