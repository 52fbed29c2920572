/** Sorts the arguments of a call into the parameters of a builtin. */
import { quoted } from "./rules-error.ts";
import { aType, ValueFailure } from "./values.ts";
import type { Given, Value } from "./values.ts";

/** The values in the order of `names`; a name that ends in "?" may be left out, one that starts with "=" is given by name only. */
export function take(name: string, given: Given, names: readonly string[]): (Value | undefined)[] {
  if (given.named.size === 0 && given.positional.length <= names.length) {
    const values = takeByPosition(given.positional, names);
    if (values !== null) return values;
  }
  const parameters = names.map((text) => text.replace(/[=?]/g, ""));
  const positional = names.filter((text) => !text.startsWith("=")).length;
  if (given.positional.length > positional)
    throw new ValueFailure(`too many positional arguments for call to ${name}`, `at most ${positional}`);
  for (const extra of given.named.keys()) {
    if (!parameters.includes(extra))
      throw new ValueFailure(
        `Found ${quoted(extra)} extra named parameter(s) for call to ${name}`,
        parameters.join(", ") || "none",
      );
  }
  return parameters.map((parameter, index) => {
    const byName = given.named.get(parameter);
    const byPosition = given.positional[index];
    if (byName !== undefined && byPosition !== undefined)
      throw new ValueFailure(`Argument \`${parameter}\` occurs more than once`, `\`${parameter}\` once`);
    const value = byPosition ?? byName ?? (byPosition === null || byName === null ? null : undefined);
    if (value === undefined && names[index]?.endsWith("?") !== true)
      throw new ValueFailure(`Missing parameter \`${parameter}\` for call to \`${name}\``, "a value for it");
    return value;
  });
}

/** Nearly every call. Null where it is not as simple, or where a value is missing. */
function takeByPosition(positional: readonly Value[], names: readonly string[]): (Value | undefined)[] | null {
  const values = Array<Value | undefined>(names.length);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? "";
    const value = positional[index];
    if (value === undefined ? !name.endsWith("?") : name.startsWith("=")) return null;
    values[index] = value;
  }
  return values;
}

export function textOf(value: Value | undefined, what: string): string {
  if (typeof value === "string") return value;
  throw new ValueFailure(`${what} is ${aType(value ?? null)}`, "a string");
}

export function intOf(value: Value | undefined, what: string): bigint {
  if (typeof value === "bigint") return value;
  throw new ValueFailure(`${what} is ${aType(value ?? null)}`, "an int");
}
