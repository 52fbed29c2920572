/** The schemas of hook input and output as JSON Schema, for editors and for hooks that check what they read. */
import { z } from "zod";
import type { HookEventName } from "../hooks.ts";
import { hookInputs } from "./inputs.ts";
import { hookOutputs } from "./outputs.ts";

/** File name to JSON Schema (draft 2020-12), two of each event: `stop.input.json`, `stop.output.json`. An input schema takes unknown
 *  keys, because later versions may add fields; an output schema refuses them, as the engine does. */
export function hookJsonSchemas(): Record<string, object> {
  const events = Object.keys(hookInputs) as HookEventName[]; // the table has exactly these keys
  return Object.fromEntries(
    events.flatMap((event) => {
      const name = event.replaceAll(/(?<!^)[A-Z]/g, "-$&").toLowerCase();
      return [
        [`${name}.input.json`, jsonSchema(hookInputs[event], `What a ${event} hook reads on stdin`)],
        [`${name}.output.json`, jsonSchema(hookOutputs[event], `What a ${event} hook may print`)],
      ];
    }),
  );
}

function jsonSchema(schema: z.ZodType, title: string): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return { $schema, title, ...rest };
}
