/** Cursors: opaque to clients, a position and the list that it belongs to for us. */
import { SallyportError } from "@sallyport/supervisor";

export interface Position {
  /** The sorted column's value, and what breaks ties; ids or row numbers. */
  value: number;
  tie: string;
  /** Whether the entry at the position is part of the next page. */
  isIncluded: boolean;
}

/** `list` names the list with everything that changes its order or membership. */
export function encodeCursor(list: string, { value, tie, isIncluded }: Position): string {
  return Buffer.from(JSON.stringify([list, value, tie, isIncluded ? 1 : 0])).toString("base64url");
}

/** Throws `CURSOR_INVALID` for anything that encodeCursor() did not make for this list. */
export function decodeCursor(list: string, cursor: string): Position {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    throw invalid(cursor);
  }
  if (!Array.isArray(parts) || parts.length !== 4 || parts[0] !== list) throw invalid(cursor);
  const [, value, tie, included] = parts as unknown[]; // an array: just checked
  if (typeof value !== "number" || !Number.isSafeInteger(value) || typeof tie !== "string") throw invalid(cursor);
  return { value, tie, isIncluded: included === 1 };
}

/** The words of the peer, which its clients show. */
function invalid(cursor: string): SallyportError {
  return new SallyportError("CURSOR_INVALID", `invalid cursor: ${cursor}`, { data: { cursor } });
}

export function clampLimit(limit: number | null | undefined, { most, usual }: { most: number; usual: number }): number {
  return limit == null ? usual : Math.min(Math.max(Math.trunc(limit), 1), most);
}
