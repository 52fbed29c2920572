/** Which handlers a firing runs, in configured order. */
import type { HookEventName } from "@sallyport/protocol";
import type { ConfiguredHandler } from "../types.ts";

/** Tool names and sources repeat; paths of programs less so. */
const rememberedMatches = 512;
const none: readonly ConfiguredHandler[] = [];

export class ActiveHandlers {
  readonly #byEvent: Map<HookEventName, ConfiguredHandler[]>;
  readonly #matches = new Map<string, readonly ConfiguredHandler[]>();

  constructor(handlers: readonly ConfiguredHandler[]) {
    this.#byEvent = Map.groupBy(
      handlers.filter(({ skipped }) => skipped === null),
      ({ event }) => event,
    );
  }

  /** `values` null: the event ignores matchers. */
  matching(event: HookEventName, values: readonly string[] | null): readonly ConfiguredHandler[] {
    const handlers = this.#byEvent.get(event);
    if (handlers === undefined) return none;
    if (values === null) return handlers;
    const key = [event, ...values].join("\0");
    const known = this.#matches.get(key);
    if (known !== undefined) return known;
    const found = handlers.filter((handler) => handler.matches(values));
    if (this.#matches.size >= rememberedMatches) this.#matches.clear();
    this.#matches.set(key, found);
    return found;
  }
}
