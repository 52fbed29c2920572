import assert from "node:assert/strict";
import { test } from "node:test";
import { explainEvent } from "@sallyport/hooks";
import type { HookEventName } from "@sallyport/protocol";
import { command, Place } from "./place.ts";

type Given = Parameters<typeof explainEvent>[2];

function explained(place: Place, event: HookEventName, given: Given): [string, string][] {
  const { handlers } = place.discover({ bypassTrust: true });
  return explainEvent(handlers, event, given).hooks.map(({ runs, why }) => [runs, why]);
}

test("explainEvent() says for each hook of the event whether it runs, and why", () => {
  const place = new Place();
  place.write("home/hooks.json", {
    hooks: {
      PreToolUse: [
        { hooks: [command("all")] },
        { matcher: "Write", hooks: [command("write")] },
        { matcher: "Bash", hooks: [{ type: "prompt", prompt: "p" }] },
      ],
      Stop: [{ hooks: [command("stop")] }],
    },
  });
  const unavailable = 'handlers of type "prompt" are not available';
  assert.deepEqual(explained(place, "PreToolUse", null), [
    ["yes", "it is active and always runs"],
    ["depends", 'it is active and runs for "Write"'],
    ["no", unavailable],
  ]);
  // The tool's other names count.
  assert.deepEqual(explained(place, "PreToolUse", { tools: ["apply_patch"] }), [
    ["yes", "it is active and always runs"],
    ["yes", 'it is active and its matcher takes "Write"'],
    ["no", `its matcher "Bash" does not take "apply_patch", "Write", "Edit"; besides, ${unavailable}`],
  ]);
  assert.deepEqual(
    explained(place, "PreToolUse", { input: { tool_name: "Bash" } }),
    explained(place, "PreToolUse", { tools: ["Bash"] }),
  );
  assert.deepEqual(explained(place, "Stop", { input: {} }), [["yes", "it is active and always runs"]]);
});

test("input that lacks what matchers look at, or has it in another shape, is as good as none", () => {
  const place = new Place();
  const matchers: [HookEventName, object][] = [
    ["PreToolUse", { tool_name: 5 }],
    ["SessionStart", {}],
    ["PreExec", { file: { base64: 3 } }],
    ["PreCompact", { trigger: null }],
    ["SubagentStop", { agent_type: [] }],
  ];
  for (const [event, input] of matchers) {
    place.write("home/hooks.json", { hooks: { [event]: [{ matcher: "x", hooks: [command("c")] }] } });
    assert.deepEqual(explained(place, event, { input: { ...input } }), [["depends", 'it is active and runs for "x"']]);
  }
});
