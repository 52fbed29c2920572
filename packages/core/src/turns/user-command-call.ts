/** One command that the user typed, as an item; what the model gets of it afterwards. */
import type { CommandExecutionItem } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { ModelMessage } from "../models/model.ts";
import { displayCommand } from "../tools/command-display.ts";
import { BoundedOutput } from "../tools/output-limits.ts";
import type { OutputDelta } from "../tools/output-stream.ts";
import { keptOutputBytes } from "../tools/shell-command.ts";
import type { ShellCommandResult } from "../tools/shell-command.ts";
import { runUserCommand } from "../tools/user-command.ts";
import { userCommandMessage } from "./prompt.ts";
import type { TurnContext } from "./turn-context.ts";

/** What the model gets of the output. */
const modelOutputBytes = 32 * 1024;
/** After so many bytes the item is stored again, and the store lets go of the deltas before: else a command that prints without an
 *  end fills the disk. */
const longestTail = 4 * 1024 * 1024;

export interface UserCommand {
  command: string;
  timeoutMs: number;
}

/** Resolves with the message that tells the model of it. Rejects only when something could not be stored. */
export async function callUserCommand(context: TurnContext, request: UserCommand): Promise<ModelMessage> {
  const { threadId, turnId, log, shell, signal, settings, env } = context;
  const { command, timeoutMs } = request;
  const startedAtMs = Date.now();
  const item: CommandExecutionItem & { startedAtMs: number } = {
    type: "commandExecution",
    id: uuidv7(),
    command: displayCommand([shell, "-c", command]),
    cwd: settings.cwd,
    processId: null,
    source: "userShell",
    status: "inProgress",
    commandActions: [{ type: "unknown", command }],
    aggregatedOutput: null,
    exitCode: null,
    durationMs: null,
    startedAtMs,
  };
  await log.record(
    [{ kind: "putItem", turnId, item }],
    [{ method: "item/started", params: { threadId, turnId, item, startedAtMs } }],
  );
  const told = new ToldOutput(context, item);
  const onOutput = (delta: OutputDelta): Promise<void> => told.add(delta);
  const result = await runUserCommand({ shell, command, timeoutMs, signal, cwd: settings.cwd, env, onOutput });
  const completedAtMs = Date.now();
  const completed = { ...item, ...outcomeOf(result, signal), completedAtMs };
  await log.record(
    [{ kind: "putItem", turnId, item: completed }],
    [
      {
        method: "item/completed",
        params: { threadId, turnId, item: completed, completedAtMs, contentTokenCount: null },
      },
    ],
  );
  const text = [...result.problems.map((problem) => `${problem}\n`), result.output.text(modelOutputBytes)].join("");
  return userCommandMessage({ command, text, ...result });
}

function outcomeOf(result: ShellCommandResult, signal: AbortSignal): Partial<CommandExecutionItem> {
  const { exitCode, durationMs, output, problems } = result;
  const shown = [...(output.totalBytes === 0 ? [] : [output.text()]), ...problems.map((problem) => `${problem}\n`)];
  const aggregatedOutput = shown.length === 0 ? null : shown.join("");
  if (signal.aborted) return { status: "failed", interrupted: true, aggregatedOutput, durationMs };
  return { status: exitCode === 0 ? "completed" : "failed", aggregatedOutput, exitCode, durationMs };
}

class ToldOutput {
  readonly #context: TurnContext;
  readonly #item: CommandExecutionItem;
  readonly #told = new BoundedOutput(keptOutputBytes);
  #tailBytes = 0;

  constructor(context: TurnContext, item: CommandExecutionItem) {
    this.#context = context;
    this.#item = item;
  }

  async add(delta: OutputDelta): Promise<void> {
    const { threadId, turnId, log } = this.#context;
    const params = { threadId, turnId, itemId: this.#item.id, ...delta };
    await log.record([], [{ method: "item/commandExecution/outputDelta", params }]);
    const bytes = Buffer.from(delta.delta);
    this.#told.add(bytes);
    this.#tailBytes += bytes.length;
    if (this.#tailBytes < longestTail) return;
    this.#tailBytes = 0;
    await log.record([{ kind: "putItem", turnId, item: { ...this.#item, aggregatedOutput: this.#told.text() } }]);
  }
}
