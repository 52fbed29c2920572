/** A call of the shell tool: one commandExecution item, from the question whether it may run to what the model gets of it. */
import { resolve } from "node:path";
import type { CommandApprovalParams, CommandExecutionItem, ExecRecord } from "@sallyport/protocol";
import type { ApprovalProposal } from "@sallyport/rules-store";
import type { ExecAnswer, ExecQuestion } from "@sallyport/shell-escalation";
import { textToDisplay } from "@sallyport/supervisor";
import type { ApprovalResult } from "../session/approvals.ts";
import { guardedSandbox } from "../session/session-settings.ts";
import { toExecRun } from "../store/index.ts";
import { displayCommand, displayProgram } from "../tools/command-display.ts";
import { runShellCommand } from "../tools/shell-command.ts";
import type { ShellCommandResult } from "../tools/shell-command.ts";
import { defaultTimeoutMs } from "../tools/tool-definitions.ts";
import { ExecHooks } from "./exec-hooks.ts";
import { openItem } from "./asked-before.ts";
import type { AskedBefore } from "./asked-before.ts";
import { askPermission } from "./permission.ts";
import { sandboxNow } from "./sandbox-now.ts";
import { warnOnce } from "./thread-warnings.ts";
import type { TurnContext } from "./turn-context.ts";
import { ToldOutput, recordCompleted, recordStarted, shownOutput } from "./item-record.ts";

/** What the model gets of a command's output. */
const modelOutputBytes = 32 * 1024;

export interface ShellCallRequest {
  command: string;
  workdir: string | null;
  timeoutMs: number | null;
}

export interface ToolOutcome {
  /** For the model. */
  text: string;
  /** For PostToolUse; null: the tool did not do anything, so there is nothing to look at. */
  ran: { response: unknown; exitCode: number | null; durationMs: number } | null;
}

type OwnParams = Pick<CommandApprovalParams, "approvalId" | "reason" | "command" | "cwd">;

interface CommandQuestion {
  method: "item/commandExecution/requestApproval";
  params: CommandApprovalParams;
}

export class ShellCall {
  readonly #context: TurnContext;
  readonly #request: ShellCallRequest;
  readonly #cwd: string;
  readonly #argv: string[];
  readonly #item: CommandExecutionItem & { startedAtMs: number };
  readonly #before: AskedBefore | null;
  #refused = false;

  constructor(context: TurnContext, itemId: string, request: ShellCallRequest, before: AskedBefore | null) {
    this.#context = context;
    this.#request = request;
    this.#before = before;
    this.#cwd = resolve(context.settings.cwd, request.workdir ?? ".");
    this.#argv = [context.shell, "-c", request.command];
    const fresh: CommandExecutionItem = {
      type: "commandExecution",
      id: itemId,
      command: displayCommand(this.#argv),
      cwd: this.#cwd,
      processId: null,
      source: "agent",
      status: "inProgress",
      commandActions: [{ type: "unknown", command: request.command }],
      aggregatedOutput: null,
      exitCode: null,
      durationMs: null,
    };
    this.#item = openItem(fresh, before);
  }

  /** A hook said no: the item shows what was wanted, and who refused it. */
  async decline(declinedBy: { hookRunId: string }): Promise<void> {
    await this.#start();
    await this.#complete({ status: "declined", declinedBy });
  }

  /** `mustAsk`: why the whole command needs a person's word; null: it does not. */
  async run(mustAsk: string | null): Promise<ToolOutcome> {
    await this.#start();
    if (mustAsk !== null) {
      const answer = await this.#ask(mustAsk);
      if (answer.kind === "deny") {
        await this.#complete({ status: "declined" });
        return { text: `The command was not run: ${answer.reason}. Command: ${this.#request.command}`, ran: null };
      }
    }
    const { signal } = this.#context;
    if (signal.aborted) return this.#interrupted(null);
    const result = await this.#execute();
    if (signal.aborted) return this.#interrupted(result);
    const { exitCode, durationMs } = result;
    const aggregatedOutput = shownOutput(result);
    const status = exitCode === 0 ? "completed" : this.#refused ? "declined" : "failed";
    await this.#complete({ status, aggregatedOutput, exitCode, durationMs });
    const text = describe(result, this.#timeoutMs);
    // What the door refused to run at all has no response to look at.
    const wasRefused = exitCode === null && result.problems.length > 0 && result.output.totalBytes === 0;
    return { text, ran: wasRefused ? null : { response: aggregatedOutput ?? "", exitCode, durationMs } };
  }

  get #timeoutMs(): number {
    return this.#request.timeoutMs ?? defaultTimeoutMs;
  }

  async #execute(): Promise<ShellCommandResult> {
    const { env, home, keptApprovals, settings, shell, signal, threadId } = this.#context;
    const execHooks = new ExecHooks(this.#context, this.#item.id);
    const told = new ToldOutput(this.#context, this.#item);
    const warnings: Promise<void>[] = [];
    const result = await runShellCommand({
      argv: argvInFolder(shell, this.#request.command, { from: settings.cwd, to: this.#cwd }),
      cwd: settings.cwd,
      env,
      home,
      rules: () => this.#context.rules(),
      approvals: { book: keptApprovals, threadId },
      sandbox: guardedSandbox(sandboxNow(this.#context)),
      timeoutMs: this.#timeoutMs,
      signal,
      onOutput: (delta) => told.add(delta),
      onRecords: (records) => this.#storeRecords(records),
      onRecord: (record, rule) => execHooks.see(record, rule),
      ask: (question, withdrawn) => this.#askAboutProgram(question, withdrawn),
      consult: execHooks.consult,
      onWeakness: (sentence) => void warnings.push(warnOnce(this.#context, sentence)),
    });
    await Promise.all(warnings);
    await execHooks.settled();
    return result;
  }

  async #interrupted(result: ShellCommandResult | null): Promise<ToolOutcome> {
    const output = result === null ? null : shownOutput(result);
    const durationMs = result?.durationMs ?? null;
    await this.#complete({ status: "failed", interrupted: true, aggregatedOutput: output, durationMs });
    return { text: "aborted by user", ran: null };
  }

  #ask(reason: string): Promise<ApprovalResult> {
    const { signal } = this.#context;
    const { command } = this.#request;
    const rememberAs = JSON.stringify(["command", this.#argv, this.#cwd]);
    const own = { approvalId: null, reason, command: this.#item.command, cwd: this.#cwd };
    const question = this.#questionOf(own, []);
    return askPermission(
      this.#context,
      {
        question,
        scope: { rememberAs, proposals: [] },
        askedBy: "action",
        toolName: "Bash",
        toolInput: { command, description: reason },
        waitingItemId: this.#item.id,
        programIdentity: null,
        askedBefore: this.#before?.approvalId ?? null,
      },
      signal,
    );
  }

  /** A rule wants to know about one program of the command. */
  async #askAboutProgram(program: ExecQuestion, withdrawn: AbortSignal): Promise<ExecAnswer> {
    const command = displayProgram(program.file, program.argv);
    const { reason, proposals, answeredBy, identity: programIdentity } = program;
    const given = this.#context.approvals.takeForRetry(programIdentity);
    if (given?.kind === "allow") return given;
    const approvalId = `${this.#item.id}:${program.requestId}`;
    const cwd = textToDisplay(program.cwd);
    const result = await askPermission(
      this.#context,
      {
        question:
          answeredBy === "person"
            ? this.#questionForPerson({ approvalId, reason, command, cwd })
            : this.#questionOf({ approvalId, reason, command, cwd }, proposals),
        scope: { rememberAs: null, proposals },
        askedBy: "rule",
        toolName: "Bash",
        toolInput: { command, description: reason },
        waitingItemId: null,
        programIdentity,
        askedBefore: null,
      },
      AbortSignal.any([withdrawn, this.#context.signal]),
    );
    if (result.kind === "allow") return result;
    this.#refused = true;
    return { kind: "deny", reason: result.reason };
  }

  #questionForPerson(own: OwnParams): CommandQuestion {
    const { method, params } = this.#questionOf(own, []);
    const reason = `${params.reason ?? params.command}; this requires human approval`;
    return {
      method,
      params: { ...params, kind: "humanCommand", reason, availableDecisions: ["accept", "decline", "cancel"] },
    };
  }

  #questionOf(own: OwnParams, proposals: readonly ApprovalProposal[]): CommandQuestion {
    const { threadId, turnId } = this.#context;
    const narrowest = proposals[0] === undefined ? null : [...proposals[0].pattern];
    const keeping = narrowest === null ? [] : [{ acceptWithExecpolicyAmendment: { execpolicy_amendment: narrowest } }];
    return {
      method: "item/commandExecution/requestApproval",
      params: {
        kind: "command",
        threadId,
        turnId,
        itemId: this.#item.id,
        startedAtMs: Date.now(),
        environmentId: null,
        commandActions: [{ type: "unknown", command: own.command }],
        // No allow rule, which never silences a prompt: a kept approval, for exactly this first of all.
        proposedExecpolicyAmendment: narrowest,
        availableDecisions: ["accept", "acceptForSession", ...keeping, "decline", "cancel"],
        ...own,
      },
    };
  }

  #storeRecords(records: readonly ExecRecord[]): Promise<void> {
    const { threadId, turnId, log } = this.#context;
    const itemId = this.#item.id;
    return log.record(
      records.map((record) => ({ kind: "putExecRun", turnId, itemId, record })),
      records.map((record) => ({
        method: record.durationMs === null ? "exec/decided" : "exec/completed",
        params: { threadId, turnId, run: toExecRun({ itemId, record }) },
      })),
    );
  }

  async #start(): Promise<void> {
    if (this.#before === null) await recordStarted(this.#context, this.#item);
  }

  #complete(changes: Partial<CommandExecutionItem>): Promise<void> {
    return recordCompleted(this.#context, { ...this.#item, ...changes });
  }
}

/** The attack: the model names a folder elsewhere as `workdir`, and the wall makes the folder that a command starts in writable. So
 *  the wall always stands around the session's folder, and the shell goes to the other one from inside. */
function argvInFolder(shell: string, command: string, { from, to }: { from: string; to: string }): string[] {
  if (from === to) return [shell, "-c", command];
  return [shell, "-c", 'cd -- "$1" || exit 1; eval "$2"', shell, to, command];
}

function describe(result: ShellCommandResult, timeoutMs: number): string {
  const { exitCode, signal, timedOut, durationMs, output, problems } = result;
  const ending = timedOut
    ? `timed out after ${timeoutMs / 1000} s; everything that it started was ended`
    : signal !== null
      ? `ended by ${signal}`
      : exitCode === null
        ? "not run to its end"
        : String(exitCode);
  return [
    `exit code: ${ending}`,
    `wall time: ${(durationMs / 1000).toFixed(1)} s`,
    ...problems.map((problem) => `problem: ${problem}`),
    "output:",
    output.text(modelOutputBytes),
  ].join("\n");
}
