/** `-c key.path=value`: one value of the session-flags layer. */
import { parse } from "smol-toml";
import { SallyportError } from "@sallyport/supervisor";

export interface ConfigOverride {
  path: string[];
  /** Integers are bigints, as the TOML parser gives them, or whole numbers. */
  value: unknown;
}

/** The key is a TOML key (`hooks.Stop`, `projects."/a.b".trust_level`); the value is TOML, or else taken as a string, so that
 *  `model=o3` needs no quotes. Throws `CONFIG_INVALID`. */
export function parseOverride(text: string): ConfigOverride {
  const at = keyEnd(text);
  const path = at === -1 ? null : parseKey(text.slice(0, at));
  if (path === null) {
    throw new SallyportError("CONFIG_INVALID", `Override "${text}" can't be read, expected key.path=value`, {
      data: { override: text },
    });
  }
  return { path, value: parseValue(text.slice(at + 1).trim()) };
}

/** Dotted keys of a `config` object in a request: `{"hooks.Stop": [...]}` means what `-c hooks.Stop=[...]` means. */
export function overridesFromObject(config: Readonly<Record<string, unknown>>): ConfigOverride[] {
  return Object.entries(config).map(([key, value]) => ({
    path: parseKey(key) ?? [key],
    value: withBigInts(value),
  }));
}

/** The first "=" outside of a quoted part of the key. */
function keyEnd(text: string): number {
  const key = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])*/.exec(text)?.[0] ?? "";
  return text[key.length] === "=" ? key.length : -1;
}

function parseKey(key: string): string[] | null {
  let at: unknown;
  try {
    // The TOML parser reads the key; a line break would let more than a key through.
    if (/[\r\n#[\]]/.test(key.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'/g, ""))) return null;
    at = parse(`${key} = 0`, { unsafeKeyBehaviour: "throw" });
  } catch {
    return null;
  }
  const path: string[] = [];
  while (typeof at === "object" && at !== null) {
    const [name, ...others] = Object.keys(at);
    if (name === undefined || others.length > 0) return null;
    path.push(name);
    at = (at as Record<string, unknown>)[name]; // an object has just been seen
  }
  return path;
}

function parseValue(text: string): unknown {
  try {
    const parsed = parse(`value = ${text}`, { integersAsBigInt: true, unsafeKeyBehaviour: "throw" });
    // "1\nmore = 2" is not one value.
    if (Object.keys(parsed).length === 1) return parsed["value"];
  } catch {
    // Not TOML, hence text.
  }
  return text.replace(/^(["'])(.*)\1$/s, "$2");
}

/** JSON knows one kind of number; whole ones are integers in TOML, and in the trust hash. */
function withBigInts(value: unknown): unknown {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(withBigInts);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withBigInts(inner)]));
  }
  return value;
}
