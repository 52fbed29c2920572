/** Managed rules: `[rules]` of the machine's requirements.toml. They come on top of all others, can forbid and ask and never allow, and a
 *  file that can't be used stops the start, because what it forbids is not known then.
 *
 *      [rules]
 *      prefix_rules = [
 *        { pattern = [{ token = "git" }, { any_of = ["push", "fetch"] }], decision = "prompt-user", justification = "..." },
 *      ]                                                                                                        */
import { lstatSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { PrefixRule, RulesError } from "@sallyport/exec-policy";
import type * as TomlModule from "smol-toml";
import { broken, errorCode, folderProblem, readGuardedText } from "./rule-file.ts";
import type { Owner } from "./rule-file.ts";
import type { StoredRule } from "./rule-set.ts";

export interface ManagedRules {
  /** The file that was read; null: there is none. */
  path: string | null;
  rules: StoredRule[];
  errors: RulesError[];
}

type Table = Record<string, unknown>;
type Place = Pick<RulesError, "line" | "column">;
/** `at`: the value as its keys name it, such as `rules.prefix_rules[0].decision`. */
type Complain = (at: string, problem: string, expected: string) => void;

const maxDepth = 64;
const decisions = ["prompt", "prompt-user", "forbidden"] as const;

/** Never throws: what is wrong is in `errors`. */
export function readManagedRules(path: string, owner: Owner): ManagedRules {
  const read = readRequirements(path, owner);
  if ("problem" in read) {
    if (read.problem.isMissing === true) return { path: null, rules: [], errors: [] };
    return { path, rules: [], errors: broken(path, read.problem).errors };
  }
  return { path, ...rulesIn(read.text, path) };
}

/** Systems that are built from packages have a link here; what it leads to is held to the same, folder and all. */
function readRequirements(path: string, owner: Owner): ReturnType<typeof readGuardedText> {
  const folder = folderProblem(dirname(path), owner);
  if (folder !== null) return { problem: folder };
  try {
    return readGuardedText(realpathSync(path), { followLinks: false, owner });
  } catch (error) {
    // A link to nowhere is not the same as no file, but reads so: whoever put it there meant something by it.
    const isMissing = errorCode(error) === "ENOENT" && !isLink(path);
    return {
      problem: { text: `the file cannot be read (${errorCode(error)})`, expected: "a regular file", isMissing },
    };
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function rulesIn(text: string, file: string): Pick<ManagedRules, "rules" | "errors"> {
  const parsed = parse(text);
  if ("problem" in parsed) {
    const { place, message } = parsed.problem;
    return { rules: [], errors: [{ file, ...place, text: message, expected: "a TOML document", excerpt: "" }] };
  }
  const errors: RulesError[] = [];
  const place: Place = { line: 1, column: 1 };
  const complainAt =
    ({ line, column }: Place): Complain =>
    (at, problem, expected) =>
      errors.push({ file, line, column, text: `${at} ${problem}`, expected, excerpt: "" });
  const items = itemsOf(parsed.table, complainAt(place));
  const places = patternPlaces(text, items.length);
  const rules = items.flatMap((item, index) => {
    const at = places[index] ?? place;
    return readRule(item, `rules.prefix_rules[${index}]`, { file, ...at }, complainAt(at));
  });
  return { rules, errors };
}

function parse(text: string): { table: Table } | { problem: { place: Place; message: string } } {
  // Most machines have no such file.
  const toml = createRequire(import.meta.url)("smol-toml") as typeof TomlModule;
  try {
    return { table: toml.parse(text, { integersAsBigInt: true, unsafeKeyBehaviour: "throw", maxDepth }) };
  } catch (error) {
    const place = error instanceof toml.TomlError ? { line: error.line, column: error.column } : { line: 1, column: 1 };
    const [message = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { problem: { place, message: `this is not TOML: ${message.replace("Invalid TOML document: ", "")}` } };
  }
}

function itemsOf(table: Table, complain: Complain): unknown[] {
  if (!Object.hasOwn(table, "rules")) return [];
  const { rules } = table;
  if (!isTable(rules)) {
    complain("rules", `is ${shown(rules)}`, "a table with prefix_rules");
    return [];
  }
  const items = rules["prefix_rules"];
  if (Array.isArray(items) && items.length > 0) return items;
  complain(
    "rules.prefix_rules",
    items === undefined ? "is missing" : `is ${shown(items)}`,
    "a list of rules, not empty",
  );
  return [];
}

/** Keys that it does not know are passed over, as the peer does. */
function readRule(item: unknown, at: string, place: PrefixRule["at"], complain: Complain): StoredRule[] {
  if (!isTable(item)) {
    complain(at, `is ${shown(item)}`, "a table with pattern and decision");
    return [];
  }
  let isBroken = false;
  const note: Complain = (where, problem, expected) => {
    isBroken = true;
    complain(where, problem, expected);
  };
  const [programs = [], ...rest] = patternOf(item["pattern"], `${at}.pattern`, note);
  const decision = decisionOf(item["decision"], `${at}.decision`, note);
  const settings = {
    ...justificationOf(item["justification"], `${at}.justification`, note),
    canonical: flagOf(item["canonical_matching"], `${at}.canonical_matching`, note),
  };
  if (isBroken) return [];
  return programs.map((program) => ({
    program,
    rest,
    decision: decision === "prompt-user" ? "prompt" : decision,
    ...settings,
    escalate: false,
    env: [],
    exact: false,
    at: place,
    origin: "managed",
    ...(decision === "prompt-user" ? { onlyPerson: true } : {}),
  }));
}

function patternOf(value: unknown, at: string, complain: Complain): string[][] {
  if (Array.isArray(value) && value.length > 0)
    return value.map((element: unknown, index) => alternativesOf(element, `${at}[${index}]`, complain));
  const problem = value === undefined ? "is missing" : `is ${shown(value)}`;
  complain(at, problem, "a list of { token = ... } and { any_of = [...] }, not empty");
  return [];
}

function alternativesOf(element: unknown, at: string, complain: Complain): string[] {
  const expected = 'exactly one of token = "..." and any_of = ["...", ...], not empty';
  const { token, any_of: anyOf } = isTable(element) ? element : {};
  const tokens = token === undefined ? anyOf : anyOf === undefined ? [token] : null;
  if (Array.isArray(tokens) && tokens.length > 0 && tokens.every((one) => typeof one === "string" && one !== ""))
    return tokens as string[]; // just looked at
  complain(at, `is ${shown(element)}`, expected);
  return [];
}

function decisionOf(value: unknown, at: string, complain: Complain): (typeof decisions)[number] {
  const known = decisions.find((decision) => decision === value);
  if (known !== undefined) return known;
  const why = value === "allow" ? "; what is managed only restricts, so allow belongs into a .rules file" : "";
  const problem = value === undefined ? "is missing" : `is ${shown(value)}`;
  complain(at, problem, `"prompt", "prompt-user" or "forbidden"${why}`);
  return "forbidden";
}

function justificationOf(value: unknown, at: string, complain: Complain): { justification?: string } {
  if (value === undefined) return {};
  if (typeof value === "string" && value.trim() !== "") return { justification: value };
  complain(at, `is ${shown(value)}`, "a text that is not empty");
  return {};
}

function flagOf(value: unknown, at: string, complain: Complain): boolean {
  if (value === undefined || typeof value === "boolean") return value === true;
  complain(at, `is ${shown(value)}`, "true or false");
  return false;
}

/** Where each rule's pattern stands, for people. The parser does not tell, so the keys are counted; none where their number is another. */
function patternPlaces(text: string, count: number): Place[] {
  const places: Place[] = [];
  const strings = /"""[^]*?"""|'''[^]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#.*|(?<![\w.-])pattern(?=[ \t]*=)/g;
  let line = 1;
  let lineStart = 0;
  for (const { 0: found, index } of text.matchAll(strings)) {
    if (found !== "pattern") continue;
    for (;;) {
      const newline = text.indexOf("\n", lineStart);
      if (newline === -1 || newline > index) break;
      line += 1;
      lineStart = newline + 1;
    }
    places.push({ line, column: index - lineStart + 1 });
  }
  return places.length === count ? places : [];
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function shown(value: unknown): string {
  try {
    const text = JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
    return text.length > 80 ? `${text.slice(0, 80)}...` : text;
  } catch {
    return "nested too deeply to be shown"; // a key may have thousands of parts
  }
}
