/** The environment of an escalated program: what the session started with, and little else. A variable of the caller's is a way
 *  to make an allowed program do something else, so each that is let through is named here. */
import { isLoaderVariable } from "@sallyport/exec-policy";
import type { Text } from "@sallyport/protocol";
import { textFromBytes, textToBytes } from "@sallyport/supervisor";
import { loaderSettings, writableSetting } from "./loader-variables.ts";
import { isWithin } from "./text-path.ts";
import type { Session } from "./types.ts";
import { followWay } from "./way.ts";
import type { Places } from "./way.ts";

export interface EscalatedEnvironment {
  env: Text[];
  dropped: Text[];
}

/** Without a slash: terminfo and locale files are looked up by these values. */
const harmlessValue = /^[\w.@+:=;,-]*$/;

export class SessionEnvironment {
  readonly #session: Session;
  readonly #places: Places;
  #base: Map<string, Variable> | undefined;
  /** A loop starts the same program with the same environment again and again. */
  #last: { env: Buffer; cwd: string | null; ruleEnv: readonly string[]; answer: EscalatedEnvironment } | undefined;

  constructor(session: Session, places: Places) {
    this.#session = session;
    this.#places = places;
  }

  /** `cwd` is the name inside, null where that is not UTF-8. The answer must not be changed: it may be given again. */
  forEscalation(caller: { env: Buffer; cwd: string | null }, ruleEnv: readonly string[]): EscalatedEnvironment {
    const last = this.#last;
    if (last !== undefined && last.cwd === caller.cwd && last.ruleEnv === ruleEnv && last.env.equals(caller.env)) {
      return last.answer;
    }
    const answer = this.#compose(caller, ruleEnv);
    // Copied: the caller's is a piece of a larger buffer, which would be kept whole.
    this.#last = { ...caller, env: Buffer.from(caller.env), ruleEnv, answer };
    return answer;
  }

  #compose(caller: { env: Buffer; cwd: string | null }, ruleEnv: readonly string[]): EscalatedEnvironment {
    const asked = parseEnvironment(splitEntries(caller.env));
    const result = new Map(this.#safeBase());
    for (const [name, entry] of asked) {
      const text = entry.value.toString("utf8");
      if (name === "PWD") this.#passFolder(result, text, caller.cwd);
      else if (isPassedOn(name, text) || (ruleEnv.includes(name) && !isLoaderVariable(name))) result.set(name, entry);
    }
    const dropped = [...asked].filter(([name, entry]) => !isKept(name, entry, result.get(name)));
    return { env: [...result.values()].map(textOf), dropped: dropped.map(([, { name }]) => textFromBytes(name)) };
  }

  /** Programs believe PWD where it names the working folder, so it is passed on for that case alone, by the name outside. */
  #passFolder(result: Map<string, Variable>, path: string, cwd: string | null): void {
    if (cwd === null || !namesFolder(path, cwd, this.#places)) return;
    const outside = this.#places.outside(cwd);
    setText(result, "PWD", outside === cwd ? path : outside);
  }

  /** Made once: what leads to places out of reach can't be changed from inside later either. */
  #safeBase(): Map<string, Variable> {
    if (this.#base !== undefined) return this.#base;
    const base = parseEnvironment(this.#session.env.map(textToBytes));
    keepSafe(base, this.#session, this.#places);
    base.delete("PWD");
    this.#base = base;
    return base;
  }
}

interface Variable {
  name: Buffer;
  value: Buffer;
}

function isPassedOn(name: string, value: string): boolean {
  return (name === "TERM" || name === "LANG" || /^LC_[A-Z]+$/.test(name)) && harmlessValue.test(value);
}

/** Takes out what leads from the session's own settings into places that can be written from inside now. */
function keepSafe(result: Map<string, Variable>, session: Session, places: Places): void {
  const path = result.get("PATH")?.value.toString("utf8");
  if (path !== undefined) {
    const safe = path.split(":").filter((folder) => folder.startsWith("/") && leadsOutside(folder, places));
    // An empty PATH would mean the working folder; without one, libc has its own.
    if (safe.length === 0) result.delete("PATH");
    else setText(result, "PATH", safe.join(":"));
  }
  for (const name of ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"]) {
    const entry = result.get(name);
    if (entry === undefined) continue;
    const settings = loaderSettings(Buffer.concat([entry.name, Buffer.from("="), entry.value]));
    if (writableSetting(settings, { cwd: session.cwd, program: "/", places }) !== null) result.delete(name);
  }
}

function leadsOutside(folder: string, places: Places): boolean {
  const way = followWay(folder, places);
  return way.writable === null && !way.private;
}

/** True where `path` leads to the folder `cwd` and nothing inside can bend the way there. */
function namesFolder(path: string, cwd: string, places: Places): boolean {
  if (path === cwd) return true;
  if (!path.startsWith("/")) return false;
  const way = followWay(path, places);
  return way.resolved === cwd && way.writableLink === null && !isWithin("/proc", path);
}

function setText(map: Map<string, Variable>, name: string, value: string): void {
  map.set(name, { name: Buffer.from(name), value: Buffer.from(value) });
}

/** PWD is kept where it is passed on at all: it may have another name outside. */
function isKept(name: string, asked: Variable, given: Variable | undefined): boolean {
  return given !== undefined && (name === "PWD" || given.value.equals(asked.value));
}

function textOf({ name, value }: Variable): Text {
  return textFromBytes(Buffer.concat([name, Buffer.from("="), value]));
}

function splitEntries(block: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let start = 0; start < block.length;) {
    const end = block.indexOf(0, start);
    entries.push(block.subarray(start, end === -1 ? block.length : end));
    start = end === -1 ? block.length : end + 1;
  }
  return entries;
}

/** By name; of a name given twice the first counts, as in libc. Keyed by latin1, so that no two names become one. */
function parseEnvironment(entries: readonly Buffer[]): Map<string, Variable> {
  const found = new Map<string, Variable>();
  for (const entry of entries) {
    const equals = entry.indexOf(0x3d);
    if (equals <= 0) continue;
    const name = entry.subarray(0, equals);
    const key = name.toString("latin1");
    if (!found.has(key)) found.set(key, { name, value: entry.subarray(equals + 1) });
  }
  return found;
}
