/** The peer's own schemas, where it is installed: SALLYPORT_PEER names the folder with its node_modules. It writes them itself; nothing
 *  of them is kept here. Every message that the server sends to a client of the tests is then held against them too. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";

/** Ours alone: the peer has no word for them. */
const ownMethods: ReadonlySet<string> = new Set(["exec/decided", "exec/completed", "turn/execRuns/list"]);

/** Where the name of the result does not follow from that of the params. */
const sharedResponses: Record<string, string> = {
  ConfigBatchWriteParams: "ConfigWriteResponse",
  ConfigValueWriteParams: "ConfigWriteResponse",
};

interface Union {
  oneOf: { properties: { method: { enum: [string] }; params?: { $ref?: string } } }[];
  definitions: object;
}

export interface PeerSchemas {
  /** What is wrong with the message in the peer's eyes, or null. */
  notification(message: { method: string; params: unknown }): string | null;
  request(message: { id: unknown; method: string; params: unknown }): string | null;
  result(method: string, result: unknown): string | null;
}

export function peerSchemas(): PeerSchemas | null {
  const folder = process.env["SALLYPORT_PEER"];
  if (folder === undefined) return null;
  const out = mkdtempSync(join(tmpdir(), "sallyport-peer-schemas-"));
  try {
    const codex = join(folder, "node_modules", ".bin", "codex");
    const env = { ...process.env, CODEX_HOME: out };
    execFileSync(codex, ["app-server", "generate-json-schema", "--experimental", "--out", join(out, "schema")], {
      env,
      stdio: "ignore",
    });
    return read(join(out, "schema"));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function read(folder: string): PeerSchemas {
  // Its formats are names of Rust's integers.
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const load = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const explain = (validate: ValidateFunction, value: unknown): string | null =>
    validate(value) ? null : ajv.errorsText(validate.errors);
  const byMethod = (name: string): ((message: { method: string }) => string | null) => {
    const { oneOf, definitions } = load(name) as Union;
    const known = new Map(
      oneOf.map((schema) => [schema.properties.method.enum[0], ajv.compile({ ...schema, definitions })]),
    );
    return (message) => {
      if (ownMethods.has(message.method)) return null;
      const validate = known.get(message.method);
      return validate === undefined ? `the peer has no method ${message.method}` : explain(validate, message);
    };
  };
  const responses = new Map<string, ValidateFunction>();
  const files = new Map(
    [".", "v2", "v1"].flatMap((part) =>
      readdirSync(join(folder, part)).map((name) => [name, join(part, name)] as const),
    ),
  );
  for (const { properties } of (load("ClientRequest.json") as Union).oneOf) {
    const params = properties.params?.$ref?.split("/").at(-1) ?? "";
    // Without params there is no name of theirs to go by: "configRequirements/read" answers with ConfigRequirementsReadResponse.
    const [method] = properties.method.enum;
    const ofMethod = method.replace(/(?:^|\/)(.)/g, (_, letter: string) => letter.toUpperCase());
    const response =
      params === "" ? `${ofMethod}Response` : (sharedResponses[params] ?? params.replace(/Params$/, "Response"));
    const file = files.get(`${response}.json`);
    if (file !== undefined) responses.set(properties.method.enum[0], ajv.compile(load(file) as object));
  }
  return {
    notification: byMethod("ServerNotification.json"),
    request: byMethod("ServerRequest.json"),
    result(method, result) {
      if (ownMethods.has(method)) return null;
      const validate = responses.get(method);
      return validate === undefined ? `the peer has no result of ${method}` : explain(validate, result);
    },
  };
}
