/** Which values a matcher takes. A matcher is text from a file that others may have written, so its regular expressions are RE2:
 *  their time grows with the length of the value and nothing in them can hang us. */
import { createRequire } from "node:module";
import type { RE2JS } from "re2js";

/** `claude`: blanks, commas and dashes belong to lists of names too, as that agent's files have it. */
export type MatcherDialect = "codex" | "claude";

export type CompiledMatcher = { matches: (values: readonly string[]) => boolean } | { problem: string };

const maxMatcherLength = 4096;
const nameLists: Record<MatcherDialect, { list: RegExp; separator: RegExp }> = {
  codex: { list: /^[A-Za-z0-9_|]+$/, separator: /\|/ },
  claude: { list: /^[A-Za-z0-9_\- ,|]+$/, separator: /[|,]/ },
};

/** Absent, empty and `*` match everything; names joined by `|` are compared exactly; anything else is an unanchored regular
 *  expression, in which case counts. */
export function compileMatcher(text: string | null, dialect: MatcherDialect = "codex"): CompiledMatcher {
  if (text === null || text === "" || text === "*") return { matches: () => true };
  if (text.length > maxMatcherLength) return { problem: `it is longer than ${maxMatcherLength} characters` };
  const { list, separator } = nameLists[dialect];
  if (list.test(text)) {
    const names = new Set(text.split(separator).map((name) => (dialect === "claude" ? name.trim() : name)));
    return { matches: (values) => values.some((value) => names.has(value)) };
  }
  let expression: RE2JS;
  try {
    expression = compiler().compile(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { problem: message.replace("error parsing regexp: ", "") };
  }
  return { matches: (values) => values.some((value) => expression.matcher(value).find()) };
}

let loaded: typeof RE2JS | undefined;

/** Loaded with the first matcher that is an expression: most are names. By `require()`, because files are read in one go. */
function compiler(): typeof RE2JS {
  loaded ??= (createRequire(import.meta.url)("re2js") as { RE2JS: typeof RE2JS }).RE2JS; // require() has no types
  return loaded;
}
