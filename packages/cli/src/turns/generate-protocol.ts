/** `sallyport app-server generate-ts` and `generate-json-schema`: the protocol for those who write clients. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { appServerJsonSchemas } from "@sallyport/protocol";
import { SallyportError, makeFolders } from "@sallyport/supervisor";
import { displayText } from "../display-text.ts";
import { write } from "../terminal.ts";

export interface GenerateOptions {
  out: string;
  json?: boolean;
}

/** One file with the types of every message, and tables of them by method. */
export function generateTypes(options: GenerateOptions): number {
  const types = fileURLToPath(import.meta.resolve("@sallyport/protocol/typescript"));
  return generate(options, "TypeScript types", { "app-server.ts": readFileSync(types, "utf8") });
}

/** Two files a request, one a notification. */
export function generateJsonSchemas(options: GenerateOptions): number {
  const schemas = Object.entries(appServerJsonSchemas());
  const texts = schemas.map(([name, schema]) => [name, `${JSON.stringify(schema, null, 2)}\n`]);
  return generate(options, "JSON Schemas", Object.fromEntries(texts));
}

/** Files of the same names are replaced; others stay. */
function generate({ out, json }: GenerateOptions, what: string, texts: Record<string, string>): number {
  const folder = resolve(out);
  const files = Object.keys(texts);
  try {
    makeFolders(folder);
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `Folder "${displayText(folder)}" can't be written: ${displayText(why)}, expected one that takes files; choose another --out`;
    throw new SallyportError("PROTOCOL_UNWRITABLE", message, { data: { folder }, cause });
  }
  const text = `${what} in ${displayText(folder)}: ${files.length} ${files.length === 1 ? "file" : "files"}\n`;
  write(json === true ? `${JSON.stringify({ folder, files }, null, 2)}\n` : text, 1);
  return 0;
}
