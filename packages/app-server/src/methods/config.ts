/** config/batchWrite: how clients trust, enable and disable hooks. Nothing else of the configuration is written for a client. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { editConfig } from "@sallyport/hooks";
import type { ConfigEdit } from "@sallyport/hooks";
import type { ClientRequestParams } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodTable } from "./method-context.ts";

type Edit = ClientRequestParams<"config/batchWrite">["edits"][number];

const statePath = "hooks.state";
const stateFields: ReadonlySet<string> = new Set(["trusted_hash", "enabled"]);

export const configMethods: Pick<MethodTable, "config/batchWrite"> = {
  "config/batchWrite": async (params, context) => {
    const filePath = join(context.home, "config.toml");
    if (params.filePath != null && params.filePath !== filePath)
      throw refuse(`filePath ${JSON.stringify(params.filePath)}`, `"${filePath}", or none`, "filePath");
    if (params.expectedVersion != null && params.expectedVersion !== versionOf(filePath))
      throw refuse("expectedVersion", "the version of the file as it is now: read it again", "expectedVersion");
    await editConfig(filePath, params.edits.flatMap(stateEdits));
    if (params.reloadUserConfig === true) (await context.core()).threads.reloadConfig();
    return { result: { status: "ok" as const, version: versionOf(filePath), filePath, overriddenMetadata: null } };
  },
};

/** `hooks.state` with a table of keys. Field by field, so that what stands beside them stays. */
function stateEdits({ keyPath, value, mergeStrategy }: Edit, index: number): ConfigEdit[] {
  const at = `edits.${index}`;
  if (keyPath !== statePath)
    throw refuse(
      `keyPath ${JSON.stringify(keyPath)}`,
      `"${statePath}": other keys are changed in the file`,
      `${at}.keyPath`,
    );
  if (mergeStrategy !== "upsert") throw refuse(`mergeStrategy "${mergeStrategy}"`, '"upsert"', `${at}.mergeStrategy`);
  if (!isRecord(value)) throw refuse("value", "a table of hook keys", `${at}.value`);
  return Object.entries(value).flatMap(([key, fields]) => {
    if (!isRecord(fields))
      throw refuse(`the state of ${JSON.stringify(key)}`, "trusted_hash or enabled", `${at}.value`);
    return Object.entries(fields).map(([name, field]) => ({
      path: ["hooks", "state", key, name] as const,
      value: fieldOf(key, name, field, `${at}.value`),
    }));
  });
}

function fieldOf(key: string, name: string, field: unknown, path: string): string | boolean | undefined {
  if (field === null && stateFields.has(name)) return undefined;
  if (name === "trusted_hash" && typeof field === "string") return field;
  if (name === "enabled" && typeof field === "boolean") return field;
  throw refuse(
    `${JSON.stringify(name)} of ${JSON.stringify(key)}`,
    "trusted_hash with text or enabled with true or false",
    path,
  );
}

function refuse(what: string, expected: string, path: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, `Cannot write ${what}: expected ${expected}`, { path });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function versionOf(path: string): string {
  let bytes = Buffer.alloc(0);
  try {
    bytes = readFileSync(path);
  } catch (error) {
    // A file that is not there yet has the version of an empty one.
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
