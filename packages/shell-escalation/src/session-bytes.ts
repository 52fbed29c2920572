/** This process's own arguments and environment as the bytes that the kernel gave it. Node's `process.argv` and `process.env`
 *  replace what is not UTF-8, and a name or value must reach the command unchanged. */
import { readFileSync } from "node:fs";
import type { Text } from "@sallyport/protocol";
import { textFromBytes } from "@sallyport/supervisor";

/** NAME=value entries of the environment that this process was started with. */
export function readEnvironment(): Text[] {
  try {
    return splitAtNul(readFileSync("/proc/self/environ"));
  } catch {
    return Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ""}`);
  }
}

/** The last `count` arguments. */
export function readLastArguments(count: number): Text[] {
  const decoded = count === 0 ? [] : process.argv.slice(-count);
  try {
    const all = splitAtNul(readFileSync("/proc/self/cmdline"));
    return count === 0 || all.length < count ? decoded : all.slice(-count);
  } catch {
    return decoded;
  }
}

/** The value of `name`, or undefined; for names whose values are wanted as text (PATH, HOME). */
export function findVariable(env: Text[], name: string): string | undefined {
  const prefix = `${name}=`;
  const entry = env.find((candidate) => typeof candidate === "string" && candidate.startsWith(prefix));
  return typeof entry === "string" ? entry.slice(prefix.length) : undefined;
}

/** The entries that are text, by name. */
export function namedVariables(env: Text[]): Record<string, string> {
  const named: Record<string, string> = {};
  for (const entry of env) {
    const equals = typeof entry === "string" ? entry.indexOf("=") : -1;
    if (typeof entry !== "string" || equals < 1) continue;
    named[entry.slice(0, equals)] ??= entry.slice(equals + 1);
  }
  return named;
}

export function replaceVariables(env: Text[], changes: Readonly<Record<string, string>>): Text[] {
  const isChanged = (entry: Text): boolean =>
    typeof entry === "string" && Object.hasOwn(changes, entry.split("=", 1)[0] ?? "");
  return [
    ...env.filter((entry) => !isChanged(entry)),
    ...Object.entries(changes).map(([name, value]) => `${name}=${value}`),
  ];
}

function splitAtNul(bytes: Buffer): Text[] {
  const parts: Text[] = [];
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(0, start);
    const end = found === -1 ? bytes.length : found;
    parts.push(textFromBytes(bytes.subarray(start, end)));
    start = end + 1;
  }
  return parts;
}
