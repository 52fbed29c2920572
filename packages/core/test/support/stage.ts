/** A home, a project and threads on them, for tests: the real store, the real hooks, real commands; the model is a script. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { ModuleHook } from "@sallyport/hooks";
import type { ServerNotification, Turn } from "@sallyport/protocol";
import type { ApprovalRequest } from "../../src/session/approvals.ts";
import type { ThreadSession, StartTurnOptions } from "../../src/session/thread-session.ts";
import { openThreads } from "../../src/session/threads.ts";
import type { StartThreadOptions, Threads, ThreadsOptions } from "../../src/session/threads.ts";
import { openEphemeralThreadStore, openThreadStore } from "../../src/store/index.ts";
import type { ThreadStore } from "../../src/store/index.ts";

export interface Stage {
  home: string;
  project: string;
  store: ThreadStore;
  threads: Threads;
  /** Writes a script of answers; what to give as `model`. */
  script(answers: readonly object[]): string;
  /** Closes threads and store, and opens them anew, as another process would. */
  reopen(options?: Partial<ThreadsOptions>): Promise<Stage>;
}

const deadlineMs = 60_000;

export function makeStage(options: Partial<ThreadsOptions> & { config?: string; rules?: string } = {}): Stage {
  const base = mkdtempSync(join(tmpdir(), "sallyport-core-"));
  const home = join(base, "home");
  const project = join(base, "project");
  mkdirSync(join(home, "rules"), { recursive: true, mode: 0o700 });
  mkdirSync(project);
  if (options.config !== undefined) writeFileSync(join(home, "config.toml"), options.config, { mode: 0o600 });
  if (options.rules !== undefined) writeFileSync(join(home, "rules", "test.rules"), options.rules, { mode: 0o600 });
  const closes: (() => Promise<void>)[] = [];
  after(async () => {
    // Closing writes, so the folder goes last.
    for (const close of closes) await close();
    rmSync(base, { recursive: true, force: true });
  });
  return open({ base, home, project, closes }, options);
}

interface Ground {
  base: string;
  home: string;
  project: string;
  closes: (() => Promise<void>)[];
}

function open(ground: Ground, options: Partial<ThreadsOptions>): Stage {
  const { base, home, project } = ground;
  const store = openThreadStore(home);
  const threads = openThreads({
    home,
    store,
    openEphemeralStore: openEphemeralThreadStore,
    env: process.env,
    cliVersion: "0.0.0-test",
    canAsk: true,
    systemFolder: join(base, "no-such-folder"),
    ...options,
  });
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= threads.closeAll().then(() => store.close()));
  ground.closes.push(close);
  let scripts = 0;
  return {
    home,
    project,
    store,
    threads,
    script: (answers) => {
      scripts += 1;
      const file = join(base, `script-${Date.now()}-${scripts}.jsonl`);
      writeFileSync(file, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
      return `scripted:${file}`;
    },
    reopen: async (changes = {}) => {
      await close();
      return open(ground, { ...options, ...changes });
    },
  };
}

/** Everything that a session announces. */
export class Heard {
  readonly notifications: ServerNotification[] = [];
  readonly requests: ApprovalRequest[] = [];
  readonly failures: unknown[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(session: ThreadSession) {
    const wake = (): void => {
      for (const check of this.#waiting) check();
    };
    session.subscribe({
      event: ({ notification }) => {
        this.notifications.push(notification);
        wake();
      },
      request: (request) => {
        this.requests.push(request);
        wake();
      },
      failed: (error) => {
        this.failures.push(error);
        wake();
      },
    });
  }

  /** Resolves with the first value that `find` gives that is not undefined. */
  async until<Found>(find: (heard: Heard) => Found | undefined): Promise<Found> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const check = (): void => {
      const found = find(this);
      if (found !== undefined) resolve(found);
      else if (this.failures.length > 0) reject(this.failures[0]);
    };
    const timer = setTimeout(() => {
      reject(new Error(`not heard within ${deadlineMs} ms; heard: ${JSON.stringify(this.notifications, null, 1)}`));
    }, deadlineMs);
    this.#waiting.add(check);
    check();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(check);
    }
  }

  completedTurn(turnId: string): Promise<Turn> {
    return this.until(({ notifications }) => {
      for (const { method, params } of notifications) {
        if (method === "turn/completed" && params.turn.id === turnId) return params.turn;
      }
      return undefined;
    });
  }

  /** Each notification in a word or two, in order. */
  get outline(): string[] {
    return this.notifications.map(describe);
  }
}

function describe({ method, params }: ServerNotification): string {
  if (method === "item/started" || method === "item/completed") return `${method} ${params.item.type}`;
  if (method === "hook/started" || method === "hook/completed") return `${method} ${params.run.eventName}`;
  return method === "thread/status/changed" ? `${method} ${params.status.type}` : method;
}

export async function startThread(
  stage: Stage,
  options: Partial<StartThreadOptions> & { model: string },
): Promise<{ session: ThreadSession; heard: Heard }> {
  const session = await stage.threads.start({ cwd: stage.project, source: "vscode", ...options });
  return { session, heard: new Heard(session) };
}

export async function runTurn(
  { session, heard }: { session: ThreadSession; heard: Heard },
  prompt: string,
  options: Partial<StartTurnOptions> = {},
): Promise<Turn> {
  const { id } = await session.startTurn({ input: [{ type: "text", text: prompt, text_elements: [] }], ...options });
  const turn = await heard.completedTurn(id);
  await session.idle();
  return turn;
}

export function moduleHook(
  event: ModuleHook["event"],
  run: ModuleHook["run"],
  options: Partial<ModuleHook> = {},
): ModuleHook {
  return { event, name: `test-${event}`, run, ...options };
}
