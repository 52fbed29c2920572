/** The rules of a session that runs: read at its start, and followed while it runs. */
import { watchRules } from "@sallyport/rules-store";
import type { LoadRulesOptions } from "@sallyport/rules-store";
import type { GuardedRunOptions } from "@sallyport/shell-escalation";
import { complain } from "../terminal.ts";
import { readDefaultDecision } from "./default-decision.ts";

type SessionRules = Pick<GuardedRunOptions, "policy" | "defaultDecision" | "onRulesWarning">;

/** Throws `RULES_INVALID` and `CONFIG_INVALID`; then nothing runs. */
export async function openSessionRules(
  options: LoadRulesOptions,
  { cwd, cleanup }: { cwd: string; cleanup: DisposableStack },
): Promise<SessionRules> {
  const defaultDecision = await readDefaultDecision(options.home, cwd);
  const onWarning = (message: string): void => complain(`rules: ${message}`);
  const watch = cleanup.adopt(watchRules({ ...options, onWarning }), (opened) => opened.close());
  return {
    policy: { kind: "rules", ruleSet: watch.ruleSet, watch },
    defaultDecision,
    onRulesWarning: onWarning,
  };
}
