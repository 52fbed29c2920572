/** Shortens what is too long for the model. All of it goes to a file of the session's folder; the model gets its head, its tail, and
 *  the file's name. */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spill } from "../events/definition.ts";

const bytesPerToken = 4;
const defaultLimitTokens = 2500;

export function makeSpill(folder: string): Spill {
  return (text, limitTokens) => spill(text, limitTokens ?? defaultLimitTokens, folder);
}

function tokensIn(bytes: number): number {
  return Math.ceil(bytes / bytesPerToken);
}

function spill(text: string, limitTokens: number, folder: string): string {
  const bytes = Buffer.from(text, "utf8");
  const tokens = tokensIn(bytes.length);
  if (limitTokens === 0 || tokens <= limitTokens) return text;
  const budget = limitTokens * bytesPerToken;
  const head = bytes.subarray(0, boundaryBefore(bytes, Math.ceil(budget / 2)));
  const tail = bytes.subarray(boundaryAfter(bytes, bytes.length - Math.floor(budget / 2)));
  const cut = tokensIn(bytes.length - head.length - tail.length);
  const lines = text.split("\n").length;
  return [
    `[hook output shortened: about ${tokens} tokens]`,
    `[${lines} ${lines === 1 ? "line" : "lines"} in all]`,
    `${head.toString("utf8")}\n[... about ${cut} tokens left out ...]\n${tail.toString("utf8")}`,
    keep(text, folder),
  ].join("\n");
}

/** Where everything is. A disk that is full costs the file, not the preview. */
function keep(text: string, folder: string): string {
  const path = join(folder, `${randomUUID()}.txt`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
    return `[all of it: ${path}]`;
  } catch (error) {
    return `[the rest could not be kept: ${(error as NodeJS.ErrnoException).code ?? String(error)}]`;
  }
}

/** Continuation bytes of UTF-8 start with the bits 10: no character is cut in two. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function boundaryBefore(bytes: Buffer, at: number): number {
  let boundary = at;
  while (boundary > 0 && isContinuation(bytes[boundary])) boundary -= 1;
  return boundary;
}

function boundaryAfter(bytes: Buffer, at: number): number {
  let boundary = at;
  while (boundary < bytes.length && isContinuation(bytes[boundary])) boundary += 1;
  return boundary;
}
