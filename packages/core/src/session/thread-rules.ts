/** The rules of a thread's commands: read with the first one and followed from then on. A change counts from the next program; files
 *  that break keep the last good set, and clients are told. */
import { defaultDecisionOf } from "@sallyport/hooks";
import { openRuleUses, watchRules } from "@sallyport/rules-store";
import type { RuleUses, RuleWatch } from "@sallyport/rules-store";
import { checkHome } from "@sallyport/shell-escalation";
import type { GuardedRunOptions } from "@sallyport/shell-escalation";
import { ruleSources } from "../config/require-rules.ts";
import type { SessionConfig } from "./session-hooks.ts";

export type RuleOptions = Pick<GuardedRunOptions, "policy" | "defaultDecision" | "onPolicyWarning">;

export class ThreadRules {
  readonly #home: string;
  readonly #onWarning: (message: string) => void;
  readonly #uses: RuleUses;
  #watch: RuleWatch | null = null;

  constructor(home: string, onWarning: (message: string) => void) {
    this.#home = home;
    this.#uses = openRuleUses(home);
    this.#onWarning = onWarning;
  }

  /** Throws `RULES_INVALID`, `CONFIG_INVALID` and `HOME_REFUSED`; then nothing may run. */
  runOptions({ layers }: SessionConfig): RuleOptions {
    const onWarning = (message: string): void => this.#onWarning(`rules: ${message}`);
    const watch = (this.#watch ??= watchRules({
      home: this.#home,
      files: [],
      discover: checkHome(this.#home),
      ...ruleSources(layers),
      onWarning,
    }));
    return {
      policy: { kind: "rules", ruleSet: watch.ruleSet, watch, uses: this.#uses },
      defaultDecision: defaultDecisionOf(layers),
      onPolicyWarning: onWarning,
    };
  }

  close(): void {
    this.#watch?.close();
    this.#uses.flush();
  }
}
