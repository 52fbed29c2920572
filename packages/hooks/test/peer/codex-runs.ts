/** Makes Codex fire one event with one hook, and reads what came of it: the run, and what the turn did. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HookEventName, HookOutputEntry } from "@sallyport/protocol";
import { CodexServer } from "./codex-server.ts";
import type { Json, Notification } from "./codex-server.ts";
import { ScriptedModel } from "./scripted-model.ts";
import type { InputItem, ModelRequest, Reply } from "./scripted-model.ts";
import { shown, wordsIn } from "../conformance/effects.ts";
import { hookCommand } from "../conformance/hook-command.ts";
import type { Hook } from "../conformance/hook-command.ts";
import { entryOf } from "../conformance/judge-case.ts";

/** As in the table; the peer has no `failure`. */
export interface Observed {
  /** In display order. */
  runs: { status: string; entries: readonly string[] }[];
  effect: Record<string, unknown>;
}

interface Fired {
  threadId: string;
  turnStatus: string;
  asked: boolean;
}

const approvalPolicies: Record<string, string> = { PermissionRequest: "untrusted" };

export class CodexRuns {
  readonly #model: ScriptedModel;
  readonly #server: CodexServer;
  readonly #scratch: string;
  /** As it calls itself. */
  readonly version: string;
  #runs = 0;
  /** What it tells the model without any hook. */
  #ownInstructions: Set<string> | null = null;

  static async start(folder: string): Promise<CodexRuns> {
    const scratch = mkdtempSync(join(tmpdir(), "hooks-peer-"));
    const model = await ScriptedModel.start();
    return new CodexRuns(model, await CodexServer.start(folder, scratch, model.url, join(scratch, "home")), scratch);
  }

  private constructor(model: ScriptedModel, server: CodexServer, scratch: string) {
    this.#model = model;
    this.#server = server;
    this.version = server.version;
    this.#scratch = scratch;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await this.#model.stop();
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  async run(event: HookEventName, hooks: readonly Hook[]): Promise<Observed> {
    if (this.#ownInstructions === null) {
      await this.#fire("Stop", [{}]);
      this.#ownInstructions = new Set(developerTexts(this.#model.requests[0]));
    }
    const fired = await this.#fire(event, hooks);
    const eventName = event.charAt(0).toLowerCase() + event.slice(1);
    const completed = ({ method, params }: Notification) =>
      method === "hook/completed" && params.run.eventName === eventName;
    await this.#server.notified(completed);
    // The peer tells of all of a batch at once. Later firings of the same event are another batch.
    const batch = this.#server.notifications.filter(completed).slice(0, hooks.length);
    return {
      runs: batch.map(({ params: { run } }, index) => ({
        status: run.status,
        entries: run.entries.map((entry: HookOutputEntry) => entryOf(entry, hooks[index] ?? {})),
      })),
      effect: this.#effect(event, fired),
    };
  }

  async #fire(event: HookEventName, hooks: readonly Hook[]): Promise<Fired> {
    const folder = join(this.#scratch, `run-${(this.#runs += 1)}`);
    const cwd = join(folder, "cwd");
    mkdirSync(cwd, { recursive: true });
    const server = this.#server;
    server.forget();
    const fired: Fired = { threadId: "", turnStatus: "", asked: false };
    server.onRequest = () => {
      fired.asked = true;
      return { decision: "decline" };
    };
    const handlers = hooks.map((hook, index) => {
      const mine = join(folder, `hook-${index}`);
      mkdirSync(mine);
      // Only once, or a hook that blocks Stop would never let the turn end.
      const command = `mkdir '${mine}/once' 2>/dev/null || exit 0; ${hookCommand(hook, mine)}`;
      return { type: "command", command, ...(hook.ends === "timeout" ? { timeout: 1 } : {}) };
    });
    const { thread } = await server.request("thread/start", {
      cwd,
      approvalPolicy: approvalPolicies[event] ?? "never",
      sandbox: "danger-full-access",
      config: { bypass_hook_trust: true, [`hooks.${event}`]: [{ hooks: handlers }] },
    });
    fired.threadId = thread.id;
    this.#model.play((request, index) => this.#reply(event, request, index));
    if (event === "PreCompact" || event === "PostCompact") await this.#turn(thread.id);
    if (hooks.some(({ ends }) => ends === "noFolder")) rmSync(cwd, { recursive: true });
    if (event === "SessionEnd") {
      await this.#turn(thread.id);
      await server.request("thread/archive", { threadId: thread.id });
    } else if (event === "PreCompact" || event === "PostCompact") {
      server.forget();
      await server.request("thread/compact/start", { threadId: thread.id });
      fired.turnStatus = await this.#turnEnd(thread.id);
    } else {
      fired.turnStatus = await this.#turn(thread.id, event === "Interrupt");
    }
    if (event === "SubagentStart" || event === "SubagentStop") {
      await server.notified(({ method, params }) => method === "turn/completed" && params.threadId !== thread.id);
    }
    return fired;
  }

  async #turn(threadId: string, interrupt = false): Promise<string> {
    const { turn } = await this.#server.request("turn/start", {
      threadId,
      input: [{ type: "text", text: "the-prompt" }],
    });
    if (interrupt) {
      await this.#model.requested();
      await this.#server.request("turn/interrupt", { threadId, turnId: turn.id });
    }
    return await this.#turnEnd(threadId);
  }

  async #turnEnd(threadId: string): Promise<string> {
    const { params } = await this.#server.notified(
      ({ method, params }) => method === "turn/completed" && params.threadId === threadId,
    );
    return params.turn.status;
  }

  #reply(event: HookEventName, request: ModelRequest, index: number): Reply {
    if (event === "Interrupt") return { hang: true };
    const isTool = event === "PreToolUse" || event === "PermissionRequest" || event === "PostToolUse";
    if (isTool && index === 0)
      return { call: "exec_command", args: { cmd: "touch ran; echo the-original", workdir: this.#scratch } };
    const isSubagent = event === "SubagentStart" || event === "SubagentStop";
    if (isSubagent && index === 0) {
      return { call: "spawn_agent", namespace: "multi_agent_v1", args: { message: "the-task" } };
    }
    return { say: isChild(request) ? "the-answer" : "the-end" };
  }

  #effect(event: HookEventName, { turnStatus, asked }: Fired): Record<string, unknown> {
    const requests = this.#model.requests;
    const output = said(requests[1]?.input.find(({ type }) => type === "function_call_output")?.output);
    const ran = output.includes("Process exited");
    const again = (isMine: (request: ModelRequest) => boolean) => {
      const prompted = requests
        .filter(isMine)
        .map(({ input }) => prompts(input).filter((text) => text.includes("<hook_prompt")));
      return { continues: (prompted.find((texts) => texts.length > 0) ?? []).map(wordsIn) };
    };
    const effects: Partial<Record<HookEventName, () => Record<string, unknown>>> = {
      SessionStart: () => ({ contexts: this.#contexts(requests[0]), ends: requests.length === 0 }),
      UserPromptSubmit: () => ({ contexts: this.#contexts(requests[0]), ends: requests.length === 0 }),
      PreToolUse: () => ({
        contexts: this.#contexts(requests[1]),
        // The peer repeats the command after the reason.
        deny: ran ? null : wordsIn(output).replace(" the-original", ""),
        runs: ran ? wordsIn(output) : null,
      }),
      PermissionRequest: () => {
        if (asked) return { decision: null, says: null };
        return ran ? { decision: "allow", says: null } : { decision: "deny", says: wordsIn(output) };
      },
      PostToolUse: () => ({ contexts: this.#contexts(requests[1]), feedback: ran ? null : wordsIn(output) }),
      PreCompact: () => ({ stops: turnStatus === "interrupted" }),
      PostCompact: () => ({ stops: turnStatus === "interrupted" }),
      SubagentStart: () => ({ contexts: this.#contexts(requests.find(isChild)) }),
      SubagentStop: () => again(isChild),
      Stop: () => again(() => true),
    };
    return effects[event]?.() ?? {};
  }

  #contexts(request: ModelRequest | undefined): string[] {
    return developerTexts(request)
      .filter((text) => this.#ownInstructions?.has(text) !== true)
      .map((text) => (text.includes("hook_outputs") ? "(spilled)" : shown(text)));
  }
}

function isChild({ input }: ModelRequest): boolean {
  return prompts(input).includes("the-task");
}

function prompts(input: InputItem[]): string[] {
  return input
    .filter(({ role }) => role === "user")
    .flatMap(({ content }) => (content ?? []).map(({ text }) => text ?? ""));
}

function developerTexts(request: ModelRequest | undefined): string[] {
  const messages = (request?.input ?? []).filter(({ role }) => role === "developer");
  return messages.flatMap(({ content }) => (content ?? []).map(({ text }) => text ?? ""));
}

function said(output: Json): string {
  return typeof output === "string" ? output : JSON.stringify(output ?? "");
}
