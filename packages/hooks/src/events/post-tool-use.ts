/** PostToolUse: adds to what the model sees of a tool's output, or replaces it. The turn goes on either way. */
import type { HookOutputs } from "@sallyport/protocol";
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { blocked, blockWithoutReason, completed, contextsOf, given, refusalsOf, withContext } from "./event-rules.ts";
import type { Meaning } from "./event-rules.ts";
import { toolNames } from "./tool-names.ts";
import { unsupportedSuppress } from "./unsupported.ts";

type Output = HookOutputs["PostToolUse"];

const defaultStop = "A PostToolUse hook stopped here";

export const postToolUse: DefinedEvent<"PostToolUse"> = defineEvent({
  event: "PostToolUse",
  matchValues: ({ tool_name }) => toolNames(tool_name),
  takesContext: true,
  plainText: "ignored",
  read: (output) => {
    const meaning = meaningOf(output);
    return "invalid" in meaning ? meaning : withContext(output.hookSpecificOutput?.additionalContext, meaning);
  },
  refuse: blocked,
  // What a guard should have looked at is kept from the model.
  refuseFailed: (problem) => ({ refusal: `${problem}; the output is withheld` }),
  combine: (judged, spill) => {
    const texts = refusalsOf(judged).map(({ reason }) => reason);
    return {
      contexts: contextsOf("PostToolUse", judged, spill),
      feedback: texts.length === 0 ? null : spill(texts.join("\n\n"), null),
    };
  },
});

function meaningOf(output: Output): Meaning | { invalid: string } {
  const { decision, reason, hookSpecificOutput } = output;
  if (output.continue === false) return stop(output);
  const suppress = unsupportedSuppress(output);
  if (suppress !== null) return suppress;
  if (hookSpecificOutput?.updatedMCPToolOutput != null) {
    return { invalid: '"updatedMCPToolOutput", which hooks can\'t change, expected nothing' };
  }
  if (decision !== "block")
    return reason == null ? completed() : { invalid: '"reason" without "decision", expected both' };
  return blockWithoutReason(output) ?? blocked(reason ?? "");
}

/** The entry says why it stopped; the model gets the reason where there is one. */
function stop({ stopReason, reason }: Output): Meaning {
  const refusal = given(reason) ?? given(stopReason) ?? defaultStop;
  return { status: "stopped", entries: [{ kind: "stop", text: stopReason ?? defaultStop }], effect: { refusal } };
}
