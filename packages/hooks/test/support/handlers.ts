/** Handlers as configured, and what it takes to run one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runHandler } from "../../src/handlers/run-handler.ts";
import { RunLimit } from "../../src/handlers/run-limit.ts";
import type { HandlerContext } from "../../src/handlers/handler-context.ts";
import type { ConfiguredHandler, HandlerAction, HandlerResult } from "../../src/types.ts";

/** A folder for this test file; removed when its process ends. */
export const workFolder: string = mkdtempSync(join(tmpdir(), "hooks-test-"));
process.on("exit", () => rmSync(workFolder, { recursive: true, force: true }));

export function shellAction(command: string, changes: { async?: boolean; passEnv?: string[] } = {}): HandlerAction {
  return { type: "command", command, args: null, async: false, passEnv: [], ...changes };
}

/** A trusted user hook on Stop; `at` is its place in the file. */
export function handlerOf(action: HandlerAction, changes: Partial<ConfiguredHandler> = {}, at = 0): ConfiguredHandler {
  return {
    key: `/home/user/hooks.json:stop:0:${at}`,
    event: "Stop",
    matcherText: null,
    matches: () => true,
    action,
    timeoutMs: 30_000,
    statusMessage: null,
    additionalContextLimit: null,
    onError: "allow",
    sourcePath: "/home/user/hooks.json",
    source: "user",
    isManaged: false,
    pluginId: null,
    displayOrder: at,
    enabled: true,
    currentHash: "sha256:0",
    trustStatus: "trusted",
    skipped: null,
    ...changes,
  };
}

export interface RunChanges {
  session?: Partial<HandlerContext["session"]>;
  input?: Record<string, unknown>;
  cwd?: string;
  limit?: RunLimit;
  timeoutMs?: number;
  recheck?: () => string | null;
}

/** Runs one action once, with a small input and a small environment. */
export async function runOnce(action: HandlerAction, changes: RunChanges = {}): Promise<HandlerResult> {
  const handler = handlerOf(action, changes.recheck === undefined ? {} : { recheck: changes.recheck });
  const input = changes.input ?? { hook_event_name: "Stop" };
  return runHandler(handler, {
    event: "Stop",
    input,
    inputText: JSON.stringify(input),
    cwd: changes.cwd ?? workFolder,
    limit: changes.limit ?? new RunLimit(changes.timeoutMs ?? 30_000),
    session: {
      folder: join(workFolder, "outputs"),
      projectDir: "/the/project",
      sessionId: "the-session",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" },
      ...changes.session,
    },
  });
}

/** The result with its streams as text and without its time, to be compared whole. */
export function readable(result: HandlerResult): Omit<HandlerResult, "stdout" | "stderr" | "durationMs"> & {
  stdout: string;
  stderr: string;
} {
  const { stdout, stderr, durationMs, ...rest } = result;
  if (!Number.isInteger(durationMs) || durationMs < 0) throw new Error(`durationMs is ${durationMs}`);
  return { ...rest, stdout: stdout.bytes.toString("utf8"), stderr: stderr.bytes.toString("utf8") };
}

/** What `readable()` gives for a program that exited with 0 and printed nothing. */
export const quietExit: ReturnType<typeof readable> = {
  outcome: "exited",
  exitCode: 0,
  signal: null,
  problem: null,
  startFailure: null,
  leftBehind: [],
  stdout: "",
  stderr: "",
};
