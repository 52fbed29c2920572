/** The rules of a session that runs: read at its start, and followed while it runs. Whose rules these are is settled at the start. */
import { openRuleUses, watchRules } from "@sallyport/rules-store";
import type { LoadRulesOptions } from "@sallyport/rules-store";
import type { GuardedRunOptions } from "@sallyport/shell-escalation";
import { complain } from "../terminal.ts";
import { readSessionLayers } from "./session-layers.ts";

type SessionRules = Pick<GuardedRunOptions, "policy" | "defaultDecision" | "onPolicyWarning">;

/** Throws `RULES_INVALID` and `CONFIG_INVALID`; then nothing runs. */
export async function openSessionRules(
  options: LoadRulesOptions,
  { cwd, cleanup }: { cwd: string; cleanup: DisposableStack },
): Promise<SessionRules> {
  const { defaultDecision, sources, hint } = await readSessionLayers(options.home, cwd);
  const { trustedProject: _, ...machines } = sources;
  const onWarning = (message: string): void => complain(`rules: ${message}`);
  if (hint !== null && options.discover) onWarning(hint);
  // Without discovery only what was named is read, and what nobody can leave out.
  const all = { ...options, ...(options.discover ? sources : machines), onWarning };
  const watch = cleanup.adopt(watchRules(all), (opened) => opened.close());
  const uses = cleanup.adopt(openRuleUses(options.home), (counted) => counted.flush());
  return {
    policy: { kind: "rules", ruleSet: watch.ruleSet, watch, uses },
    defaultDecision,
    onPolicyWarning: onWarning,
  };
}
