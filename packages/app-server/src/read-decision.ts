/** A client's answer to an approval request. By hand, because answers come before anything needs the schemas. */
import type { ApprovalDecision, ApprovalRequest } from "@sallyport/core";

const words = ["accept", "acceptForSession", "decline", "cancel"] as const;

/** The result of a question: `{action}` of MCP servers' tools, `{decision}` of all others. Null: it says neither yes nor no. */
export function readAnswer(method: ApprovalRequest["method"], result: unknown): ApprovalDecision | null {
  if (typeof result !== "object" || result === null) return null;
  const { decision, action, _meta: meta } = result as Record<string, unknown>;
  if (method === "item/permissions/requestApproval") return readGrant(result as Record<string, unknown>);
  return method === "mcpServer/elicitation/request" ? readAction(action, meta) : readDecision(decision);
}

/** A condition that nobody here would keep makes it an answer that is none. */
function readGrant({
  permissions,
  scope = "turn",
  strictAutoReview,
}: Record<string, unknown>): ApprovalDecision | null {
  if (strictAutoReview === true || (scope !== "turn" && scope !== "session")) return null;
  const granted = fieldsOf(permissions);
  const network = fieldsOf(granted?.["network"] ?? {});
  const files = fieldsOf(granted?.["fileSystem"] ?? {});
  const entries = files?.["entries"] ?? [];
  if (granted === null || network === null || files === null || !Array.isArray(entries)) return null;
  const places: Record<string, string[]> = { read: [...texts(files["read"])], write: [...texts(files["write"])] };
  for (const entry of entries) {
    const { path, access } = fieldsOf(entry) ?? {};
    const { type, path: name } = fieldsOf(path) ?? {};
    if (type !== "path" || typeof name !== "string" || (access !== "read" && access !== "write")) return null;
    places[access]?.push(name);
  }
  const { read = [], write = [] } = places;
  const wantsNetwork = network["enabled"] === true;
  if (!wantsNetwork && read.length === 0 && write.length === 0) return "decline";
  return { grant: { network: wantsNetwork, read, write, scope } };
}

function fieldsOf(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}

/** To cancel such a question is to say no: the peer's turn goes on. */
function readAction(action: unknown, meta: unknown): ApprovalDecision | null {
  if (action === "decline" || action === "cancel") return "decline";
  if (action !== "accept") return null;
  const persist = typeof meta === "object" && meta !== null ? (meta as Record<string, unknown>)["persist"] : null;
  return persist === "session" || persist === "always" ? "acceptForSession" : "accept";
}

function readDecision(value: unknown): ApprovalDecision | null {
  const word = words.find((known) => known === value);
  if (word !== undefined) return word;
  // Exactly this one key: what else stands there might be meant as a condition that nobody here would keep.
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return null;
  const amendment = (value as Record<string, unknown>)["acceptWithExecpolicyAmendment"];
  if (typeof amendment !== "object" || amendment === null) return null;
  const pattern = (amendment as Record<string, unknown>)["execpolicy_amendment"];
  if (!Array.isArray(pattern) || !pattern.every((part) => typeof part === "string")) return null;
  return { acceptWithExecpolicyAmendment: { execpolicy_amendment: pattern } };
}
