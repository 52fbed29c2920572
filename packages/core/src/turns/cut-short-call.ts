/** A command that ran when its server ended, while people were asked about programs of it. It can't go on: its processes are gone. What
 *  was asked is asked again all the same, and the answers are for the retry. */
import type { ThreadItem } from "@sallyport/protocol";
import { BoundedOutput } from "../tools/output-limits.ts";
import type { ApprovalQuestion, ApprovalResult } from "../session/approvals.ts";
import type { WaitingApproval } from "../session/waiting-turn.ts";
import { askPermission } from "./permission.ts";
import type { TurnContext } from "./turn-context.ts";

/** What the model gets of the output. */
const modelOutputBytes = 32 * 1024;

/** Asks all, and says to the model what came of it. */
export async function askForRetry(
  context: TurnContext,
  waiting: readonly WaitingApproval[],
  item: ThreadItem | null,
): Promise<string> {
  const answers = await Promise.all(waiting.map((one) => askAgain(context, one)));
  context.signal.throwIfAborted();
  return [
    "The command was cut short: Sallyport's server ended while it ran, and its processes with it.",
    ...answers,
    ...outputOf(item),
  ].join("\n");
}

async function askAgain(context: TurnContext, { id, body }: WaitingApproval): Promise<string> {
  const { question, scope, programIdentity } = body;
  const program = "command" in question.params ? question.params.command : "";
  const answer = await askPermission(
    context,
    {
      question: withNote(question),
      scope,
      askedBy: "rule",
      toolName: "Bash",
      toolInput: { command: program },
      waitingItemId: null,
      programIdentity,
      askedBefore: id,
    },
    context.signal,
  );
  if (answer.kind === "allow" && programIdentity !== null) context.approvals.keepForRetry(programIdentity, answer);
  return told(program, answer);
}

const note = "The command was cut short by the end of the server; a yes is for when the agent runs it again";

/** Who says yes has to know that nothing starts with it. */
function withNote(question: ApprovalQuestion): ApprovalQuestion {
  if (question.method !== "item/commandExecution/requestApproval") return question;
  const { reason } = question.params;
  if (reason?.endsWith(note) === true) return question;
  return { ...question, params: { ...question.params, reason: reason === null ? note : `${reason}. ${note}` } };
}

function told(program: string, answer: ApprovalResult): string {
  if (answer.kind === "deny") return `The program was refused: ${answer.reason}. Program: ${program}`;
  return `The user has allowed this program of it: ${program}. If it is still needed, run the command again`;
}

function outputOf(item: ThreadItem | null): string[] {
  if (item?.type !== "commandExecution" || item.aggregatedOutput === null) return [];
  const output = new BoundedOutput(modelOutputBytes);
  output.add(Buffer.from(item.aggregatedOutput));
  return ["output until then:", output.text(modelOutputBytes)];
}
