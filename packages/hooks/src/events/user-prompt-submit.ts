/** UserPromptSubmit: context for a prompt, or a reason to refuse it. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import {
  blocked,
  blockWithoutReason,
  completed,
  contextsOf,
  firstStop,
  refusalsOf,
  stopped,
  withContext,
} from "./event-rules.ts";

export const userPromptSubmit: DefinedEvent<"UserPromptSubmit"> = defineEvent({
  event: "UserPromptSubmit",
  matchValues: null,
  takesContext: true,
  plainText: "context",
  read: (output) => {
    const { continue: goesOn = true, stopReason = null, decision, reason, hookSpecificOutput } = output;
    const context = hookSpecificOutput?.additionalContext;
    if (!goesOn) return withContext(context, stopped(stopReason));
    const invalid = blockWithoutReason(output);
    if (invalid !== null) return invalid;
    return withContext(context, decision === "block" && reason != null ? blocked(reason) : completed());
  },
  refuse: blocked,
  // Nobody can be asked about a prompt, so asking refuses too.
  refuseFailed: (problem) => ({ refusal: problem }),
  combine: (judged, spill) => {
    const stop = firstStop(judged);
    const block = refusalsOf(judged)[0] ?? null;
    // Context of a prompt that is dropped goes with it; it would turn up before the next prompt, where it means nothing.
    const contexts = stop === null && block === null ? contextsOf("UserPromptSubmit", judged, spill) : [];
    return { contexts, block, stop };
  },
});
