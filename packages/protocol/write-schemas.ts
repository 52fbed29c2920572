/** Writes the JSON Schemas that @sallyport/protocol publishes, one file a message. A test compares them with the schemas. */
import { writeFileSync } from "node:fs";
import { z } from "zod";
import { ExecRecord } from "./src/index.ts";

const published = { "exec-record": ExecRecord };

for (const [name, schema] of Object.entries(published)) {
  const file = new URL(`./schema/${name}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(z.toJSONSchema(schema), null, 2)}\n`);
}
