import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { clientRequests, serverNotifications, serverRequests } from "../src/index.ts";
import { typescriptTypes } from "../typescript-types.ts";

const types = await typescriptTypes();

test("schema/app-server.ts is what the schemas say; npm run schema writes it anew", () => {
  assert.equal(readFileSync(new URL("../schema/app-server.ts", import.meta.url), "utf8"), types);
});

test("every message has a type", () => {
  const tables = {
    ClientRequests: clientRequests,
    ServerRequests: serverRequests,
    ServerNotifications: serverNotifications,
  };
  for (const [name, table] of Object.entries(tables)) {
    const [, body = ""] = types.split(`export interface ${name} {\n`);
    const own = body.slice(0, body.indexOf("\n}\n"));
    const methods = [...own.matchAll(/^ {2}"?(?<method>[^"\s:]+)"?: /gm)].map(
      (match) => match.groups?.["method"] ?? "",
    );
    assert.deepEqual(new Set(methods), new Set(Object.keys(table)), name);
  }
});
