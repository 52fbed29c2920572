/** One SQLite file, opened the way the store needs it. Everything runs synchronously and a transaction never spans an `await`: no
 *  other call can slip into it, and a transaction lasts as long as its statements.
 *
 *  Plain SQL on purpose: a query builder costs more time to load than the first turn takes. */
import { closeSync, constants as fsConstants, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { SallyportError } from "@sallyport/supervisor";

/** How long to wait for another process's transaction, which takes milliseconds. */
const busyTimeoutMs = 5_000;

export const inMemory = ":memory:";

/** A row as a statement gives it: only the columns that it names are there. A name has one type throughout the schema, and `STRICT`
 *  tables keep to it. */
export interface Row {
  body: string;
  exec_runs: number;
  first_seq: number;
  id: string;
  is_open: number;
  item_id: string;
  key: number;
  last_seq: number;
  lines: string;
  pruned_seq: number;
  recency_at_ms: number;
  seq: number;
  sorted: number;
  start: number;
  status: string;
  turn_id: string;
  turn_key: number;
  updated_at_ms: number;
  user_version: number;
  waiting_item: string | null;
  writer: string | null;
}

export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Makes the file, readable for its owner only, if it is not there. */
  constructor(path: string) {
    this.path = path;
    if (path !== inMemory) makePrivateFile(path);
    this.#db = new DatabaseSync(path, { timeout: busyTimeoutMs, open: false });
    try {
      this.#db.open();
      // NORMAL survives the end of the process at any moment; only a power loss may cost the last commits.
      this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;");
    } catch (error) {
      if (this.#db.isOpen) this.#db.close();
      throw storeError(path, error);
    }
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as unknown as Row | undefined; // see Row
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values) as unknown as Row[]; // see Row
  }

  /** Returns the row number of an insert. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid);
  }

  /** Statements without values, several in one text. */
  script(sql: string): void {
    this.#db.exec(sql);
  }

  /** Runs `work` in a transaction that nobody else can write beside. All of it is kept, or, when it throws, nothing. */
  write<Result>(work: () => Result): Result {
    return this.#transaction("BEGIN IMMEDIATE", work);
  }

  /** Runs `work` on one state of the database, whatever other processes commit meanwhile. */
  read<Result>(work: () => Result): Result {
    return this.#transaction("BEGIN", work);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #transaction<Result>(begin: string, work: () => Result): Result {
    try {
      this.#db.exec(begin);
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw storeError(this.path, error);
    }
  }

  /** SQLite has rolled back by itself after some errors, such as a full disk. */
  #rollBack(): void {
    if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  /** The texts are constants of this folder, so the map stays small. */
  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Only ever creates: opening a database's file and closing it again would drop the locks that SQLite holds on it in this
 *  process. SQLite gives the files beside it the same mode. */
export function makePrivateFile(path: string): void {
  const { O_CREAT, O_EXCL, O_WRONLY } = fsConstants;
  try {
    closeSync(openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    throw fileError(path, error);
  }
}

/** A file of the store could not be made or written. */
export function fileError(path: string, error: unknown): SallyportError {
  const { code, message } = error as NodeJS.ErrnoException;
  const options = { data: { path, errno: code }, cause: error };
  if (code === "ENOSPC" || code === "EDQUOT") return new SallyportError("STORE_FULL", fullMessage(path), options);
  if (code === "EROFS" || code === "EACCES" || code === "EPERM" || code === "ENOENT") {
    return new SallyportError("STORE_UNWRITABLE", unwritableMessage(path), options);
  }
  return new SallyportError("STORE_FAILED", `Store "${path}" can't be written: ${message}`, options);
}

/** Primary result codes of SQLite. */
const sqliteCodes = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
};

/** SQLite's errors as ours; others as they are. */
export function storeError(path: string, error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === null) return error;
  const { message } = error as Error; // sqliteCode() found it to be one
  const options = { data: { path, sqliteCode: code }, cause: error };
  switch (code) {
    case sqliteCodes.busy:
    case sqliteCodes.locked:
      return new SallyportError(
        "STORE_BUSY",
        `Store "${path}" was locked by another process for more than ${busyTimeoutMs} ms, expected a short wait; end that process or try again`,
        options,
      );
    case sqliteCodes.readOnly:
    case sqliteCodes.cannotOpen:
      return new SallyportError("STORE_UNWRITABLE", unwritableMessage(path), options);
    case sqliteCodes.full:
      return new SallyportError("STORE_FULL", fullMessage(path), options);
    case sqliteCodes.corrupt:
    case sqliteCodes.notADatabase:
      return new SallyportError(
        "STORE_CORRUPT",
        `Store "${path}" is damaged (${message}), expected a database of Sallyport; move it away to begin with an empty one`,
        options,
      );
    default:
      return new SallyportError("STORE_FAILED", `Store "${path}" can't be used: ${message}`, options);
  }
}

/** Null where the error is not SQLite's. */
function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return null;
  return error.errcode & 0xff; // the rest tells where in SQLite it happened
}

export function isLockedElsewhere(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === sqliteCodes.busy || code === sqliteCodes.locked;
}

function fullMessage(path: string): string {
  return `Store "${path}" has no room left, and nothing of this step was stored; make room on its disk`;
}

function unwritableMessage(path: string): string {
  return `Store "${path}" can't be written, expected a folder that its owner may write; make it writable or set SALLYPORT_HOME`;
}
