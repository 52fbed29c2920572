/** Diffs for people, in git's form. The library is loaded with the first patch. */
import { setImmediate } from "node:timers/promises";

const contextLines = 3;
/** A diff that would take longer shows the whole text as removed and added. */
const timeoutMs = 1000;

export interface DiffedText {
  /** Null: the file is new, or gone. */
  before: string | null;
  after: string | null;
}

/** The hunks of one file, without a header. */
export async function unifiedDiff(change: {
  from: string;
  to: string;
  before: string;
  after: string;
}): Promise<string> {
  const { structuredPatch, formatPatch } = await import("diff");
  await setImmediate(); // a patch of many files must not keep an interrupt waiting for all of them
  const options = { context: contextLines, timeout: timeoutMs };
  const patch = structuredPatch(change.from, change.to, change.before, change.after, undefined, undefined, options);
  if (patch === undefined) return wholeText(change);
  const text = formatPatch(patch);
  const hunks = text.indexOf("@@ ");
  return hunks === -1 ? "" : text.slice(hunks);
}

/** One file with git's headers; empty where nothing changed. */
export async function gitDiff(path: string, { before, after }: DiffedText, folder: string): Promise<string> {
  if (before === after) return "";
  const name = path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path.slice(1);
  const hunks = await unifiedDiff({ from: name, to: name, before: before ?? "", after: after ?? "" });
  const kind = before === null ? "new file mode 100644\n" : after === null ? "deleted file mode 100644\n" : "";
  const from = before === null ? "/dev/null" : `a/${name}`;
  const to = after === null ? "/dev/null" : `b/${name}`;
  return `diff --git a/${name} b/${name}\n${kind}--- ${from}\n+++ ${to}\n${hunks}`;
}

function wholeText({ before, after }: { before: string; after: string }): string {
  const marked = (text: string, mark: string): string[] => linesOf(text).map((line) => `${mark}${line}\n`);
  const header = `@@ -1,${linesOf(before).length} +1,${linesOf(after).length} @@\n`;
  return [header, ...marked(before, "-"), ...marked(after, "+")].join("");
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}
