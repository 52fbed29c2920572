/** One command that the user typed, as an item; what the model gets of it afterwards. */
import type { CommandExecutionItem } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { ModelMessage } from "../models/model.ts";
import { displayCommand } from "../tools/command-display.ts";
import type { OutputDelta } from "../tools/output-stream.ts";
import type { ShellCommandResult } from "../tools/shell-command.ts";
import { runUserCommand } from "../tools/user-command.ts";
import { ToldOutput, recordCompleted, recordStarted, shownOutput } from "./item-record.ts";
import { userCommandMessage } from "./prompt.ts";
import type { TurnContext } from "./turn-context.ts";

/** What the model gets of the output. */
const modelOutputBytes = 32 * 1024;

export interface UserCommand {
  command: string;
  timeoutMs: number;
}

/** Resolves with the message that tells the model of it. Rejects only when something could not be stored. */
export async function callUserCommand(context: TurnContext, request: UserCommand): Promise<ModelMessage> {
  const { shell, signal, settings, env } = context;
  const { command, timeoutMs } = request;
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
    startedAtMs: Date.now(),
  };
  await recordStarted(context, item);
  const told = new ToldOutput(context, item);
  const onOutput = (delta: OutputDelta): Promise<void> => told.add(delta);
  const result = await runUserCommand({ shell, command, timeoutMs, signal, cwd: settings.cwd, env, onOutput });
  await recordCompleted(context, { ...item, ...outcomeOf(result, signal) });
  const text = [...result.problems.map((problem) => `${problem}\n`), result.output.text(modelOutputBytes)].join("");
  return userCommandMessage({ command, text, ...result });
}

function outcomeOf(result: ShellCommandResult, signal: AbortSignal): Partial<CommandExecutionItem> {
  const { exitCode, durationMs } = result;
  const aggregatedOutput = shownOutput(result);
  if (signal.aborted) return { status: "failed", interrupted: true, aggregatedOutput, durationMs };
  return { status: exitCode === 0 ? "completed" : "failed", aggregatedOutput, exitCode, durationMs };
}
