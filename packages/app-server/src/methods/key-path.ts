/** Dotted keys of `config.toml`, as clients write them: `projects."/home/me/a.b".trust_level`. */

const segment = /(?:"(?<basic>(?:[^"\\]|\\.)*)"|'(?<literal>[^']*)'|(?<bare>[^."']+))(?<dot>\.?)/y;

/** Null: no dotted key. */
export function readKeyPath(text: string): [string, ...string[]] | null {
  const keys: string[] = [];
  segment.lastIndex = 0;
  for (let endsOpen = true; endsOpen;) {
    const groups = segment.exec(text)?.groups;
    if (groups === undefined) return null;
    const key = groups["literal"] ?? groups["bare"]?.trim() ?? unescaped(groups["basic"] ?? "");
    if (key === null || key === "") return null;
    keys.push(key);
    endsOpen = groups["dot"] === ".";
    if (!endsOpen && segment.lastIndex !== text.length) return null;
  }
  const [first, ...rest] = keys;
  return first === undefined ? null : [first, ...rest];
}

/** TOML's escapes are JSON's, as far as clients write them. */
function unescaped(basic: string): string | null {
  try {
    return JSON.parse(`"${basic}"`) as string; // a JSON string parses to a text
  } catch {
    return null;
  }
}
