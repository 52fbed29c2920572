/** Sallyport and Codex, row by row, as recorded; docs/hooks-differences.md lists what differs, all of it and nothing else. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { comparedRows, readRecorded } from "./recorded.ts";
import type { ComparedRow } from "./recorded.ts";

const page = readFileSync(new URL("../../../../docs/hooks-differences.md", import.meta.url), "utf8");
const recorded = readRecorded();

function isDifferent({ id, ours }: ComparedRow): boolean {
  const { hooks: _, ...theirs } = recorded.rows[id] ?? assert.fail(`${id} is not recorded`);
  return !isDeepStrictEqual(theirs, ours);
}

/** Ids of the rows that the first table of the page names. */
function listed(): string[] {
  const lines = page.split("\n").filter((line) => line.startsWith("| `") && line.split("|").length === 7);
  return lines.flatMap((line) => {
    const [, events = "", names = ""] = line.split("|");
    const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
    return quoted(events).flatMap((event) => quoted(names).map((name) => `${event}: ${name}`));
  });
}

test("the recorded rows are the rows of the table, with the same hooks", () => {
  assert.deepEqual(
    Object.entries(recorded.rows).map(([id, { hooks }]) => [id, hooks]),
    comparedRows.map(({ id, hooks }) => [id, hooks]),
  );
});

test("what differs from the peer is listed, and what is listed differs", () => {
  const differing = comparedRows.filter(isDifferent).map(({ id }) => id);
  assert.deepEqual(listed().sort(), differing.sort());
});

test("the page says how many rows were compared, and with which version", () => {
  assert.ok(page.includes(`${comparedRows.length} things`), `${comparedRows.length}`);
  assert.ok(page.includes(`Codex ${recorded.peer}`), recorded.peer);
});
