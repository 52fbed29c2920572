/** One message of a client, told apart by its fields. What is none is ignored without an answer, and the connection lives on. */
import type { RequestId } from "@sallyport/protocol";

export type ClientMessage =
  | { kind: "request"; id: RequestId; method: string; params: unknown }
  | { kind: "notification"; method: string }
  | { kind: "response"; id: RequestId; result: unknown; error: unknown };

/** Null for blank lines, text that is not JSON, arrays, and ids that are no ids. Never throws. */
export function readMessage(text: string): ClientMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { id, method, params, result, error } = value as Record<string, unknown>; // an object that is no array
  if (method === undefined) return isRequestId(id) && hasAnswer(value) ? { kind: "response", id, result, error } : null;
  if (typeof method !== "string") return null;
  if (!("id" in value)) return { kind: "notification", method };
  return isRequestId(id) ? { kind: "request", id, method, params } : null;
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === "string" || (typeof id === "number" && Number.isSafeInteger(id));
}

function hasAnswer(value: object): boolean {
  return "result" in value || "error" in value;
}
