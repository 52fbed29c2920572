/** What hooks cost: finding that none is to run, running one, and running many at once. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHookSession } from "@sallyport/hooks";
import type { ConfiguredHandler, HookSession } from "@sallyport/hooks";
import { compare, measurePairs } from "./pairs.ts";
import type { Comparison, Sample } from "./pairs.ts";

export interface HookFigures {
  /** One firing for which none of 500 configured handlers is to run. */
  noMatchUs: number;
  /** One hook `true`, beside a plain `/bin/sh -c true` with pipes. */
  one: Comparison;
  /** 100 hooks that sleep for half a second, beside one of them. */
  parallel: Comparison;
}

const firings = 20_000;
const observer = { started: () => {}, completed: () => {} };
const folder = mkdtempSync(join(tmpdir(), "sallyport-bench-hooks-"));
const input = {
  session_id: "s",
  transcript_path: null,
  cwd: folder,
  turn_id: "t",
  model: "m",
  permission_mode: "default",
  hook_event_name: "PreToolUse",
  tool_name: "Bash",
  tool_input: { command: "true" },
  tool_use_id: "c",
} as const;

/** In exec form, so that both sides start the same shell, whatever the account's is. */
function handlers(count: number, command: string, tool = "Bash"): ConfiguredHandler[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `/bench/hooks.json:pre_tool_use:${at}:0`,
    event: "PreToolUse",
    matcherText: tool,
    matches: (values) => values.includes(tool),
    action: { type: "command", command: "/bin/sh", args: ["-c", command], async: false, passEnv: [] },
    timeoutMs: 600_000,
    statusMessage: null,
    additionalContextLimit: null,
    onError: "allow",
    sourcePath: "/bench/hooks.json",
    source: "user",
    isManaged: false,
    pluginId: null,
    displayOrder: at,
    enabled: true,
    currentHash: "sha256:0",
    trustStatus: "trusted",
    skipped: null,
  }));
}

function session(configured: readonly ConfiguredHandler[]): HookSession {
  const env = { PATH: "/usr/bin:/bin" };
  return createHookSession({ handlers: configured, folder, projectDir: folder, sessionId: "s", env, observer });
}

async function timed(run: () => Promise<unknown>): Promise<Sample> {
  const startedAtMs = performance.now();
  await run();
  return { wholeMs: performance.now() - startedAtMs };
}

async function plainShell(): Promise<void> {
  const child = spawn("/bin/sh", ["-c", "true"], { env: { PATH: "/usr/bin:/bin" } });
  child.stdin.on("error", () => {}); // it does not read
  child.stdin.end(JSON.stringify(input));
  child.stdout.resume();
  child.stderr.resume();
  await new Promise((resolve) => child.once("close", resolve));
}

async function noMatch(): Promise<number> {
  const quiet = session(handlers(500, "true", "Edit"));
  const { wholeMs } = await timed(async () => {
    for (let at = 0; at < firings; at++) await quiet.fire("PreToolUse", input, { observer });
  });
  return (wholeMs * 1000) / firings;
}

export async function measureHooks(rounds: number): Promise<HookFigures> {
  const fire = (hooks: HookSession) => (): Promise<Sample> =>
    timed(() => hooks.fire("PreToolUse", input, { observer }));
  const whole = (pairs: [Sample, Sample][]): Comparison =>
    compare(pairs.map(([left, right]) => [left.wholeMs, right.wholeMs] as const));
  try {
    console.error("hooks ...");
    const sleep = "sleep 0.5";
    return {
      noMatchUs: await noMatch(),
      one: whole(await measurePairs(rounds * 5, () => timed(plainShell), fire(session(handlers(1, "true"))))),
      parallel: whole(
        await measurePairs(rounds, fire(session(handlers(1, sleep))), fire(session(handlers(100, sleep)))),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
