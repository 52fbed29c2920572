/** What the model wants of a tool, or what is wrong with how it said so. */
import type { TurnPlanStep } from "@sallyport/protocol";
import { longestTimeoutMs } from "./tool-definitions.ts";

export type ToolRequest =
  | { kind: "shell"; command: string; workdir: string | null; timeoutMs: number | null }
  | { kind: "applyPatch"; patch: string }
  /** `asWritten` is what hooks see. */
  | { kind: "updatePlan"; explanation: string | null; plan: TurnPlanStep[]; asWritten: Record<string, unknown> }
  | PermissionsRequest
  /** `problem` is for the model. */
  | { kind: "unusable"; problem: string };

/** Paths as the model wrote them. */
export interface PermissionsRequest {
  kind: "requestPermissions";
  reason: string | null;
  network: boolean;
  read: string[];
  write: string[];
  asWritten: Record<string, unknown>;
}

/** Unknown keys are left alone: models add some, and nothing hangs on them. */
export function readToolRequest(name: string, input: string): ToolRequest {
  // The attack: a tool called "constructor" or "__proto__" is found on every object, and would take the arguments as checked.
  const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (reader === undefined) {
    return unusable(`There is no tool "${name}", expected ${Object.keys(readers).join(", ")}`);
  }
  const fields = readArguments(name, input);
  return "problem" in fields ? fields : reader(fields.value, name);
}

/** The arguments of any tool: an object. */
export function readArguments(
  name: string,
  input: string,
): { value: Record<string, unknown> } | Extract<ToolRequest, { kind: "unusable" }> {
  let value: unknown;
  try {
    value = JSON.parse(input === "" ? "{}" : input);
  } catch (error) {
    return unusable(`The arguments of ${name} are not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return unusable(`The arguments of ${name} are not an object`);
  }
  return { value: value as Record<string, unknown> };
}

type Reader = (fields: Record<string, unknown>, name: string) => ToolRequest;

const readers: Partial<Record<string, Reader>> = {
  shell: (fields, name) => readShell(fields, fields["command"], { name, key: "command" }),
  exec_command: (fields, name) => readShell(fields, fields["cmd"], { name, key: "cmd" }),
  apply_patch: (fields, name) => {
    const patch = fields["input"];
    return typeof patch === "string" ? { kind: "applyPatch", patch } : wrong(name, "input", patch, "a text");
  },
  update_plan: readPlan,
};

function readShell(
  fields: Record<string, unknown>,
  command: unknown,
  { name, key }: { name: string; key: string },
): ToolRequest {
  const { workdir = null, timeout_ms: timeoutMs = null } = fields as { workdir?: unknown; timeout_ms?: unknown };
  if (typeof command !== "string" || command.trim() === "") return wrong(name, key, command, "a command line");
  if (command.includes("\0")) return wrong(name, key, command, "a text without NUL");
  if (workdir !== null && (typeof workdir !== "string" || workdir.includes("\0")))
    return wrong(name, "workdir", workdir, "a folder");
  if (timeoutMs !== null && !isTimeout(timeoutMs))
    return wrong(name, "timeout_ms", timeoutMs, `milliseconds from 1 to ${longestTimeoutMs}`);
  return { kind: "shell", command, workdir, timeoutMs };
}

function isTimeout(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= longestTimeoutMs;
}

const stepStatuses: ReadonlyMap<unknown, TurnPlanStep["status"]> = new Map([
  ["pending", "pending"],
  ["in_progress", "inProgress"],
  ["completed", "completed"],
]);

function readPlan(fields: Record<string, unknown>, name: string): ToolRequest {
  const { plan, explanation = null } = fields;
  if (explanation !== null && typeof explanation !== "string") return wrong(name, "explanation", explanation, "a text");
  if (!Array.isArray(plan)) return wrong(name, "plan", plan, "a list of steps");
  const steps: TurnPlanStep[] = [];
  for (const [index, entry] of plan.entries()) {
    const { step, status } = (typeof entry === "object" && entry !== null ? entry : {}) as Record<string, unknown>;
    const known = stepStatuses.get(status);
    if (typeof step !== "string" || known === undefined)
      return wrong(name, `plan[${index}]`, entry, "a step with the status pending, in_progress or completed");
    steps.push({ step, status: known });
  }
  return { kind: "updatePlan", explanation, plan: steps, asWritten: fields };
}

/** Not among the tools that every model has. */
export function readPermissionsRequest(input: string): PermissionsRequest | Extract<ToolRequest, { kind: "unusable" }> {
  const name = "request_permissions";
  const fields = readArguments(name, input);
  if ("problem" in fields) return fields;
  const asWritten = fields.value;
  const { reason = null, permissions } = asWritten;
  const wanted = asObject(permissions);
  const files = asObject(wanted?.["file_system"] ?? {});
  const network = asObject(wanted?.["network"] ?? {});
  if (wanted === null || files === null || network === null)
    return wrong(name, "permissions", permissions, "an object with network and file_system");
  if (reason !== null && typeof reason !== "string") return wrong(name, "reason", reason, "a text");
  const { read, write } = { read: files["read"] ?? [], write: files["write"] ?? [] };
  if (!arePaths(read)) return wrong(name, "permissions.file_system.read", read, "a list of paths");
  if (!arePaths(write)) return wrong(name, "permissions.file_system.write", write, "a list of paths");
  return { kind: "requestPermissions", reason, network: network["enabled"] === true, read, write, asWritten };
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function arePaths(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((path) => typeof path === "string" && path !== "" && !path.includes("\0"));
}

function wrong(
  tool: string,
  field: string,
  value: unknown,
  expected: string,
): Extract<ToolRequest, { kind: "unusable" }> {
  const shown = value === undefined ? "missing" : JSON.stringify(value).slice(0, 200);
  return unusable(`Argument "${field}" of ${tool} is ${shown}, expected ${expected}`);
}

function unusable(problem: string): Extract<ToolRequest, { kind: "unusable" }> {
  return { kind: "unusable", problem };
}
