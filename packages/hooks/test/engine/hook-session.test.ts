/** A whole session: real handlers, an observer, and what a harness gets. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HookRunSummary } from "@sallyport/protocol";
import { toHookRunSummary } from "../../src/index.ts";
import type { ConfiguredHandler, HookRun, ModuleHandler } from "../../src/index.ts";
import { handlerOf, shellAction, workFolder } from "../support/handlers.ts";
import { makeMark, processesWith, until } from "../support/processes.ts";
import { inputs, makeRecorder, openSession } from "../support/session.ts";

function shell(command: string, changes: Partial<ConfiguredHandler> = {}, at = 0): ConfiguredHandler {
  return handlerOf(shellAction(command), changes, at);
}

function moduleHook(
  run: ModuleHandler,
  changes: Partial<ConfiguredHandler> = {},
  at = 0,
  isAsync = false,
): ConfiguredHandler {
  return handlerOf({ type: "module", name: `m${at}`, run, async: isAsync }, changes, at);
}

function block(reason: string): string {
  return `echo '${reason}' >&2; exit 2`;
}

function statuses(runs: readonly HookRun[]): string[] {
  return runs.map(({ status }) => status);
}

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("fire()", () => {
  test("with no handler for it gives the event's empty outcome and tells nobody", async () => {
    const { session, observer } = openSession([
      shell("exit 2", { skipped: "not trusted" }),
      shell("x", { event: "Interrupt" }),
    ]);
    assert.deepEqual(await session.fire("Stop", inputs.Stop, { observer }), { stop: null, continuation: [], runs: [] });
    assert.deepEqual(observer.told, []);
  });

  test("a run is announced, runs, and is completed with everything in it", async () => {
    const { session, observer } = openSession([shell(block("not yet"), { statusMessage: "checking" })]);
    const before = Date.now();
    const outcome = await session.fire("Stop", inputs.Stop, { observer });
    const [started, completed] = observer.told.map(({ run }) => run);
    assert.ok(started !== undefined && completed !== undefined && observer.told.length === 2);
    assert.match(started.id, uuid7);
    const { id, startedAtMs } = started;
    assert.ok(startedAtMs >= before && startedAtMs <= Date.now());
    const announced: HookRun = {
      id,
      hookKey: "/home/user/hooks.json:stop:0:0",
      event: "Stop",
      handlerType: "command",
      executionMode: "sync",
      scope: "turn",
      sourcePath: "/home/user/hooks.json",
      source: "user",
      displayOrder: 0,
      status: "running",
      statusMessage: "checking",
      startedAtMs,
      completedAtMs: null,
      durationMs: null,
      entries: [],
    };
    assert.deepEqual(started, announced);
    const { completedAtMs, durationMs } = completed;
    assert.ok(completedAtMs !== null && completedAtMs >= startedAtMs && Number.isInteger(durationMs));
    assert.deepEqual(completed, {
      ...announced,
      status: "blocked",
      entries: [{ kind: "feedback", text: "not yet" }],
      continuation: true,
      completedAtMs,
      durationMs,
    });
    assert.deepEqual(outcome, { stop: null, continuation: [{ reason: "not yet", runId: id }], runs: [completed] });
  });

  test("only handlers whose matcher takes one of the values run", async () => {
    const matcher = (name: string) =>
      ({ event: "PreToolUse", matches: (values: readonly string[]) => values.includes(name) }) as const;
    const { session, observer } = openSession([shell("true", matcher("Bash")), shell("true", matcher("Edit"), 1)]);
    for (let firing = 0; firing < 2; firing++) {
      const { runs } = await session.fire("PreToolUse", inputs.PreToolUse, { observer });
      assert.deepEqual(
        runs.map(({ displayOrder }) => displayOrder),
        [0],
      );
    }
  });

  test("ids are never used again, and the key stays", async () => {
    const { session, observer } = openSession([shell("true"), shell("true", {}, 1)]);
    const firings = [];
    for (let at = 0; at < 3; at++) firings.push(await session.fire("Stop", inputs.Stop, { observer }));
    const runs = firings.flatMap((outcome) => outcome.runs);
    assert.deepEqual(
      [new Set(runs.map(({ id }) => id)).size, new Set(runs.map(({ hookKey }) => hookKey)).size],
      [6, 2],
    );
  });

  test("all are announced before any runs, in order, and each is completed as it ends", async () => {
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = moduleHook(async () => {
      order.push("slow runs");
      await gate.promise;
    });
    const quick = moduleHook(() => void order.push("quick runs"), {}, 1);
    const { session } = openSession([slow, quick]);
    const observer = {
      async started({ displayOrder }: HookRun): Promise<void> {
        await delay(5); // a store takes its time
        order.push(`started ${displayOrder}`);
      },
      completed({ displayOrder }: HookRun): void {
        order.push(`completed ${displayOrder}`);
        if (displayOrder === 1) gate.resolve(); // the slow one ends only after the quick one was told
      },
    };
    const { runs } = await session.fire("Stop", inputs.Stop, { observer });
    assert.deepEqual(order, ["started 0", "started 1", "slow runs", "quick runs", "completed 1", "completed 0"]);
    assert.deepEqual(
      runs.map(({ displayOrder }) => displayOrder),
      [0, 1],
    );
  });

  test("what is stored was stored before the outcome is known", async () => {
    let stored = 0;
    const { session } = openSession([moduleHook(() => "x", { event: "UserPromptSubmit" })]);
    const observer = {
      started: () => {},
      completed: async (): Promise<void> => {
        await delay(20);
        stored += 1;
      },
    };
    await session.fire("UserPromptSubmit", inputs.UserPromptSubmit, { observer });
    assert.equal(stored, 1);
  });

  test("context that is too long is shortened for the model, kept in the folder, and whole in the entry", async () => {
    const { session, observer, folder } = openSession([
      shell("head -c 20000 /dev/zero | tr '\\0' x", { event: "UserPromptSubmit", additionalContextLimit: 100 }),
    ]);
    const { contexts, runs } = await session.fire("UserPromptSubmit", inputs.UserPromptSubmit, { observer });
    assert.equal(runs[0]?.entries[0]?.text, "x".repeat(20_000));
    assert.deepEqual([contexts.length, contexts[0]?.runId], [1, runs[0]?.id]);
    assert.match(contexts[0]?.text ?? "", /^\[hook output shortened: about 5000 tokens\]/);
    assert.equal(readdirSync(folder).length, 1);
  });

  test("replaceHandlers() counts from the next firing on", async () => {
    const { session, observer } = openSession([shell(block("old"))]);
    assert.equal((await session.fire("Stop", inputs.Stop, { observer })).continuation.length, 1);
    session.replaceHandlers([]);
    assert.deepEqual((await session.fire("Stop", inputs.Stop, { observer })).runs, []);
  });
});

describe("cancelling", () => {
  test("a signal ends all runs of its firing: stopped, interrupted, no process left", async () => {
    const mark = makeMark();
    const { session, observer } = openSession([shell("sleep 81"), shell("setsid sleep 81 & sleep 81", {}, 1)], {
      env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value },
    });
    const controller = new AbortController();
    const firing = session.fire("Stop", inputs.Stop, { observer, signal: controller.signal });
    await until("they run", () => processesWith(mark).length >= 3);
    controller.abort();
    const { runs } = await firing;
    assert.deepEqual(
      runs.map(({ status, entries, completedAtMs }) => ({ status, entries, ended: completedAtMs !== null })),
      Array.from({ length: 2 }, () => ({
        status: "stopped",
        entries: [{ kind: "error", text: "interrupted" }],
        ended: true,
      })),
    );
    assert.deepEqual(processesWith(mark), []);
    assert.equal(observer.told.filter(({ what }) => what === "completed").length, 2);
  });

  test("a signal that is aborted already lets nothing start", async () => {
    const file = join(workFolder, "not-made-by-an-aborted-firing");
    const { session, observer } = openSession([shell(`touch ${file}`)]);
    const { runs } = await session.fire("Stop", inputs.Stop, { observer, signal: AbortSignal.abort() });
    assert.deepEqual(statuses(runs), ["stopped"]);
    assert.ok(!readdirSync(workFolder).includes("not-made-by-an-aborted-firing"));
  });

  test("one signal for many firings gives no warning about listeners", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on("warning", note);
    const { session, observer } = openSession([moduleHook(() => delay(5))]);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => session.fire("Stop", inputs.Stop, { observer, signal })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", note);
    assert.deepEqual(warnings, []);
  });

  test("close() stops what runs, also what waits in the async queue, and what is fired later", async () => {
    const mark = makeMark();
    const asyncHooks = Array.from({ length: 10 }, (_, at) =>
      handlerOf(shellAction("sleep 82", { async: true }), {}, at + 1),
    );
    const { session, observer, asyncObserver } = openSession([shell("sleep 82"), ...asyncHooks], {
      env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value },
    });
    const firing = session.fire("Stop", inputs.Stop, { observer });
    await until("they run", () => processesWith(mark).length >= 9);
    await session.close();
    assert.deepEqual(processesWith(mark), []);
    assert.deepEqual(statuses((await firing).runs), ["stopped"]);
    const ended = asyncObserver.told.filter(({ what }) => what === "completed").map(({ run }) => run.status);
    assert.deepEqual(
      ended,
      Array.from({ length: 10 }, () => "stopped"),
    );
    assert.deepEqual(statuses((await session.fire("Stop", inputs.Stop, { observer })).runs), ["stopped"]);
  });
});

describe("an observer that throws", () => {
  test("when told of a start: nothing runs, what was announced is completed, the firing rejects", async () => {
    const ran: number[] = [];
    const { session } = openSession([0, 1, 2].map((at) => moduleHook(() => void ran.push(at), {}, at)));
    const recorder = makeRecorder();
    const observer = {
      ...recorder,
      async started(run: HookRun): Promise<void> {
        if (run.displayOrder === 1) throw new Error("the disk is full");
        await recorder.started(run);
      },
    };
    await assert.rejects(session.fire("Stop", inputs.Stop, { observer }), { message: "the disk is full" });
    assert.deepEqual(ran, []);
    assert.deepEqual(
      recorder.told.map(({ what, run }) => [what, run.displayOrder, run.status]),
      [
        ["started", 0, "running"],
        ["completed", 0, "stopped"],
      ],
    );
  });

  test("when told of an end: the others are ended, and the firing rejects when they have", async () => {
    const mark = makeMark();
    const gate = Promise.withResolvers<void>();
    const { session } = openSession([shell("sleep 83"), moduleHook(() => gate.promise, {}, 1)], {
      env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value },
    });
    const recorder = makeRecorder();
    const observer = {
      ...recorder,
      async completed(run: HookRun): Promise<void> {
        if (run.displayOrder === 1) throw new Error("the disk is full");
        await recorder.completed(run);
      },
    };
    const firing = session.fire("Stop", inputs.Stop, { observer });
    await until("the other one runs", () => processesWith(mark).length >= 1);
    gate.resolve();
    await assert.rejects(firing, { message: "the disk is full" });
    assert.deepEqual(processesWith(mark), []);
    assert.equal(recorder.told.at(-1)?.run.status, "stopped");
  });
});

describe("async handlers", () => {
  const prompt = { event: "UserPromptSubmit" } as const;

  test("are told, don't hold the turn, and deliver at the next taking, in the order in which they ended", async () => {
    const gates = [Promise.withResolvers<string>(), Promise.withResolvers<object>()] as const;
    const { session, observer, asyncObserver } = openSession([
      moduleHook(() => gates[0].promise, prompt, 0, true),
      moduleHook(() => gates[1].promise, prompt, 1, true),
      moduleHook(() => "sync", prompt, 2),
    ]);
    const outcome = await session.fire("UserPromptSubmit", inputs.UserPromptSubmit, { observer });
    assert.deepEqual(
      [outcome.contexts.map(({ text }) => text), outcome.runs.length, session.takeAsyncResults()],
      [["sync"], 1, { contexts: [], warnings: [] }],
    );
    assert.deepEqual(
      asyncObserver.told.map(({ what, run }) => [what, run.displayOrder, run.executionMode]),
      [
        ["started", 0, "async"],
        ["started", 1, "async"],
      ],
    );
    gates[1].resolve({
      systemMessage: "careful",
      hookSpecificOutput: { hookEventName: "UserPromptSubmit", additionalContext: "second" },
    });
    await until("one has ended", () => asyncObserver.told.length === 3);
    gates[0].resolve("first");
    await session.asyncIdle();
    const { contexts, warnings } = session.takeAsyncResults();
    assert.deepEqual([contexts.map(({ text }) => text), warnings], [["second", "first"], ["careful"]]);
    assert.deepEqual(session.takeAsyncResults(), { contexts: [], warnings: [] });
    assert.deepEqual(
      asyncObserver.told.slice(2).map(({ what, run }) => [what, run.displayOrder, run.status]),
      [
        ["completed", 1, "completed"],
        ["completed", 0, "completed"],
      ],
    );
  });

  test("block and stop nothing, and say so; failures are seen", async () => {
    const { session, observer, asyncObserver } = openSession([
      handlerOf(shellAction(block("no"), { async: true })),
      handlerOf(shellAction('echo \'{"continue":false,"stopReason":"halt"}\'', { async: true }), {}, 1),
      handlerOf(shellAction("exit 3", { async: true }), {}, 2),
    ]);
    const outcome = await session.fire("Stop", inputs.Stop, { observer });
    assert.deepEqual(outcome, { stop: null, continuation: [], runs: [] });
    await session.asyncIdle();
    const tooLate = "an async hook can't block or stop anything: what it asked for has no effect";
    const ended = asyncObserver.told
      .filter(({ what }) => what === "completed")
      .map(({ run }) => run)
      .toSorted((left, right) => left.displayOrder - right.displayOrder);
    assert.deepEqual(
      ended.map(({ status, failure, continuation, entries }) => ({
        status,
        failure,
        continuation,
        kinds: entries.map(({ kind }) => kind),
      })),
      [
        { status: "completed", failure: undefined, continuation: undefined, kinds: ["feedback", "warning"] },
        { status: "completed", failure: undefined, continuation: undefined, kinds: ["stop", "warning"] },
        { status: "failed", failure: "exit", continuation: undefined, kinds: ["error"] },
      ],
    );
    assert.deepEqual(session.takeAsyncResults(), { contexts: [], warnings: [tooLate, tooLate] });
  });

  test("run 8 at a time", async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const run = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await gate.promise;
      running -= 1;
    };
    const { session, observer } = openSession(Array.from({ length: 20 }, (_, at) => moduleHook(run, prompt, at, true)));
    await session.fire("UserPromptSubmit", inputs.UserPromptSubmit, { observer });
    await until("eight run", () => running === 8);
    gate.resolve();
    await session.asyncIdle();
    assert.deepEqual([most, running], [8, 0]);
  });

  test("an event that waits for the end runs them in the foreground", async () => {
    const hook = moduleHook(() => "", { event: "SessionEnd" }, 0, true);
    const { session, observer } = openSession([hook]);
    const { runs } = await session.fire("SessionEnd", inputs.SessionEnd, { observer });
    assert.deepEqual(
      runs.map(({ executionMode }) => executionMode),
      ["sync"],
    );
  });

  test("an end that can't be recorded is a warning", async () => {
    const asyncObserver = {
      started: () => {},
      completed: () => {
        throw new Error("the disk is full");
      },
    };
    const { session, observer } = openSession([moduleHook(() => "", {}, 0, true)], { observer: asyncObserver });
    await session.fire("Stop", inputs.Stop, { observer });
    await session.asyncIdle();
    assert.deepEqual(session.takeAsyncResults().warnings, [
      'the end of the async hook "/home/user/hooks.json:stop:0:0" could not be recorded: the disk is full',
    ]);
  });
});

test("toHookRunSummary() gives what the wire's schema takes: seconds, and names of the wire", async () => {
  const { session, observer } = openSession([shell(block("more"), { statusMessage: "s" })]);
  await session.fire("Stop", inputs.Stop, { observer });
  const [started, completed] = observer.told.map(({ run }) => toHookRunSummary(run));
  for (const summary of [started, completed]) assert.deepEqual(HookRunSummary.parse(summary), summary);
  const { startedAtMs, completedAtMs } = observer.told[1]?.run ?? assert.fail();
  assert.deepEqual(
    [completed?.eventName, completed?.startedAt, completed?.completedAt, completed?.continuation, started?.completedAt],
    ["stop", Math.floor(startedAtMs / 1000), Math.floor((completedAtMs ?? 0) / 1000), true, null],
  );
});
