/** Which keys of the user's `config.toml` a client may write.
 *
 *  The attack: a client is talked into a write, or is hostile itself, and the next session runs without a wall, with a program of the
 *  attacker's as MCP server or sends its keys elsewhere. So what makes the sandbox wider, names programs or names servers is changed by
 *  its owner in the file, and by nobody else. A hook is trusted by the hash of what was shown; a trusted project has no say in the
 *  sandbox either. */
import type { ConfigEdit, TomlData } from "@sallyport/hooks";
import type { ClientRequestParams } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import { readKeyPath } from "./key-path.ts";

type ClientEdit = ClientRequestParams<"config/batchWrite">["edits"][number];
type Path = readonly [string, ...string[]];

interface WritableKey {
  /** `*`: any key; a `**` at the end: whatever stands below. */
  pattern: readonly string[];
  expected: string;
  takes(value: unknown): boolean;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const oneOf =
  (...choices: readonly unknown[]) =>
  (value: unknown): boolean =>
    choices.includes(value);
const text = { expected: "a text that is not empty", takes: isText };

const writableKeys: readonly WritableKey[] = [
  { pattern: ["hooks", "state", "*", "trusted_hash"], ...text },
  { pattern: ["hooks", "state", "*", "enabled"], expected: "true or false", takes: oneOf(true, false) },
  {
    pattern: ["projects", "*", "trust_level"],
    expected: '"trusted" or "untrusted"',
    takes: oneOf("trusted", "untrusted"),
  },
  {
    pattern: ["approval_policy"],
    expected: '"untrusted", "on-request" or "never"',
    takes: oneOf("untrusted", "on-request", "never"),
  },
  ...["model", "model_provider", "model_reasoning_effort", "model_reasoning_summary", "model_verbosity"].map(
    (name) => ({ pattern: [name], ...text }),
  ),
  { pattern: ["review_model"], ...text },
  // Kept for clients, which ask for them again; nothing here reads them.
  ...["tui", "notice", "desktop"].map((name) => ({
    pattern: [name, "**"],
    expected: "a value of TOML",
    takes: isTomlData,
  })),
];

/** What the client wants, key by key, so that what stands beside them stays. Throws where a key or value is not for clients to write. */
export function readEdits(edits: readonly ClientEdit[]): ConfigEdit[] {
  return edits.flatMap((edit, index) => readEdit(edit, `edits.${index}`));
}

/** `at` names the edit in errors. */
export function readEdit({ keyPath, value, mergeStrategy }: ClientEdit, at: string): ConfigEdit[] {
  const path = readKeyPath(keyPath);
  if (path === null)
    throw refuse(
      `keyPath ${JSON.stringify(keyPath)}`,
      "keys with a dot between them, quoted where they hold dots themselves",
      joined(at, "keyPath"),
    );
  if (!mayHold(path)) throw notForClients(path, joined(at, "keyPath"));
  if (value === null || (isRecord(value) && mergeStrategy === "replace")) {
    // What stands there goes as a whole, so all of it has to be of the kind that may be written.
    if (!isOwnSubtree(path)) throw notForClients(path, joined(at, "keyPath"));
    const set = isRecord(value) ? leavesOf(path, value, joined(at, "value")) : [];
    return [{ path, value: undefined }, ...set];
  }
  return leavesOf(path, value, joined(at, "value"));
}

function leavesOf(path: Path, value: unknown, at: string): ConfigEdit[] {
  const known = writableKeys.find(({ pattern }) => matches(pattern, path));
  if (isRecord(value) && known === undefined)
    return Object.entries(value).flatMap(([key, inner]) => leavesOf([...path, key], inner, at));
  if (known === undefined) throw notForClients(path, at);
  if (value === null) return [{ path, value: undefined }];
  if (!known.takes(value)) throw refuse(`${path.join(".")} = ${JSON.stringify(value)}`, known.expected, at);
  return [{ path, value: value as TomlData }]; // takes() has looked
}

function matches(pattern: readonly string[], path: Path): boolean {
  if (pattern.at(-1) === "**")
    return path.length >= pattern.length && pattern.slice(0, -1).every((key, index) => path[index] === key);
  return pattern.length === path.length && pattern.every((key, index) => key === "*" || key === path[index]);
}

/** Whether a key that may be written is at `path` or below. */
function mayHold(path: Path): boolean {
  return writableKeys.some(
    ({ pattern }) =>
      matches(pattern, path) ||
      path.every((key, index) => pattern[index] === "*" || pattern[index] === "**" || pattern[index] === key),
  );
}

const ownSubtrees: readonly Path[] = [["hooks", "state"], ["projects"], ["tui"], ["notice"], ["desktop"]];

/** Whether all that can stand at `path` or below is for clients to write. */
function isOwnSubtree(path: Path): boolean {
  const isLeaf = writableKeys.some(({ pattern }) => matches(pattern, path));
  return isLeaf || ownSubtrees.some((root) => root.every((key, index) => path[index] === key));
}

function isTomlData(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isTomlData);
  if (isRecord(value)) return Object.values(value).every(isTomlData);
  return value !== null && ["string", "number", "boolean"].includes(typeof value);
}

function notForClients(path: Path, at: string): RpcError {
  const names = [
    ...new Set(writableKeys.map(({ pattern }) => pattern.filter((key) => !key.startsWith("*")).join("."))),
  ];
  return refuse(
    `keyPath ${JSON.stringify(path.join("."))}`,
    `one of ${names.join(", ")}: other keys are changed in the file`,
    at,
  );
}

function refuse(what: string, expected: string, path: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, `Cannot write ${what}: expected ${expected}`, {
    path,
    config_write_error_code: "configValidationError",
  });
}

function joined(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
