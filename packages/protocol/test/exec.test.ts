import { readFileSync } from "node:fs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { z } from "zod";
import { ExecRecord } from "../src/index.ts";

const record: ExecRecord = {
  id: "01a204c4-6e20-77ce-8e2f-0700e2b5020d",
  atMs: 1795376311840,
  pid: 15058,
  ppid: 15057,
  parentId: null,
  file: "/usr/bin/id",
  calledAs: "id",
  argv: ["id", { base64: "//4=" }],
  cwd: "/tmp",
  decision: "escalate",
  reason: { kind: "rule", text: "allowed" },
  exitCode: 0,
  signal: null,
  durationMs: 3,
  replacedBy: null,
  outside: false,
};

test("ExecRecord takes a record with bytes that are not UTF-8", () => {
  assert.deepEqual(ExecRecord.parse(record), record);
});

test("ExecRecord refuses an unknown key, a wrong decision and bytes that are not base64", () => {
  for (const wrong of [
    { ...record, extra: 1 },
    { ...record, decision: "maybe" },
    { ...record, file: { base64: "%" } },
  ]) {
    assert.equal(ExecRecord.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});

test("schema/exec-record.json is what the schema says; npm run schema writes it anew", () => {
  const committed: unknown = JSON.parse(readFileSync(new URL("../schema/exec-record.json", import.meta.url), "utf8"));
  assert.deepEqual(committed, JSON.parse(JSON.stringify(z.toJSONSchema(ExecRecord))));
});
