/** The App Server's protocol as one file of TypeScript types, for clients that don't use @sallyport/protocol. */
import { compile } from "json-schema-to-typescript";
import { z } from "zod";
import * as appServer from "./src/app-server/index.ts";
import * as hooks from "./src/hooks.ts";

/** Parts that several types share and that have no name of their own. */
const sharedPrefix = "#/$defs/__shared#/$defs/";

export async function typescriptTypes(): Promise<string> {
  const registry = z.registry<{ id: string }>();
  for (const [name, value] of Object.entries({ ...hooks, ...appServer })) {
    if (value instanceof z.ZodType && !registry.has(value)) registry.add(value, { id: name });
  }
  const { clientRequests, serverNotifications, serverRequests } = appServer;
  const calls = (table: Record<string, { params: z.ZodType; result: z.ZodType }>): z.ZodType =>
    z.strictObject(Object.fromEntries(Object.entries(table).map(([method, call]) => [method, z.strictObject(call)])));
  registry.add(calls(clientRequests), { id: "ClientRequests" });
  registry.add(calls(serverRequests), { id: "ServerRequests" });
  registry.add(z.strictObject(serverNotifications), { id: "ServerNotifications" });
  // As they may be written: what the server fills in where a client left it out may be missing.
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/$defs/${id}`, io: "input" });
  const definitions = definitionsOf(schemas);
  const names = Object.keys(definitions).toSorted();
  const text = await compile(
    { type: "object", $defs: Object.fromEntries(names.map((name) => [name, definitions[name]])) },
    "Everything",
    {
      bannerComment: "/** The App Server's protocol. Written by `sallyport app-server generate-ts`. */",
      additionalProperties: false,
      ignoreMinAndMaxItems: true,
      unreachableDefinitions: true,
      printWidth: 120,
    } as Parameters<typeof compile>[2],
  );
  return withoutRemarks(text);
}

function definitionsOf(schemas: object): Record<string, object> {
  const text = JSON.stringify(schemas).replaceAll(sharedPrefix, "#/$defs/");
  const { __shared: shared, ...own } = JSON.parse(text) as Record<string, Record<string, object>>;
  const named = Object.entries(own).map(([name, { $schema: _schema, $id: _id, ...definition }]) => [name, definition]);
  return { ...shared?.["$defs"], ...Object.fromEntries(named) };
}

/** The compiler's own words on where it found a type, and the root that holds them all. */
function withoutRemarks(text: string): string {
  return text
    .replaceAll(/\/\*\*\n(?: \*[^\n]*\n)*? \* This interface was referenced by [^\n]*\n(?: \*[^\n]*\n)*? \*\/\n/g, "")
    .replace(/export interface Everything \{[^}]*\}\n/, "");
}
