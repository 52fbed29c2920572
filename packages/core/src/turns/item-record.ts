/** An item of a tool as it is stored and told: when it starts, while a command prints, and when it has completed. */
import type { CommandExecutionItem, ThreadItem } from "@sallyport/protocol";
import { BoundedOutput } from "../tools/output-limits.ts";
import type { OutputDelta } from "../tools/output-stream.ts";
import { keptOutputBytes } from "../tools/shell-command.ts";
import type { ShellCommandResult } from "../tools/shell-command.ts";
import type { TurnContext } from "./turn-context.ts";

type Place = Pick<TurnContext, "threadId" | "turnId" | "log">;

export function recordStarted(
  { threadId, turnId, log }: Place,
  item: ThreadItem & { startedAtMs: number },
): Promise<void> {
  const { startedAtMs } = item;
  return log.record(
    [{ kind: "putItem", turnId, item }],
    [{ method: "item/started", params: { threadId, turnId, item, startedAtMs } }],
  );
}

export function recordCompleted({ threadId, turnId, log }: Place, ended: ThreadItem): Promise<void> {
  const completedAtMs = Date.now();
  const item = { ...ended, completedAtMs };
  return log.record(
    [{ kind: "putItem", turnId, item }],
    [{ method: "item/completed", params: { threadId, turnId, item, completedAtMs, contentTokenCount: null } }],
  );
}

/** The attack: a command that prints without an end, each byte of which is stored as it is told, fills the disk. So after this many
 *  bytes the item is stored with what was told so far, kept from both ends, and the store lets go of the pieces. */
const longestTail = 4 * 1024 * 1024;

/** What a command prints while it runs. */
export class ToldOutput {
  readonly #place: Place;
  readonly #item: CommandExecutionItem;
  readonly #told = new BoundedOutput(keptOutputBytes);
  #tailBytes = 0;

  constructor(place: Place, item: CommandExecutionItem) {
    this.#place = place;
    this.#item = item;
  }

  async add(delta: OutputDelta): Promise<void> {
    const { threadId, turnId, log } = this.#place;
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

/** What the command printed; and where Sallyport did not let it run, or not to its end, why. */
export function shownOutput({ output, problems }: ShellCommandResult): string | null {
  const parts = [...(output.totalBytes === 0 ? [] : [output.text()]), ...problems.map((problem) => `${problem}\n`)];
  return parts.length === 0 ? null : parts.join("");
}
