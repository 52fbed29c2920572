/** Changes single values of the user's config.toml and keeps every other byte of it: comments, order, line ends.
 *
 *      lock -> read -> edit the text -> parse what came out and compare it with what was meant -> write beside it -> rename */
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { SallyportError } from "@sallyport/supervisor";
import { parse, TomlDate } from "smol-toml";

export interface ConfigEdit {
  path: readonly [string, ...string[]];
  /** Undefined: remove the key. Whole numbers become integers. */
  value: TomlData | undefined;
}

export type TomlData = string | number | boolean | TomlData[] | { [key: string]: TomlData };

export interface EditConfigOptions {
  /** Sees the text as it is before the edits, under the lock; what it throws stops them. */
  check?(text: string): void;
}

const lockTimeoutMs = 10_000;

/** Applies all edits or none, atomically, under a lock that other processes of Sallyport respect. The file and its folder are made
 *  (mode 0600, 0700) where they are missing. Throws `CONFIG_INVALID` where the file is no TOML, `CONFIG_UNWRITABLE` where it can't be
 *  written, or can't be changed without touching the rest. Returns the text as it is now. */
export async function editConfig(
  path: string,
  edits: readonly ConfigEdit[],
  options: EditConfigOptions = {},
): Promise<string> {
  // The lock makes the whole process wait, so within it only one may want it: else its holder never comes to give it up.
  const before = pendingEdits.get(path) ?? Promise.resolve();
  const editing = before.then(() => editLocked(path, edits, options));
  const settled = editing.then(
    () => {},
    () => {}, // the caller is told
  );
  pendingEdits.set(path, settled);
  try {
    return await editing;
  } finally {
    if (pendingEdits.get(path) === settled) pendingEdits.delete(path);
  }
}

/** By file: when the last edit of this process has ended. */
const pendingEdits = new Map<string, Promise<void>>();

async function editLocked(path: string, edits: readonly ConfigEdit[], options: EditConfigOptions): Promise<string> {
  makeFolder(dirname(path));
  using _lock = await lockConfig(path);
  // A link leads to where the user keeps the file; renaming over the link would cut it off.
  const target = realTarget(path);
  const text = readText(target, path);
  options.check?.(text);
  const changed = await editTomlText(text, edits, path);
  if (changed !== text) replaceFile(target, changed);
  return changed;
}

/** Tried out on the parsed document first: what the new text has to mean is known before there is one. */
export async function editTomlText(text: string, edits: readonly ConfigEdit[], path: string): Promise<string> {
  let edited = text;
  for (const edit of edits) edited = await applyEdit(edited, edit, path);
  return edited;
}

async function applyEdit(text: string, edit: ConfigEdit, path: string): Promise<string> {
  const wanted = withEdit(parseExact(text, path), edit, exactValue);
  if (isSame(wanted, parseExact(text, path))) return text;
  const appended = appendSection(text, edit);
  if (appended !== null && means(appended, wanted)) return appended;
  // Only where something is written, hence loaded here.
  const library = await import("@decimalturn/toml-patch");
  let patched: string;
  try {
    // From its own reading of the text, so that it finds no differences but ours.
    patched = library.patch(
      text,
      withEdit(library.parse(text), edit, (value) => value),
    );
  } catch (error) {
    throw unchangeable(path, edit, error);
  }
  if (means(patched, wanted) && keepsLines(text, patched)) return patched;
  throw unchangeable(path, edit);
}

/** What goes into a table that is not there yet goes to the end of the file, as a section of its own; so does a new table. */
function appendSection(text: string, { path, value }: ConfigEdit): string | null {
  const key = path.at(-1);
  if (value === undefined || key === undefined) return null;
  const isNewTable = typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 0;
  const header = isNewTable ? path : path.slice(0, -1);
  if (header.length === 0) return null;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const entries: [string, TomlData][] = isNewTable ? Object.entries(value) : [[key, value]];
  const lines = entries.map(([name, inner]) => `${writeKey(name)} = ${writeValue(inner)}`);
  const gap = text === "" ? "" : text.endsWith("\n") ? newline : newline + newline;
  return `${text}${gap}${[`[${header.map(writeKey).join(".")}]`, ...lines].join(newline)}${newline}`;
}

function writeKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : writeString(key);
}

function writeValue(value: TomlData): string {
  if (typeof value === "string") return writeString(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(writeValue).join(", ")}]`;
  const entries = Object.entries(value).map(([key, inner]) => `${writeKey(key)} = ${writeValue(inner)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

/** JSON's escapes are TOML's, but for DEL, which TOML wants escaped too. */
function writeString(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

type Parsed = Record<string, unknown>;

/** Exact: 1 and 1.0 differ, as do dates with other offsets. */
function parseExact(text: string, path: string): Parsed {
  try {
    return parse(text, { integersAsBigInt: true, unsafeKeyBehaviour: "throw" });
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new SallyportError("CONFIG_INVALID", `Configuration "${path}" can't be changed, as it is no TOML: ${why}`, {
      data: { path },
      cause: error,
    });
  }
}

function means(text: string, wanted: Parsed): boolean {
  try {
    return isSame(parse(text, { integersAsBigInt: true, unsafeKeyBehaviour: "throw" }), wanted);
  } catch {
    return false;
  }
}

/** Prototypes don't count: the parser's tables have others than ours. */
function isSame(a: Parsed, b: Parsed): boolean {
  return isDeepStrictEqual(comparable(a), comparable(b));
}

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (value instanceof TomlDate) return [value.toISOString(), value.isLocal(), value.isDate(), value.isTime()];
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]));
}

/** Every comment must still be there: what people wrote for people is not ours to lose. */
function keepsLines(before: string, after: string): boolean {
  const comments = before.match(/^[ \t]*#.*$/gm) ?? [];
  return comments.every((comment) => after.includes(comment));
}

function withEdit(document: Parsed, { path, value }: ConfigEdit, convert: (value: TomlData) => unknown): Parsed {
  const [key, ...rest] = path;
  const map = new Map(Object.entries(document));
  const [next, ...others] = rest;
  if (next === undefined) {
    if (value === undefined) map.delete(key);
    else map.set(key, convert(value));
  } else {
    const inner = map.get(key);
    const table = isPlainTable(inner) ? inner : {};
    if (value !== undefined || isPlainTable(inner)) {
      map.set(key, withEdit(table, { path: [next, ...others], value }, convert));
    }
  }
  return Object.fromEntries(map);
}

function isPlainTable(value: unknown): value is Parsed {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function exactValue(value: TomlData): unknown {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(exactValue);
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, exactValue(inner)]));
  }
  return value;
}

function unchangeable(path: string, { path: key, value }: ConfigEdit, cause?: unknown): SallyportError {
  const name = key.map(writeKey).join(".");
  const todo = value === undefined ? `remove ${name}` : `set ${name} = ${writeValue(value)}`;
  return new SallyportError(
    "CONFIG_UNWRITABLE",
    `Configuration "${path}" can't be changed without touching the rest of it; ${todo} by hand`,
    { data: { path, key: name }, ...(cause === undefined ? {} : { cause }) },
  );
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function realTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readText(target: string, path: string): string {
  try {
    return readFileSync(target, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw unwritable(path, error);
  }
}

function replaceFile(target: string, text: string): void {
  const fresh = join(dirname(target), `.${randomUUID()}.tmp`);
  try {
    const mode = (statSync(target, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;
    const descriptor = openSync(fresh, "wx", mode);
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    chmodSync(fresh, mode);
    renameSync(fresh, target);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw unwritable(target, error);
  }
}

/** SQLite's lock on a file of its own: the kernel gives it up when its holder dies, so none is ever left behind. */
async function lockConfig(path: string): Promise<Disposable> {
  const { DatabaseSync } = await import("node:sqlite");
  try {
    const database = new DatabaseSync(`${path}.lock`, { timeout: lockTimeoutMs });
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      throw error;
    }
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, cause: unknown): SallyportError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SallyportError("CONFIG_UNWRITABLE", `Configuration "${path}" can't be written: ${why}; check the folder`, {
    data: { path },
    cause,
  });
}
