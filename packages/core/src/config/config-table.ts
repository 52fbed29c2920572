/** Reads values out of a merged `config.toml`, with errors that name the key. Keys that nobody asks for are nobody's mistake here:
 *  whoever reads the files warns of misspelt ones. */
import { SallyportError } from "@sallyport/supervisor";

/** A table as a TOML parser gives it. */
export type ConfigTable = Readonly<Record<string, unknown>>;

export function readText(table: ConfigTable, key: string, at: string): string | null {
  const value = table[key];
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && value !== "") return value;
  throw refused(at, key, value, "a text that is not empty");
}

export function readChoice<Choice extends string>(
  table: ConfigTable,
  key: string,
  choices: readonly Choice[],
  at: string,
): Choice | null {
  const value = readText(table, key, at);
  const found = choices.find((choice) => choice === value);
  if (value === null || found !== undefined) return found ?? null;
  throw refused(at, key, value, choices.map((choice) => JSON.stringify(choice)).join(", "));
}

export function readCount(table: ConfigTable, key: string, at: string): number | null {
  const value = table[key];
  if (value === undefined || value === null) return null;
  const count = typeof value === "bigint" ? Number(value) : value;
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return count;
  throw refused(at, key, value, "a whole number from 0");
}

export function readFlag(table: ConfigTable, key: string, at: string): boolean | null {
  const value = table[key];
  if (value === undefined || value === null) return null;
  if (typeof value === "boolean") return value;
  throw refused(at, key, value, "true or false");
}

export function readTable(table: ConfigTable, key: string, at: string): ConfigTable | null {
  const value = table[key];
  if (value === undefined || value === null) return null;
  if (isTable(value)) return value;
  throw refused(at, key, value, "a table");
}

export function readTextTable(table: ConfigTable, key: string, at: string): Record<string, string> {
  const values = readTable(table, key, at) ?? {};
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (typeof value === "string") return [name, value];
      throw refused(`${at}${key}.`, name, value, "a text");
    }),
  );
}

export function readTexts(table: ConfigTable, key: string, at: string): string[] {
  const value = table[key];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  throw refused(at, key, value, "a list of texts");
}

export function isTable(value: unknown): value is ConfigTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(at: string, key: string, value: unknown, expected: string): SallyportError {
  const shown = typeof value === "bigint" ? String(value) : JSON.stringify(value);
  return new SallyportError(
    "CONFIG_INVALID",
    `Config key "${at}${key}" is ${shown}, expected ${expected}; correct it`,
    {
      data: { key: `${at}${key}` },
    },
  );
}
