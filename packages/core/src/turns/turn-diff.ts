/** What patches changed in the whole turn, as one diff. */
import { gitDiff } from "../tools/apply-patch/unified-diff.ts";
import type { DiffedText } from "../tools/apply-patch/unified-diff.ts";
import type { TurnContext } from "./turn-context.ts";

export class TurnDiff {
  readonly #context: TurnContext;
  /** In the order of their first change. What is not changed again is not compared again. */
  readonly #files = new Map<string, { before: string | null; diff: string }>();

  constructor(context: TurnContext) {
    this.#context = context;
  }

  async add(texts: readonly ({ path: string } & DiffedText)[]): Promise<void> {
    const { threadId, turnId, log, settings } = this.#context;
    for (const { path, before: found, after } of texts) {
      const first = this.#files.get(path);
      const before = first === undefined ? found : first.before;
      const diff = await gitDiff(path, { before, after }, settings.cwd);
      this.#files.set(path, { before, diff });
    }
    const diff = [...this.#files.values()].map((file) => file.diff).join("");
    await log.record([], [{ method: "turn/diff/updated", params: { threadId, turnId, diff } }]);
  }
}
