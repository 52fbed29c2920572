import { test } from "node:test";
import assert from "node:assert/strict";
import { hookJsonSchemas } from "@sallyport/protocol";
import { cases, events, kinds } from "./cases.ts";
import { judgeHooks } from "./judge-case.ts";
import { severalCases } from "./several.ts";

const judged = new Set<string>();

for (const event of events) {
  test(`${event}: every row of the table is judged as the table says`, () => {
    for (const row of cases.filter((one) => one.event === event)) {
      const { effect, ...run } = row.expected;
      assert.deepEqual(judgeHooks(row.event, [row.hook]), { runs: [run], effect }, `${row.id} (${row.source})`);
      judged.add(row.id);
    }
  });
}

test("several hooks of one event do together what the table says", () => {
  for (const { id, event, hooks, expected, source } of severalCases) {
    const { runs, effect } = judgeHooks(event, hooks);
    const told = runs.map(({ status, entries }) => ({ status, entries }));
    assert.deepEqual({ runs: told, effect }, expected, `${id} (${source})`);
  }
});

test("every row of the table has been judged", () => {
  assert.deepEqual(
    cases.map(({ id }) => id).filter((id) => !judged.has(id)),
    [],
  );
});

test("every row has an id of its own and a source", () => {
  assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length);
  assert.deepEqual(
    cases.filter(({ source }) => !/^(\d|ours: )/.test(source)),
    [],
  );
});

test("every event has a row of every kind", () => {
  const missing = events.flatMap((event) =>
    kinds.filter((kind) => !cases.some((row) => row.event === event && row.kind === kind)).map((kind) => [event, kind]),
  );
  assert.deepEqual(missing, []);
});

interface Schema {
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
}

/** Dotted names of all fields, those of nested objects too. */
function fieldsOf({ properties = {}, anyOf = [] }: Schema): string[] {
  const nested = Object.entries(properties).flatMap(([name, schema]) => [
    name,
    ...fieldsOf(schema).map((inner) => `${name}.${inner}`),
  ]);
  return [...nested, ...anyOf.flatMap(fieldsOf)];
}

test("every field that an event's schema has is in a row of that event", () => {
  const schemas = hookJsonSchemas();
  const untested = events.flatMap((event) => {
    const name = event.replaceAll(/(?<!^)[A-Z]/g, "-$&").toLowerCase();
    const rows = cases.filter((row) => row.event === event && (row.kind === "field" || row.kind === "wrong type"));
    return fieldsOf(schemas[`${name}.output.json`] as Schema)
      .filter((field) => !rows.some(({ hook }) => mentions(hook.stdout, field.split("."))))
      .map((field) => `${event}.${field}`);
  });
  assert.deepEqual(untested, []);
});

function mentions(stdout: unknown, path: string[]): boolean {
  if (typeof stdout !== "string") return false;
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    return false; // a row about JSON that does not parse
  }
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}
