import type { SandboxPolicy } from "@sallyport/protocol";
import type { TurnContext } from "./turn-context.ts";

/** The sandbox of the next command or patch. */
export function sandboxNow({ settings, grants, progress }: TurnContext): SandboxPolicy {
  return grants.widen(settings.sandboxPolicy, progress.granted);
}
