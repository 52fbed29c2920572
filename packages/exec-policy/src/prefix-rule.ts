/** One call of `prefix_rule` to rules. All problems of a call are reported, each at the argument at fault. */
import type { Argument, Call, Report } from "./call.ts";
import { checkExamples } from "./examples.ts";
import type { Literal } from "./literal.ts";
import { reprOf, typeName } from "./literal.ts";
import type { PrefixRule, RuleDecision } from "./rule.ts";
import { quoted } from "./rules-error.ts";

type TypeName = "string" | "list" | "bool";
type ArgumentName = keyof typeof parameters;

// In the order in which they may be given without a name; the last two are ours and need theirs.
const parameters = {
  pattern: "list",
  decision: "string",
  match: "list",
  not_match: "list",
  justification: "string",
  canonical_matching: "bool",
  escalate: "bool",
  env: "list",
} as const satisfies Record<string, TypeName>;
const names = Object.keys(parameters) as ArgumentName[];
const positional = names.slice(0, 6);

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** These make the dynamic loader or libc load code into the escalated program itself, so no rule can let them through. */
export function isLoaderVariable(name: string): boolean {
  return name.startsWith("LD_") || name === "GLIBC_TUNABLES" || name === "GCONV_PATH" || name === "LOCPATH";
}

export function rulesOfCall(call: Call, at: PrefixRule["at"], report: Report): PrefixRule[] {
  let broken = false;
  const note: Report = (where, text, expected) => {
    broken = true;
    report(where, text, expected);
  };
  const given = argumentsByName(call, note);
  const settings = {
    decision: decisionOf(given.get("decision"), note),
    ...justificationOf(given.get("justification"), note),
    escalate: flagOf(given.get("escalate")),
    env: variablesOf(given.get("env"), note),
    at,
  };
  refuseCanonicalMatching(given.get("canonical_matching"), note);
  refuseIdleSettings(given, settings.decision, note);
  const [programs, ...rest] = patternOf(given.get("pattern"), note);
  const rules = (programs ?? []).map((program): PrefixRule => ({ program, rest, ...settings }));
  checkExamples({ match: given.get("match"), notMatch: given.get("not_match") }, broken ? null : rules, note);
  return broken ? [] : rules;
}

function argumentsByName(call: Call, report: Report): Map<ArgumentName, Literal> {
  const found = new Map<ArgumentName, Literal>();
  const named = new Set<string>();
  for (const [index, argument] of call.given.entries()) {
    const name = argument.name ?? positional[index];
    if (argument.name === null && named.size > 0) {
      report(argument, "a positional argument follows a named one", "positional arguments first");
    } else if (name === undefined) {
      report(argument, "too many positional arguments for call to prefix_rule", `at most ${positional.length}`);
    } else if (!isParameter(name)) {
      const hint = `one of ${names.join(", ")}`;
      report(argument, `Found ${quoted(name)} extra named parameter(s) for call to prefix_rule`, hint);
    } else if (found.has(name)) {
      const what = named.has(name) ? "repeated named argument" : `Argument \`${name}\` occurs more than once`;
      report(argument, what, `\`${name}\` once`);
    } else if (checkType(name, argument, report)) {
      found.set(name, argument.value);
    }
    if (argument.name !== null) named.add(argument.name);
  }
  const patternGiven = call.given.some((argument, index) => (argument.name ?? positional[index]) === "pattern");
  if (!patternGiven) report(call, "Missing parameter `pattern` for call to `prefix_rule`", "a list of tokens");
  return found;
}

function isParameter(name: string): name is ArgumentName {
  return Object.hasOwn(parameters, name);
}

function checkType(name: ArgumentName, argument: Argument, report: Report): boolean {
  const wanted = parameters[name];
  const actual = typeName(argument.value);
  if (actual === wanted) return true;
  const what = `Type of parameter \`${name}\` doesn't match`;
  report(argument.value, what, `\`${wanted}\`, actual \`${actual} (repr: ${reprOf(argument.value)})\``);
  return false;
}

function decisionOf(literal: Literal | undefined, report: Report): RuleDecision {
  if (literal?.kind !== "string") return "allow";
  const value = literal.value;
  if (value === "allow" || value === "prompt" || value === "forbidden") return value;
  report(literal, `invalid decision: ${quoted(value)}`, '"allow", "prompt" or "forbidden"');
  return "forbidden";
}

function justificationOf(literal: Literal | undefined, report: Report): { justification?: string } {
  if (literal?.kind !== "string") return {};
  if (literal.value.trim() === "") {
    report(literal, "invalid rule: justification cannot be empty", "a reason, or no justification at all");
  }
  return { justification: literal.value };
}

function flagOf(literal: Literal | undefined): boolean {
  return literal?.kind === "bool" && literal.value;
}

function variablesOf(literal: Literal | undefined, report: Report): string[] {
  if (literal?.kind !== "list") return [];
  const found: string[] = [];
  for (const item of literal.items) {
    if (item.kind !== "string" || !variableName.test(item.value)) {
      report(item, `invalid env: ${reprOf(item)} is not the name of a variable`, 'names such as "AWS_PROFILE"');
    } else if (isLoaderVariable(item.value)) {
      report(
        item,
        `invalid env: ${item.value} decides what code is loaded`,
        "a variable that an escalated program may take over",
      );
    } else {
      found.push(item.value);
    }
  }
  return found;
}

function refuseCanonicalMatching(literal: Literal | undefined, report: Report): void {
  if (!flagOf(literal) || literal === undefined) return;
  report(
    literal,
    "canonical_matching = True is not read by this version",
    "canonical_matching = False, or nothing: tokens match exactly",
  );
}

/** A setting that can never have an effect is a misunderstanding about what the rule does. */
function refuseIdleSettings(given: Map<ArgumentName, Literal>, decision: RuleDecision, report: Report): void {
  if (decision !== "forbidden") return;
  for (const name of ["escalate", "env"] as const) {
    const literal = given.get(name);
    const idle = literal === undefined || (literal.kind === "bool" && !literal.value);
    if (!idle) report(literal, `\`${name}\` has no meaning in a forbidden rule`, "decision allow or prompt");
  }
}

/** The alternatives of each position; empty after a problem. */
function patternOf(literal: Literal | undefined, report: Report): string[][] {
  if (literal?.kind !== "list") return [];
  if (literal.items.length === 0) {
    report(literal, "invalid pattern element: pattern cannot be empty", "at least the program");
  }
  return literal.items.map((item) => alternativesOf(item, report));
}

function alternativesOf(item: Literal, report: Report): string[] {
  const element = "invalid pattern element: pattern";
  if (item.kind === "string") return [item.value];
  if (item.kind !== "list") {
    report(
      item,
      `${element} element must be a string or list of strings (got ${typeName(item)})`,
      "a string or a list of strings",
    );
    return [];
  }
  if (item.items.length === 0) report(item, `${element} alternatives cannot be empty`, "at least one alternative");
  const wrong = item.items.find((alternative) => alternative.kind !== "string");
  if (wrong !== undefined) {
    report(wrong, `${element} alternative must be a string (got ${typeName(wrong)})`, "a string");
  }
  return item.items.flatMap((alternative) => (alternative.kind === "string" ? [alternative.value] : []));
}
