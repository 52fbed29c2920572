/** How a program's environment differs from the one that the session started with: shown to whoever is asked about it. */
import type { Text } from "@sallyport/protocol";
import { textFromBytes, textToBytes } from "@sallyport/supervisor";

export interface EnvironmentChanges {
  /** NAME=value entries that the session's environment does not have like that. */
  changedEnv: Text[];
  /** Entries of the session whose name the program's environment lacks. */
  droppedEnv: Text[];
}

/** `env`: a block of NAME=value entries, each ended by a zero byte. */
export function environmentChanges(env: Buffer, session: readonly Text[]): EnvironmentChanges {
  // As latin1, where no two byte strings become one.
  const now = env
    .toString("latin1")
    .split("\0")
    .filter((entry) => entry !== "");
  const before = session.map((entry) => textToBytes(entry).toString("latin1"));
  const entriesBefore = new Set(before);
  const namesNow = new Set(now.map(nameOf));
  return {
    changedEnv: now.filter((entry) => !entriesBefore.has(entry)).map(textOf),
    droppedEnv: before.filter((entry) => !namesNow.has(nameOf(entry))).map(textOf),
  };
}

function nameOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals === -1 ? entry : entry.slice(0, equals);
}

function textOf(entry: string): Text {
  return textFromBytes(Buffer.from(entry, "latin1"));
}
