/** What happens to programs that no rule is about: `[policy] default` of the configuration. */
import { SallyportError } from "@sallyport/supervisor";
import { mergedConfig, requirementsOf } from "./config-layers.ts";
import type { ConfigLayers } from "./config-layers.ts";

export type DefaultDecision = "run" | "prompt" | "forbidden";

const decisions: readonly DefaultDecision[] = ["run", "prompt", "forbidden"];

/** Throws `CONFIG_INVALID`. */
export function defaultDecisionOf(layers: Pick<ConfigLayers, "layers">): DefaultDecision {
  const chosen = decisionIn(mergedConfig(layers), "the configuration") ?? "run";
  // What a machine requires may be tightened and never loosened.
  const required = decisionIn(requirementsOf(layers), "the requirements") ?? "run";
  return decisions.indexOf(chosen) > decisions.indexOf(required) ? chosen : required;
}

function decisionIn(config: Record<string, unknown>, where: string): DefaultDecision | null {
  const { policy } = config;
  if (policy === undefined) return null;
  if (typeof policy !== "object" || policy === null || Array.isArray(policy))
    throw refused(`[policy] in ${where} is ${JSON.stringify(policy)}, expected a table`);
  const value = (policy as Record<string, unknown>)["default"]; // an object has keys
  if (value === undefined) return null;
  const found = decisions.find((decision) => decision === value);
  if (found !== undefined) return found;
  throw refused(`policy.default in ${where} is ${JSON.stringify(value)}, expected "run", "prompt" or "forbidden"`);
}

function refused(message: string): SallyportError {
  return new SallyportError(
    "CONFIG_INVALID",
    message.replace(/^./, (first) => first.toUpperCase()),
  );
}
