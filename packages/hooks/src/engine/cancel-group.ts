/** Runs that are cancelled together, and with them every run that joins later. */
import type { RunLimit } from "../handlers/run-limit.ts";

export class CancelGroup {
  readonly #members = new Set<RunLimit>();
  #cancelled = false;

  join(limit: RunLimit): void {
    if (this.#cancelled) limit.cancel();
    else this.#members.add(limit);
  }

  leave(limit: RunLimit): void {
    this.#members.delete(limit);
  }

  cancel(): void {
    this.#cancelled = true;
    for (const limit of this.#members) limit.cancel();
    this.#members.clear();
  }
}
