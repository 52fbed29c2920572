/** One call of `prefix_rule` to rules. All problems of a call are reported, each at the argument at fault. */
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList, parameterTable, readArguments, shortRepr, writtenArgument } from "./call-arguments.ts";
import type { Example } from "./examples.ts";
import { readExamples, stringsOf, usualExamples } from "./examples.ts";
import { normalPath } from "./program-names.ts";
import { isLoaderVariable } from "./loader-variables.ts";
import { justificationOf } from "./network-rule.ts";
import type { EscalationBounds, PrefixRule, RuleDecision } from "./rule.ts";
import { quoted } from "./rules-error.ts";
import type { Call } from "./syntax.ts";
import { aType, Dict, isTrue, List, typeName } from "./values.ts";
import type { Given, Value } from "./values.ts";

/** Parameters that Codex does not know. */
const ownParameters: readonly string[] = ["escalate", "env", "exact", "expires", "sha256", "under", "escalate_with"];

const table = parameterTable(
  "prefix_rule",
  {
    pattern: "list",
    decision: "string",
    match: "list",
    not_match: "list",
    justification: "string",
    canonical_matching: "bool",
    escalate: "bool",
    env: "list",
    exact: "bool",
    expires: "string",
    sha256: "string",
    under: "string",
    escalate_with: "dict",
  },
  { named: ownParameters, required: ["pattern"] },
);

const unusual: ReadonlySet<string> = new Set(["justification", "expires", "sha256", "under", "escalate_with"]);
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface ReadRules {
  rules: PrefixRule[];
  wanted: readonly Example[];
  unwanted: readonly Example[];
  call: Call;
  /** Our own parameters that the call uses. */
  own: readonly string[];
}

/** Null after a problem. */
export function readPrefixRule(call: Call, given: Given, at: PrefixRule["at"], report: Report): ReadRules | null {
  return readUsual(call, given, at) ?? readAny(call, given, at, report);
}

const nothing: readonly string[] = [];
const noExamples: readonly Example[] = [];

/** Nearly every call: right, and without parameters of ours. There may be a hundred thousand of them. Null for any other, which is
 *  then read with the place of each argument at hand, to point at what is wrong. */
function readUsual(call: Call, { positional, named }: Given, at: PrefixRule["at"]): ReadRules | null {
  if (positional.length > inOrder.length || positional.includes(null)) return null;
  const pattern = positional[0] ?? named.get("pattern");
  const decision = positional[1] ?? named.get("decision") ?? "allow";
  const match = positional[2] ?? named.get("match");
  const notMatch = positional[3] ?? named.get("not_match");
  const justification = positional[4] ?? named.get("justification");
  const canonical = positional[5] ?? named.get("canonical_matching");
  if (countNamed(named, positional.length) !== named.size) return null;
  if (decision !== "allow" && decision !== "prompt" && decision !== "forbidden") return null;
  if (canonical !== undefined && typeof canonical !== "boolean") return null;
  if (justification !== undefined && (typeof justification !== "string" || justification.trim() === "")) return null;
  const tokens = pattern instanceof List ? usualTokens(pattern) : null;
  const wanted = match === undefined ? noExamples : usualExamples(match, writtenArgument(call, 2, "match"), call);
  const unwanted =
    notMatch === undefined ? noExamples : usualExamples(notMatch, writtenArgument(call, 3, "not_match"), call);
  if (tokens === null || wanted === null || unwanted === null) return null;
  const rest = tokens.slice(1);
  const rules = (tokens[0] ?? nothing).map((program) => {
    const rule: PrefixRule = {
      program,
      rest,
      decision,
      escalate: false,
      env: nothing,
      canonical: canonical === true,
      exact: false,
      at,
    };
    if (justification !== undefined) rule.justification = justification;
    return rule;
  });
  return { rules, wanted, unwanted, call, own: nothing };
}

const inOrder = ["pattern", "decision", "match", "not_match", "justification", "canonical_matching"] as const;

/** How many of the parameters from `first` on are given by name, and not as None. */
function countNamed(named: ReadonlyMap<string, Value>, first: number): number {
  let count = 0;
  for (let index = first; index < inOrder.length; index += 1) {
    if (named.get(inOrder[index] ?? "") != null) count += 1;
  }
  return count;
}

/** Null where the pattern is empty, or has something else in it than strings and lists of strings. */
function usualTokens({ items }: List): string[][] | null {
  if (items.length === 0) return null;
  const tokens = Array<string[]>(items.length);
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index];
    const alternatives = typeof item === "string" ? [item] : item instanceof List ? stringsOf(item) : null;
    if (alternatives === null || alternatives.length === 0) return null;
    tokens[index] = alternatives;
  }
  return tokens;
}

function readAny(call: Call, given: Given, at: PrefixRule["at"], report: Report): ReadRules | null {
  let broken = false;
  const note: Report = (where, text, expected) => {
    broken = true;
    report(where, text, expected);
  };
  const found = readArguments(table, call, given, note);
  const settings = settingsOf(found, at, note);
  refuseIdleSettings(found, settings.decision, note);
  const [programs, ...rest] = patternOf(found.get("pattern"), note);
  const unwanted = readExamples(found.get("not_match"), note);
  const wanted = readExamples(found.get("match"), note);
  if (broken) return null;
  const rules = (programs ?? []).map((program): PrefixRule => ({ program, rest, ...settings }));
  const own = [...found.keys()].filter((name) => ownParameters.includes(name));
  return {
    rules,
    wanted,
    unwanted,
    call,
    own: own.length > 1 ? ownParameters.filter((name) => own.includes(name)) : own,
  };
}

/** Built in one piece where nothing unusual is given: there may be a hundred thousand of them. */
function settingsOf(
  found: ReadonlyMap<string, Placed>,
  at: PrefixRule["at"],
  note: Report,
): Omit<PrefixRule, "program" | "rest"> {
  const flag = (name: string): boolean => isTrue(found.get(name)?.value ?? false);
  const usual = {
    decision: decisionOf(found.get("decision"), note),
    escalate: flag("escalate"),
    env: variablesOf(found.get("env"), note),
    canonical: flag("canonical_matching"),
    exact: flag("exact"),
    at,
  };
  if (![...found.keys()].some((name) => unusual.has(name))) return usual;
  return {
    ...usual,
    ...justificationOf(found.get("justification"), note),
    ...expiresOf(found.get("expires"), note),
    ...sha256Of(found.get("sha256"), note),
    ...underOf(found.get("under"), note),
    ...boundsOf(found.get("escalate_with"), note),
  };
}

function decisionOf(place: Placed | undefined, report: Report): RuleDecision {
  const value = place?.value;
  if (place === undefined || typeof value !== "string") return "allow";
  if (value === "allow" || value === "prompt" || value === "forbidden") return value;
  report(place, `invalid decision: ${quoted(value)}`, '"allow", "prompt" or "forbidden"');
  return "forbidden";
}

function variablesOf(place: Placed | undefined, report: Report): string[] {
  if (place === undefined) return [];
  return elementsOfList(place).flatMap((item) => variableOf(item, report));
}

function variableOf(item: Placed, report: Report): string[] {
  const name = item.value;
  if (typeof name !== "string" || !variableName.test(name)) {
    report(item, `invalid env: ${shortRepr(name)} is not the name of a variable`, 'names such as "AWS_PROFILE"');
    return [];
  }
  if (!isLoaderVariable(name)) return [name];
  report(
    item,
    `invalid env: ${name} decides what code is loaded`,
    "a variable that an escalated program may take over",
  );
  return [];
}

export function expiresOf(place: Placed | undefined, report: Report): { expires?: string } {
  if (typeof place?.value !== "string") return {};
  const date = place.value;
  const parsed = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(date) ? new Date(`${date}T00:00:00Z`) : null;
  // A 31st of February would roll over into March.
  if (parsed === null || Number.isNaN(parsed.getTime()) || !parsed.toISOString().startsWith(date)) {
    report(place, `invalid expires: ${shortRepr(date)} is not a day`, 'a day such as "2027-01-31"');
    return {};
  }
  return { expires: date };
}

export function sha256Of(place: Placed | undefined, report: Report): { sha256?: string } {
  if (typeof place?.value !== "string") return {};
  if (/^[0-9a-fA-F]{64}$/.test(place.value)) return { sha256: place.value.toLowerCase() };
  report(place, `invalid sha256: ${shortRepr(place.value)}`, "64 hexadecimal digits, as sha256sum prints them");
  return {};
}

function underOf(place: Placed | undefined, report: Report): { under?: string } {
  if (typeof place?.value !== "string") return {};
  if (place.value.startsWith("/")) return { under: normalPath(place.value) };
  report(place, `invalid under: ${shortRepr(place.value)} is not absolute`, "a folder that starts with /");
  return {};
}

function boundsOf(place: Placed | undefined, report: Report): { escalateWith?: EscalationBounds } {
  if (place === undefined || !(place.value instanceof Dict)) return {};
  const bounds = { write: [] as string[], read: [] as string[], network: false, env: [] as string[] };
  for (const { key, value } of place.value.entries.values()) {
    if (key === "network" && typeof value === "boolean") bounds.network = value;
    else if (key === "write" || key === "read" || key === "env") bounds[key] = boundTexts(key, value, place, report);
    else
      report(
        place,
        `invalid escalate_with: ${shortRepr(key)} with ${aType(value)}`,
        "write, read and env with lists of strings, network with True or False",
      );
  }
  return { escalateWith: bounds };
}

function boundTexts(key: string, value: Value, place: Placed, report: Report): string[] {
  if (!(value instanceof List)) {
    report(place, `invalid escalate_with: ${key} is ${aType(value)}`, "a list of strings");
    return [];
  }
  return value.items.flatMap((item) => {
    if (key === "env") return variableOf({ ...place, value: item }, report);
    if (typeof item === "string" && item.startsWith("/")) return [normalPath(item)];
    report(place, `invalid escalate_with: ${key} has ${shortRepr(item)}`, "absolute paths");
    return [];
  });
}

/** A setting that can never have an effect is a misunderstanding about what the rule does. */
function refuseIdleSettings(found: ReadonlyMap<string, Placed>, decision: RuleDecision, report: Report): void {
  if (decision !== "forbidden") return;
  for (const name of ["escalate", "env", "escalate_with"] as const) {
    const place = found.get(name);
    const idle = place === undefined || place.value === false;
    if (!idle) report(place, `\`${name}\` has no meaning in a forbidden rule`, "decision allow or prompt");
  }
}

/** The alternatives of each position; empty after a problem. */
function patternOf(place: Placed | undefined, report: Report): string[][] {
  if (place === undefined || !(place.value instanceof List)) return [];
  if (place.value.items.length === 0)
    report(place, "invalid pattern element: pattern cannot be empty", "at least the program");
  return elementsOfList(place).map((item) => alternativesOf(item, report));
}

function alternativesOf(item: Placed, report: Report): string[] {
  const element = "invalid pattern element: pattern";
  const { value } = item;
  if (typeof value === "string") return [value];
  if (!(value instanceof List)) {
    const text = `${element} element must be a string or list of strings (got ${typeName(value)})`;
    report(item, text, "a string or a list of strings");
    return [];
  }
  if (value.items.length === 0) report(item, `${element} alternatives cannot be empty`, "at least one alternative");
  const parts = elementsOfList(item);
  const wrong = parts.find((part) => typeof part.value !== "string");
  if (wrong !== undefined)
    report(wrong, `${element} alternative must be a string (got ${typeName(wrong.value)})`, "a string");
  return parts.flatMap((part) => (typeof part.value === "string" ? [part.value] : []));
}
