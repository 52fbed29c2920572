/** Many execs, at once and one after the other: every one of them gets its own answer, and nothing piles up in the broker. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { compileFixture } from "./support/compiled-fixtures.ts";
import { escalateAsItIs, startGuarded } from "./support/guarded-command.ts";
import type { GuardedOptions } from "./support/guarded-command.ts";
import { countDescriptors, statusLine, until } from "./support/running-processes.ts";

const spawnMany = compileFixture("spawn-many", { flags: ["-static"] });
const exitWith = compileFixture("exit-with", { flags: ["-static"] });
const four = 4 * 1024; // kilobytes

interface Load {
  stdout: string;
  stderr: string;
  /** What the broker held before the load, and when it was over. */
  descriptors: [number, number];
  peakKilobytes: number;
  wrongEnds: unknown[];
  asked: number;
}

/** Runs spawn-many between two stops, at which the broker is looked at. The exit status of each exec is known from its number. */
async function load(
  count: number,
  atOnce: number,
  decide: (number: number, event: ExecEvent) => Verdict,
): Promise<Load> {
  const wrongEnds: unknown[] = [];
  let asked = 0;
  const waits: (() => void)[] = [];
  const options: GuardedOptions = {
    argv: ["/bin/sh", "-c", `/bin/true; ${spawnMany} ${count} ${atOnce} ${exitWith} 7; /bin/true`],
    timeoutMs: 60_000,
    decide(event) {
      const file = textToDisplay(event.file);
      if (file === "/bin/true") return new Promise((resolve) => waits.push(() => resolve({ kind: "run" })));
      if (file !== exitWith) return { kind: "run" };
      asked++;
      return decide(Number(event.argv[2]), event);
    },
  };
  const guarded = await startGuarded(options);
  const { pid } = guarded.broker;
  const look = async (nth: number): Promise<number> => {
    await until("the load's next stop", () => waits.length === nth, 55_000);
    const held = countDescriptors(pid);
    waits[nth - 1]?.();
    return held;
  };
  const before = await look(1);
  await until("the load's end", () => waits.length === 2, 55_000);
  // Ends are told a moment late, so wait until the broker has let go of everything.
  await until("the broker let go", () => countDescriptors(pid) <= before, 5000).catch(() => {});
  const peakKilobytes = Number.parseInt(statusLine(pid, "VmHWM"), 10);
  const after = await look(2);
  const result = await guarded.finished;
  const ids = new Map(result.execs.map((exec) => [exec.requestId, exec]));
  const told = new Map<number, number>();
  for (const end of result.ends) told.set(end.requestId, (told.get(end.requestId) ?? 0) + 1);
  for (const [id, exec] of ids) if (told.get(id) !== 1) wrongEnds.push({ id, told: told.get(id), argv: exec.argv });
  return {
    stdout: result.stdout,
    stderr: result.stderr,
    descriptors: [before, after],
    peakKilobytes,
    wrongEnds,
    asked,
  };
}

function check(result: Load, expected: { stdout: string; asked: number; denied: number }): void {
  const { stdout, stderr, asked, wrongEnds, descriptors } = result;
  assert.deepEqual(
    { stdout, stderr, asked, wrongEnds, leak: descriptors[1] - descriptors[0] },
    {
      stdout: expected.stdout,
      stderr: "Execution denied: no\n".repeat(expected.denied),
      asked: expected.asked,
      wrongEnds: [],
      leak: 0,
    },
  );
  assert.ok(result.peakKilobytes > 0 && result.peakKilobytes < four, `${result.peakKilobytes} kB`);
}

const deny: Verdict = { kind: "deny", reason: "no" };
const run: Verdict = { kind: "run" };
const stand: Verdict = { kind: "run", stands: true };

describe("load", () => {
  test("200 at once, a third each run, denied and carried outside", async () => {
    const result = await load(200, 200, (n, event) => (n % 3 === 0 ? run : n % 3 === 1 ? deny : escalateAsItIs(event)));
    check(result, { stdout: "1: 67\n7: 133\nother: 0\ndescriptors: +0\n", asked: 200, denied: 67 });
  });

  test("10,000 one after the other", async () => {
    const result = await load(10_000, 1, () => run);
    check(result, { stdout: "7: 10000\nother: 0\ndescriptors: +0\n", asked: 10_000, denied: 0 });
  });

  test("200 at once and 2,000 one after the other, most of them on a verdict that stands", async () => {
    check(await load(200, 200, () => stand), { stdout: "7: 200\nother: 0\ndescriptors: +0\n", asked: 200, denied: 0 });
    check(await load(2000, 1, () => stand), { stdout: "7: 2000\nother: 0\ndescriptors: +0\n", asked: 2000, denied: 0 });
  });

  test("1,000 one after the other, half denied and half carried outside", async () => {
    const result = await load(1000, 1, (n, event) => (n % 2 === 0 ? deny : escalateAsItIs(event)));
    check(result, { stdout: "1: 500\n7: 500\nother: 0\ndescriptors: +0\n", asked: 1000, denied: 500 });
  });
});
