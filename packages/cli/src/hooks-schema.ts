/** `sallyport hooks schema --out DIR`: the JSON Schemas of what hooks read and print, for editors. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { hookJsonSchemas } from "@sallyport/protocol";
import { SallyportError, makeFolders } from "@sallyport/supervisor";
import { displayText } from "./display-text.ts";
import { write } from "./terminal.ts";

export interface HooksSchemaOptions {
  out: string;
  json?: boolean;
}

/** Files of the same names are replaced; others stay. */
export function runHooksSchema({ out, json }: HooksSchemaOptions): number {
  const folder = resolve(out);
  const schemas = Object.entries(hookJsonSchemas());
  try {
    makeFolders(folder);
    for (const [name, schema] of schemas) writeFileSync(join(folder, name), `${JSON.stringify(schema, null, 2)}\n`);
  } catch (cause) {
    throw unwritable(folder, cause);
  }
  const files = schemas.map(([name]) => name);
  const text = `${files.length} JSON Schemas in ${displayText(folder)}, from ${files[0]} to ${files.at(-1)}\n`;
  write(json === true ? `${JSON.stringify({ folder, files }, null, 2)}\n` : text, 1);
  return 0;
}

function unwritable(folder: string, cause: unknown): SallyportError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `Folder "${displayText(folder)}" can't be written: ${displayText(why)}, expected one that takes files; choose another --out`;
  return new SallyportError("HOOK_SCHEMA_UNWRITABLE", message, { data: { folder }, cause });
}
