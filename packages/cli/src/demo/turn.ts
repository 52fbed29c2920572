/** The second half of the demo: one turn of an agent with hooks, its model a file, and what was stored of it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEphemeralThreadStore, openThreads, openThreadStore } from "@sallyport/core";
import type { StoredThread, ThreadStore } from "@sallyport/core";
import type { Turn } from "@sallyport/protocol";
import { readTurns } from "../turns/run-threads.ts";
import { showThread } from "../turns/show-thread.ts";
import type { Look } from "../terminal.ts";

const houseRule = "House rule: say what you ran.";
const askAgain = "Name the programs that you ran.";

const hooks = {
  SessionStart: [{ hooks: [{ type: "command", command: `echo '${houseRule}'` }] }],
  Stop: [
    {
      hooks: [{ type: "command", command: `grep -q '"stop_hook_active":true' || { echo '${askAgain}' >&2; exit 2; }` }],
    },
  ],
};

const answers = [
  { tool_calls: [{ name: "shell", arguments: { command: "rm -f hello && make -s hello && ./hello" } }] },
  { text: "It builds and greets." },
  { text: "I ran make, the compiler and hello." },
];

export interface PlayedTurn {
  thread: StoredThread;
  turns: Turn[];
  /** The model's whole input as it is stored, one text. */
  modelInput: string;
}

export async function playTurn(base: string, project: string): Promise<PlayedTurn> {
  const home = join(base, "agent-home");
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  const script = join(base, "answers.jsonl");
  writeFileSync(script, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
  const threadId = await runTurn(home, { project, script });
  // Opened anew: what is shown is what the disk has.
  const store = openThreadStore(home);
  try {
    return await readPlayed(store, threadId);
  } finally {
    await store.close();
  }
}

async function runTurn(home: string, { project, script }: { project: string; script: string }): Promise<string> {
  const store = openThreadStore(home);
  const openEphemeralStore = openEphemeralThreadStore;
  const options = { home, store, openEphemeralStore, env: process.env, cliVersion: "demo", canAsk: false };
  const threads = openThreads(options);
  try {
    const session = await threads.start({
      cwd: project,
      source: "exec",
      model: `scripted:${script}`,
      bypassHookTrust: true,
    });
    const { promise: completed, resolve, reject } = Promise.withResolvers<void>();
    session.subscribe({
      event: ({ notification }) => {
        if (notification.method === "turn/completed") resolve();
      },
      failed: (error) => reject(error instanceof Error ? error : new Error(String(error))),
    });
    await session.startTurn({ input: [{ type: "text", text: "Does the project build?", text_elements: [] }] });
    await completed;
    return session.id;
  } finally {
    await threads.closeAll();
    await store.close();
  }
}

async function readPlayed(store: ThreadStore, threadId: string): Promise<PlayedTurn> {
  const thread = await store.readThread(threadId);
  if (thread === null) throw new Error("the demo's own thread was not stored");
  const messages = await store.readMessages(threadId);
  return { thread, turns: await readTurns(store, threadId), modelInput: JSON.stringify(messages) };
}

export function turnChecks({ turns, modelInput }: PlayedTurn): { text: string; holds: boolean }[] {
  const [turn] = turns;
  const command = turn?.items.find((item) => item.type === "commandExecution");
  const stops = turn?.hookRuns.filter(({ eventName }) => eventName === "stop") ?? [];
  return [
    { text: "a hook's context stood in what the model got", holds: modelInput.includes(houseRule) },
    {
      text: "the agent's command went through the door",
      holds: command?.status === "completed" && (turn?.execRuns ?? []).length > 2,
    },
    {
      text: "a Stop hook asked for one more round, and got it",
      holds: stops.length === 2 && stops[0]?.continuation === true,
    },
    { text: "all of it was read back from the disk", holds: turn?.status === "completed" },
  ];
}

export function turnLines({ thread, turns }: PlayedTurn, look: Look): string[] {
  return showThread(thread, turns, look);
}
