/** Values of configuration as JSON: merged, and by where they come from. */
import type { ConfigLayerMetadata } from "@sallyport/protocol";

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type JsonTable = { [key: string]: Json };

/** Dates as text; what JSON has no number for as null. */
export function toJson(value: unknown): Json {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return null;
  // As entries, because a key such as `__proto__` assigned to an object would do something else.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}

export function isTable(value: Json | undefined): value is JsonTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Weakest first: tables are merged key by key, anything else of a later one replaces the earlier. Hooks are left out: they add up,
 *  and hooks/list has them. */
export function mergedValues(layers: readonly JsonTable[]): JsonTable {
  const { hooks: _, ...config } = layers.reduce(mergeTables, {});
  return config;
}

function mergeTables(under: JsonTable, over: JsonTable): JsonTable {
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const old = merged.get(key);
    merged.set(key, isTable(old) && isTable(value) ? mergeTables(old, value) : value);
  }
  return Object.fromEntries(merged);
}

/** The layer of each value that counts, by its keys with dots between them. Weakest first. */
export function originsOf(
  layers: readonly { source: ConfigLayerMetadata; values: JsonTable }[],
): Record<string, ConfigLayerMetadata> {
  const merged = mergedValues(layers.map(({ values }) => values));
  return Object.fromEntries(
    leafPaths(merged).flatMap((path) => {
      const origin = layers.findLast(({ values }) => valueAt(values, path) !== undefined);
      return origin === undefined ? [] : [[path.join("."), origin.source]];
    }),
  );
}

function leafPaths(table: JsonTable): string[][] {
  return Object.entries(table).flatMap(([key, value]) =>
    isTable(value) ? leafPaths(value).map((path) => [key, ...path]) : [[key]],
  );
}

export function valueAt(table: JsonTable, path: readonly string[]): Json | undefined {
  let value: Json | undefined = table;
  for (const key of path) {
    if (!isTable(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}
