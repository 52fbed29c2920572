/** The trust hash of a hook: what a person reviewed, byte for byte as Codex computes it, so that trust can be shared. The place of the
 *  hook is in its key and not in its hash. */
import { createHash } from "node:crypto";
import type { ConfigNode } from "./config-node.ts";

/** A JSON text: values are put together as text, because numbers must stay as they were written. */
export type JsonText = string & { readonly jsonText: true };

export function hashHook(hook: { eventKey: string; matcher: string | null; handler: JsonText }): string {
  const text = jsonObject({
    event_name: jsonValue(hook.eventKey),
    hooks: jsonText(`[${hook.handler}]`),
    ...(hook.matcher === null ? {} : { matcher: jsonValue(hook.matcher) }),
  });
  return `sha256:${createHash("sha256").update(text, "utf8").digest("hex")}`;
}

export function jsonValue(value: string | number | boolean | readonly string[]): JsonText {
  return jsonText(JSON.stringify(value));
}

/** Compact, keys sorted by their bytes in UTF-8. */
export function jsonObject(fields: Record<string, JsonText>): JsonText {
  const parts = Object.entries(fields)
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`);
  return jsonText(`{${parts.join(",")}}`);
}

/** What a file holds, as it goes into the hash. */
export function jsonOfNode(node: ConfigNode): JsonText {
  switch (node.kind) {
    case "object":
      return jsonObject(Object.fromEntries(node.entries.map(({ key, value }) => [key, jsonOfNode(value)])));
    case "array":
      return jsonText(`[${node.items.map(jsonOfNode).join(",")}]`);
    case "number":
      return jsonText(node.hashText);
    case "date":
    case "string":
    case "boolean":
      return jsonValue(node.value);
    case "null":
    default:
      return jsonText("null");
  }
}

function jsonText(text: string): JsonText {
  return text as JsonText; // the brand says only where it comes from
}
