/** `match` and `not_match`: examples that the rules of one call are tried on when the file has been run. */
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList } from "./call-arguments.ts";
import type { HostExecutables } from "./program-names.ts";
import { resolveByName } from "./program-names.ts";
import type { PrefixRule } from "./rule.ts";
import { matchPrefix, patternText } from "./rule.ts";
import { quoted } from "./rules-error.ts";
import { splitShellWords } from "./shell-words.ts";
import type { Expression, Span } from "./syntax.ts";
import { List, typeName } from "./values.ts";
import type { Value } from "./values.ts";

export interface Example {
  place: Span;
  tokens: string[];
}

/** Reads the examples of one argument; what is wrong with their shape is reported. */
export function readExamples(argument: Placed | undefined, report: Report): Example[] {
  if (argument === undefined) return [];
  return elementsOfList(argument).flatMap((place) => {
    const tokens = tokensOf(place, report);
    return tokens === null ? [] : [{ place, tokens }];
  });
}

/** The same where every example of the list has the right shape; null for any other value. `written`: the argument as it is written
 *  out, where it is. */
export function usualExamples(argument: Value, written: Expression | null, call: Span): Example[] | null {
  if (!(argument instanceof List)) return null;
  const { items } = argument;
  const parts = written?.kind === "list" && written.items.length === items.length ? written.items : null;
  const examples: Example[] = [];
  for (let index = 0; index < items.length; index += 1) {
    const value = items[index];
    const tokens = typeof value === "string" ? splitShellWords(value) : value instanceof List ? stringsOf(value) : null;
    if (tokens === null || tokens.length === 0) return null;
    examples.push({ place: parts?.[index] ?? written ?? call, tokens });
  }
  return examples;
}

/** A copy; null where anything else is in the list. */
export function stringsOf({ items }: List): string[] | null {
  const strings = Array<string>(items.length);
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index];
    if (typeof item !== "string") return null;
    strings[index] = item;
  }
  return strings;
}

/** First what must not match, then what must. */
export function checkExamples(
  given: { wanted: readonly Example[]; unwanted: readonly Example[] },
  rules: readonly PrefixRule[],
  hosts: HostExecutables,
  report: Report,
): void {
  for (const example of given.unwanted) {
    const rule = firstMatch(rules, example.tokens, hosts);
    if (rule === null) continue;
    const expected = `example to not match rule ${quoted(patternText(rule))}`;
    report(example.place, `the example ${quoted(example.tokens.join(" "))} matches`, expected);
    break;
  }
  for (const example of given.wanted) {
    if (firstMatch(rules, example.tokens, hosts) !== null) continue;
    const text = `the example ${quoted(example.tokens.join(" "))} does not match`;
    report(example.place, text, "every example to match at least one rule");
  }
}

function tokensOf(place: Placed, report: Report): string[] | null {
  const refuse = (where: Placed, what: string, expected: string): null => {
    report(where, `invalid example: example ${what}`, expected);
    return null;
  };
  const { value } = place;
  if (typeof value === "string") {
    const words = splitShellWords(value);
    if (words === null)
      return refuse(place, "string has invalid shell syntax", "finished quotes and no backslash at the end");
    return words.length > 0 ? words : refuse(place, "cannot be an empty string", "a command");
  }
  if (!(value instanceof List))
    return refuse(
      place,
      `must be a string or list of strings (got ${typeName(value)})`,
      "a command as a string or as tokens",
    );
  if (value.items.length === 0) return refuse(place, "cannot be an empty list", "a command");
  const tokens: string[] = [];
  for (const token of elementsOfList(place)) {
    if (typeof token.value !== "string")
      return refuse(token, `tokens must be strings (got ${typeName(token.value)})`, "a string");
    tokens.push(token.value);
  }
  return tokens;
}

function firstMatch(
  rules: readonly PrefixRule[],
  tokens: readonly string[],
  hosts: HostExecutables,
): PrefixRule | null {
  for (const rule of rules) if (exampleMatches(rule, tokens, hosts)) return rule;
  return null;
}

/** As text: first the program as written, then the last name of its path. */
function exampleMatches(rule: PrefixRule, tokens: readonly string[], hosts: HostExecutables): boolean {
  if (matchPrefix(rule, tokens)) return true;
  const [program = ""] = tokens;
  if (!program.includes("/")) return false;
  const named = resolveByName(program, hosts, { folder: "/", home: null, canonical: rule.canonical });
  return named !== null && matchPrefix(rule, [named.name, ...tokens.slice(1)]);
}
