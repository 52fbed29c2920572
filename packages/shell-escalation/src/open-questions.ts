/** The questions that a person has not answered yet, each with the signal that takes it back when nobody needs the answer. */
import type { ExecAnswer, ExecQuestion } from "./decision/index.ts";
import type { TimeLimit } from "./time-limit.ts";

export class OpenQuestions {
  readonly #timeLimit: TimeLimit;
  readonly #open = new Map<number, { withdrawn: AbortController; release: () => void }>();

  constructor(timeLimit: TimeLimit) {
    this.#timeLimit = timeLimit;
  }

  async put(
    question: ExecQuestion,
    ask: (question: ExecQuestion, signal: AbortSignal) => Promise<ExecAnswer>,
  ): Promise<ExecAnswer> {
    const { requestId } = question;
    const withdrawn = new AbortController();
    this.#timeLimit.hold();
    this.#open.set(requestId, { withdrawn, release: () => this.#timeLimit.release() });
    try {
      return await ask(question, withdrawn.signal);
    } finally {
      this.#forget(requestId);
    }
  }

  /** The clock goes on at once, whether or not whoever was asked takes notice. */
  withdraw(requestId: number): void {
    const open = this.#forget(requestId);
    open?.withdrawn.abort();
  }

  close(): void {
    for (const requestId of this.#open.keys()) this.withdraw(requestId);
  }

  #forget(requestId: number): { withdrawn: AbortController } | undefined {
    const open = this.#open.get(requestId);
    this.#open.delete(requestId);
    open?.release();
    return open;
  }
}
