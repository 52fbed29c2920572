/** `match` and `not_match`: examples that the rules of one call are tried on when the file is read. */
import type { Report } from "./call.ts";
import type { Literal } from "./literal.ts";
import { typeName } from "./literal.ts";
import type { PrefixRule } from "./rule.ts";
import { matchPrefix, patternText } from "./rule.ts";
import { quoted } from "./rules-error.ts";
import { splitShellWords } from "./shell-words.ts";

/** `rules` is null where the call is broken already: then only the shapes of the examples are checked. */
export function checkExamples(
  given: { match: Literal | undefined; notMatch: Literal | undefined },
  rules: readonly PrefixRule[] | null,
  report: Report,
): void {
  const unwanted = examplesOf(given.notMatch, report);
  const wanted = examplesOf(given.match, report);
  if (rules === null) return;
  for (const example of unwanted) {
    const rule = rules.find((candidate) => exampleMatches(candidate, example.tokens));
    if (rule === undefined) continue;
    const expected = `example to not match rule ${quoted(patternText(rule))}`;
    report(example.literal, `the example ${quoted(example.tokens.join(" "))} matches`, expected);
    break;
  }
  for (const example of wanted) {
    if (rules.some((rule) => exampleMatches(rule, example.tokens))) continue;
    const text = `the example ${quoted(example.tokens.join(" "))} does not match`;
    report(example.literal, text, "every example to match at least one rule");
  }
}

function examplesOf(literal: Literal | undefined, report: Report): { literal: Literal; tokens: string[] }[] {
  if (literal?.kind !== "list") return [];
  return literal.items.flatMap((item) => {
    const tokens = tokensOf(item, report);
    return tokens === null ? [] : [{ literal: item, tokens }];
  });
}

function tokensOf(item: Literal, report: Report): string[] | null {
  const example = "invalid example: example";
  const refuse = (where: Literal, what: string, expected: string): null => {
    report(where, `${example} ${what}`, expected);
    return null;
  };
  if (item.kind === "string") {
    const words = splitShellWords(item.value);
    if (words === null)
      return refuse(item, "string has invalid shell syntax", "finished quotes and no backslash at the end");
    return words.length > 0 ? words : refuse(item, "cannot be an empty string", "a command");
  }
  if (item.kind !== "list") {
    return refuse(
      item,
      `must be a string or list of strings (got ${typeName(item)})`,
      "a command as a string or as tokens",
    );
  }
  if (item.items.length === 0) return refuse(item, "cannot be an empty list", "a command");
  const wrong = item.items.find((token) => token.kind !== "string");
  if (wrong !== undefined) return refuse(wrong, `tokens must be strings (got ${typeName(wrong)})`, "a string");
  return item.items.flatMap((token) => (token.kind === "string" ? [token.value] : []));
}

/** As text, as the peer checks examples: first the program as written, then the last name of its path. */
function exampleMatches(rule: PrefixRule, tokens: readonly string[]): boolean {
  if (matchPrefix(rule, tokens)) return true;
  const name = lastName(tokens[0] ?? "");
  return name !== null && matchPrefix(rule, [name, ...tokens.slice(1)]);
}

function lastName(path: string): string | null {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return path.includes("/") ? (names.at(-1) ?? null) : null;
}
