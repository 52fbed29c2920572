/** What a tool gave: bounded for the store and for clients, and as text for the model. */
import type { McpToolCallResult } from "@sallyport/protocol";
import { BoundedOutput } from "../tools/output-limits.ts";

const keptBytes = 1024 * 1024;
const keptTextBytes = 256 * 1024;
const mostParts = 1000;
const modelBytes = 32 * 1024;

export interface RawToolResult {
  content?: readonly Readonly<Record<string, unknown>>[] | undefined;
  structuredContent?: unknown;
  isError?: boolean | undefined;
  _meta?: unknown;
}

/** The attack: a result of many megabytes, which would be stored, sent to every client and kept in the history. Up to 1 MiB is kept as it
 *  came; above that texts keep both ends, and what is not text says how long it was. */
export function keptResult(raw: RawToolResult): McpToolCallResult {
  const { content = [], structuredContent = null, _meta = null } = raw;
  if (sizeOf(raw) <= keptBytes) return { content: [...content], structuredContent, _meta };
  let left = keptBytes;
  const parts = content.slice(0, mostParts).map((part) => {
    const short = shortened(part, Math.min(keptTextBytes, Math.floor(left / 2)));
    left -= sizeOf(short);
    return short;
  });
  const leftOut = content.length - parts.length;
  if (leftOut > 0) parts.push({ type: "text", text: `[${leftOut} more parts left out]` });
  return { content: parts, structuredContent: null, _meta: null };
}

function shortened(part: Readonly<Record<string, unknown>>, limit: number): Record<string, unknown> {
  const { type, text } = part;
  if (type === "text" && typeof text === "string") return { type, text: ends(text, limit) };
  const bytes = sizeOf(part);
  return bytes <= Math.min(limit, keptTextBytes) ? { ...part } : { type: "text", text: `[${describe(part)} left out]` };
}

/** For the model: the texts; where there is none, what is structured. */
export function resultText({
  content,
  structuredContent,
}: Pick<McpToolCallResult, "content" | "structuredContent">): string {
  const texts = content.map(({ type, ...part }) =>
    type === "text" ? String(part["text"]) : `[${describe({ type, ...part })}]`,
  );
  const hasText = content.some(({ type }) => type === "text");
  const structured = structuredContent == null || hasText ? [] : [JSON.stringify(structuredContent)];
  return ends([...structured, ...texts].join("\n"), modelBytes);
}

function describe(part: Readonly<Record<string, unknown>>): string {
  const { type, mimeType, uri } = part;
  const about = [mimeType, uri].filter((word) => typeof word === "string").map((word) => ends(word, 200));
  return [String(type).slice(0, 100), ...about, `${sizeOf(part)} bytes`].join(", ");
}

function ends(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  const output = new BoundedOutput(limit);
  output.add(bytes);
  return output.text();
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? "");
}
