/** Messages that came, and who waits for one. */
import type { Message } from "./server.ts";

const deadlineMs = 60_000;

export class MessageBox {
  readonly messages: Message[] = [];
  readonly #wakes = new Set<(message: Message) => void>();

  add(message: Message): void {
    this.messages.push(message);
    for (const wake of this.#wakes) wake(message);
  }

  /** The first message that holds, whether it came already or not. */
  async next(holds: (message: Message) => boolean): Promise<Message> {
    const found = this.messages.find(holds);
    if (found !== undefined) return found;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const wake = (message: Message): void => {
      if (holds(message)) resolve(message);
    };
    this.#wakes.add(wake);
    const seen = (): string => this.messages.map(({ id, method }) => method ?? `answer ${id}`).join(", ");
    const timer = setTimeout(() => reject(new Error(`nothing of the kind came: ${seen()}`)), deadlineMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wakes.delete(wake);
    }
  }
}
