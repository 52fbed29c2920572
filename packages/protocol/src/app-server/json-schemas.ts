/** The JSON Schemas that are published of this wire, by file name: `<method>.params.json` and `.result.json`, `/` written as `-`.
 *  What clients send is described as they may write it, with what they may leave out; what the server sends, as it comes. */
import { z } from "zod";
import { HookRunSummary } from "../hooks.ts";
import { clientRequests, serverRequests } from "./methods.ts";
import { serverNotifications } from "./notifications.ts";
import { ThreadItem } from "./thread-item.ts";
import { Thread } from "./thread.ts";
import { ExecRun, Turn } from "./turn.ts";
import { UserInput } from "./user-input.ts";

/** Shapes that stand once in a file, by name, instead of at each use. */
const named = { ExecRun, HookRunSummary, Thread, ThreadItem, Turn, UserInput };

export function appServerJsonSchemas(): Record<string, z.core.JSONSchema.BaseSchema> {
  const nameOf = (method: string, part: string): string => `${method.replaceAll("/", "-")}.${part}.json`;
  const metadata = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) metadata.add(schema, { id });
  const sent = (schema: z.ZodType) => z.toJSONSchema(schema, { io: "output", metadata });
  const taken = (schema: z.ZodType) => z.toJSONSchema(schema, { io: "input", metadata });
  return Object.fromEntries([
    ...Object.entries(clientRequests).flatMap(([method, { params, result }]) => [
      [nameOf(method, "params"), taken(params)] as const,
      [nameOf(method, "result"), sent(result)] as const,
    ]),
    ...Object.entries(serverRequests).flatMap(([method, { params, result }]) => [
      [nameOf(method, "params"), sent(params)] as const,
      [nameOf(method, "result"), taken(result)] as const,
    ]),
    ...Object.entries(serverNotifications).map(([method, params]) => [nameOf(method, "params"), sent(params)] as const),
  ]);
}
