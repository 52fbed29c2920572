/** Writes the JSON Schemas that @sallyport/protocol publishes, one file a message. A test compares them with the schemas. */
import { mkdirSync, writeFileSync } from "node:fs";
import { z } from "zod";
import {
  EscalateAnswer,
  EscalateDescriptors,
  EscalateEvent,
  EscalateRequest,
  EscalateResult,
  EscalateSignal,
  ExecRecord,
  appServerJsonSchemas,
  hookJsonSchemas,
} from "./src/index.ts";
import { typescriptTypes } from "./typescript-types.ts";

const published = {
  "escalate-answer": EscalateAnswer,
  "escalate-descriptors": EscalateDescriptors,
  "escalate-event": EscalateEvent,
  "escalate-request": EscalateRequest,
  "escalate-result": EscalateResult,
  "escalate-signal": EscalateSignal,
  "exec-record": ExecRecord,
};

for (const [name, schema] of Object.entries(published)) {
  const file = new URL(`./schema/${name}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(z.toJSONSchema(schema), null, 2)}\n`);
}

mkdirSync(new URL("./schema/hooks/", import.meta.url), { recursive: true });
for (const [name, schema] of Object.entries(hookJsonSchemas())) {
  writeFileSync(new URL(`./schema/hooks/${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}

mkdirSync(new URL("./schema/app-server/", import.meta.url), { recursive: true });
for (const [name, schema] of Object.entries(appServerJsonSchemas())) {
  writeFileSync(new URL(`./schema/app-server/${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}

writeFileSync(new URL("./schema/app-server.ts", import.meta.url), await typescriptTypes());
