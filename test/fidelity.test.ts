/** Faithful means: the same exit status, stdout and stderr bytes as without Sallyport. What can't be the same stands in
 *  docs/fidelity.md, and its rows are asserted to differ in exactly that way. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { noPatchedBash } from "../packages/shell-escalation/test/patched-bash.ts";
import { cases } from "./fidelity/cases.ts";
import type { Case, Outcome } from "./fidelity/cases.ts";
import { Matrix, missingFor, notEscalated } from "./fidelity/runs.ts";

const mustRun = process.env["SALLYPORT_MUST_RUN"] === "1";
const only = process.env["SALLYPORT_FIDELITY_ONLY"];
const matrix = new Matrix();

describe("the same as without Sallyport", { concurrency: 2 }, () => {
  for (const row of cases.filter(({ title }) => only === undefined || title.includes(only))) {
    const missing = missingFor(row);
    test(row.title, { skip: !mustRun && missing !== null && missing }, async () => {
      assert.equal(missing, null);
      const plain = await matrix.run(row, "plain");
      const inside = await matrix.run(row, "run");
      assert.deepEqual(inside.outcome, expectedFrom(row, "run", plain.outcome), "inside");
      assert.ok(
        inside.journal.length > 0 && inside.journal.every(({ decision }) => decision === "run"),
        "every program runs inside",
      );
      const outside = await matrix.run(row, "escalated");
      assert.deepEqual(notEscalated(row, outside.journal, matrix), [], JSON.stringify(outside.journal));
      assert.deepEqual(outside.outcome, expectedFrom(row, "escalated", plain.outcome), "outside");
      await compareWithBash(row, plain.outcome);
    });
  }
});

/** The same with a patched Bash in the kernel's place. */
async function compareWithBash(row: Case, plain: Outcome): Promise<void> {
  if (matrix.patchedBash === null) return;
  const inside = await matrix.run(row, "bash-run");
  assert.deepEqual(inside.outcome, expectedWithBash(row, "run", plain, inside.outcome), "inside, with Bash");
  assert.ok(
    inside.journal.every(({ decision }) => decision === "run"),
    "every program runs inside, with Bash",
  );
  const outside = await matrix.run(row, "bash-escalated");
  if (row.unseenByBash !== true)
    assert.deepEqual(notEscalated(row, outside.journal, matrix), [], JSON.stringify(outside.journal));
  assert.deepEqual(outside.outcome, expectedWithBash(row, "escalated", plain, outside.outcome), "outside, with Bash");
}

function expectedWithBash(row: Case, mode: "run" | "escalated", plain: Outcome, seen: Outcome): Outcome {
  const expected = expectedFrom(row, mode, plain);
  return mode === "run" && row.differsWithBash !== undefined ? row.differsWithBash.expected(expected, seen) : expected;
}

test("a patched Bash is there for the matrix", { skip: noPatchedBash }, () => {
  assert.notEqual(matrix.patchedBash, null);
});

function expectedFrom({ differs }: Case, mode: "run" | "escalated", plain: Outcome): Outcome {
  return differs === undefined || (differs.in !== mode && differs.in !== "both") ? plain : differs.expected(plain);
}

test("the matrix notices a difference", async () => {
  const row: Case = { title: "", script: "/bin/echo a; echo b >&2; exit 3" };
  const plain = await matrix.run(row, "plain");
  assert.deepEqual(plain.outcome, { status: 3, signal: null, stdout: "a\n", stderr: "b\n" });
  const other = await matrix.run({ ...row, script: "/bin/echo a; echo c >&2; exit 3" }, "run");
  assert.notDeepEqual(other.outcome, plain.outcome);
  assert.deepEqual(notEscalated(row, other.journal, matrix), ["bash"]);
});

describe("docs/fidelity.md", () => {
  test("has a heading for each difference", () => {
    const page = readFileSync(new URL("../docs/fidelity.md", import.meta.url), "utf8");
    const headings = new Set(page.split("\n").flatMap((line) => (line.startsWith("### ") ? [line.slice(4)] : [])));
    const named = cases.flatMap(({ differs, differsWithBash }) =>
      [differs, differsWithBash].flatMap((difference) => (difference === undefined ? [] : [difference.because])),
    );
    assert.deepEqual(
      named.filter((heading) => !headings.has(heading)),
      [],
    );
  });
});
