/** The ways in which clients start the server, read without the library that reads all others: loading it, and every command's help,
 *  takes longer than the server itself. */
import type { AppServerFlags } from "./run-app-server.ts";

/** Null for anything that has to be looked at more closely, which is not to say that it is wrong. */
export function readServerWords(words: readonly string[]): AppServerFlags | null {
  const [command, ...rest] = words;
  if (command !== "app-server") return null;
  const listen: string[] = [];
  let flags: AppServerFlags = {};
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? "";
    const next = rest[at + 1] ?? "";
    if (word === "--listen" && /^[a-z]/.test(next)) {
      listen.push(next);
      at += 1;
    } else if (/^--listen=[a-z]/.test(word)) listen.push(word.slice("--listen=".length));
    else if (word === "--no-auth") flags = { ...flags, auth: false };
    else if (word !== "--stdio") return null;
  }
  return listen.length === 0 ? flags : { ...flags, listen };
}
