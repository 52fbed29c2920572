/** Reads what a hook printed. First character `{` or `[`: one JSON object of the event's shape, strictly; anything else: text.
 *
 *  The program that printed it may be anybody's and what it prints may come from the code it guards against, so nothing here throws,
 *  recurses or takes more than linear time. */
import { createRequire } from "node:module";
import type { HookEventName, HookOutputs, hookOutputs } from "@sallyport/protocol";
import type { CapturedStream } from "../types.ts";
import { hasOutputShape } from "./output-shapes.ts";

export type ParsedOutput<Event extends HookEventName> =
  | { kind: "nothing" }
  | { kind: "text"; text: string }
  | { kind: "object"; output: HookOutputs[Event] }
  | { kind: "invalid"; problem: string };

/** As deep as the peer reads. A rewrite of a tool's input is written as JSON again, and that recurses. */
const maxDepth = 127;
const maxNamedProblems = 3;

export function parseOutput<Event extends HookEventName>(event: Event, stdout: CapturedStream): ParsedOutput<Event> {
  const text = trimWhiteSpace(stdout.bytes.toString("utf8"));
  if (text === "") return { kind: "nothing" };
  if (!text.startsWith("{") && !text.startsWith("[")) return { kind: "text", text: text + cutMark(stdout) };
  const problem = jsonProblem(text, stdout);
  if (problem !== null) return { kind: "invalid", problem };
  return parseJson(event, text);
}

/** Says of a stream that did not fit where the rest is; else nothing. */
export function cutMark({ bytes, totalBytes, spillFile }: CapturedStream): string {
  if (totalBytes <= bytes.length) return "";
  const where = spillFile === null ? "" : `; all of it is in ${spillFile}`;
  return `\n[${totalBytes - bytes.length} of ${totalBytes} bytes left out${where}]`;
}

/** White space as Unicode has it, as the peer does. JavaScript's own trim() also takes away a byte order mark, and `{` after one is
 *  text; a pattern anchored at the end would take quadratic time on a megabyte of blanks. */
export function trimWhiteSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhiteSpace(text.charAt(start))) start += 1;
  while (end > start && isWhiteSpace(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isWhiteSpace(character: string): boolean {
  return /\p{White_Space}/u.test(character);
}

function jsonProblem(text: string, stdout: CapturedStream): string | null {
  if (stdout.totalBytes > stdout.bytes.length) {
    const kept = `expected at most ${stdout.bytes.length} of JSON`;
    const where = stdout.spillFile === null ? "" : `; all of it is in ${stdout.spillFile}`;
    return `${stdout.totalBytes} bytes, ${kept}${where}`;
  }
  return depthOf(text) > maxDepth ? `JSON nested deeper than ${maxDepth} levels` : null;
}

function parseJson<Event extends HookEventName>(event: Event, text: string): ParsedOutput<Event> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return {
      kind: "invalid",
      problem: `JSON that does not parse: ${String(error).replace("SyntaxError: ", "")}`,
    };
  }
  if (/\\u[dD][89a-fA-F]/.test(text) && hasLoneSurrogate(value)) {
    return { kind: "invalid", problem: "JSON with half a character (a lone \\ud800 to \\udfff)" };
  }
  if (hasOutputShape(event, value)) return { kind: "object", output: value };
  const { success, data, error } = outputSchemas()[event].safeParse(value);
  if (success) return { kind: "object", output: data as HookOutputs[Event] }; // the schema of this very event
  const issues = error.issues.slice(0, maxNamedProblems).map((issue) => describe(issue, value));
  return { kind: "invalid", problem: issues.join("; ") };
}

let schemas: typeof hookOutputs | undefined;

/** Loaded when the first hook prints JSON that needs an explanation: zod takes longer to load than most hooks take to run. By
 *  `require()`, because a verdict is given at once. */
function outputSchemas(): typeof hookOutputs {
  if (schemas === undefined) {
    const load = createRequire(import.meta.url);
    const protocol = load("@sallyport/protocol") as { hookOutputs: typeof hookOutputs }; // require() has no types
    schemas = protocol.hookOutputs;
  }
  return schemas;
}

interface Issue {
  code?: string;
  path: readonly PropertyKey[];
  expected?: string;
  keys?: string[];
  values?: readonly unknown[];
  message: string;
}

/** The peers say only "invalid output"; whoever writes a hook needs the field and what was expected. */
function describe(issue: Issue, value: unknown): string {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const keys = (issue.keys ?? [])
      .slice(0, maxNamedProblems)
      .map((key) => quote(path === "" ? key : `${path}.${key}`));
    return `unknown field ${keys.join(", ")}`;
  }
  const found = issue.path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown>)?.[key], value); // a path zod walked
  const expected =
    issue.code === "invalid_value"
      ? (issue.values ?? []).map((allowed) => JSON.stringify(allowed)).join(" or ")
      : (issue.expected ?? issue.message);
  return `${path === "" ? "all of it" : quote(path)} is ${shown(found)}, expected ${expected}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return quote(value);
}

function quote(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** How deep brackets nest, those in strings left out. A text that is no JSON gives some number. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (isInString) {
      if (character === "\\") index += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === "{" || character === "[") deepest = Math.max(deepest, (depth += 1));
    else if (character === "}" || character === "]") depth -= 1;
  }
  return deepest;
}

/** Such a string has no UTF-8 form, so it would reach the model and the journal as something else. */
function hasLoneSurrogate(value: unknown): boolean {
  if (typeof value === "string") return !value.isWellFormed();
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => !key.isWellFormed() || hasLoneSurrogate(inner));
}
