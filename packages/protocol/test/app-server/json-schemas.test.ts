import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { appServerJsonSchemas } from "../../src/index.ts";

const folder = new URL("../../schema/app-server/", import.meta.url);

test("schema/app-server/ is what the schemas say, and nothing else; npm run schema writes it anew", () => {
  const schemas = appServerJsonSchemas();
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(schemas).sort());
  for (const [name, schema] of Object.entries(schemas)) {
    const committed: unknown = JSON.parse(readFileSync(new URL(name, folder), "utf8"));
    assert.deepEqual(committed, JSON.parse(JSON.stringify(schema)), name);
  }
});
