/** A bounded escalation: what has to hold before a program may run in a sandbox of its own. Everything here fails closed, because the
 *  only other way out would be no bounds at all. */
import { join } from "node:path";
import type { EscalationBounds } from "@sallyport/exec-policy";
import type { ExecEvent } from "@sallyport/supervisor";
import { isWithin } from "./text-path.ts";
import type { BoundedSandbox, DeciderOptions, Wall } from "./types.ts";
import { Places, followWay } from "./way.ts";

/** A sandbox, or why there is none; the text completes "kept inside: ...". */
export function planBounds(
  bounds: EscalationBounds,
  event: ExecEvent,
  options: DeciderOptions,
): BoundedSandbox | string {
  const { wall } = options;
  if (options.sandboxFor === undefined) return "the rule bounds the escalation, and here no sandbox can be made for it";
  if (typeof event.cwd !== "string")
    return "the rule bounds the escalation, and its working folder's name is not UTF-8";
  const named = new Places({ ...wall, translate: (path) => path });
  for (const path of [...bounds.write, ...bounds.read]) {
    const objection = objectionTo(path, bounds.write.includes(path) ? "write" : "read", { named, wall });
    if (objection !== null) return objection;
  }
  const files = event.chain.flatMap(({ path }) => (typeof path === "string" ? [path] : []));
  return options.sandboxFor({
    requestId: event.requestId,
    bounds,
    readable: [...files, shownFolder(event.cwd, wall)],
  });
}

/** The attack: code inside puts a symlink in the place of a folder that the rule names, and the mount follows it. So nothing on the
 *  way may be changed from inside. A folder that is writable as a whole is no way to bend: its own name lies outside of it. */
function objectionTo(
  path: string,
  key: "write" | "read",
  { named, wall }: { named: Places; wall: Wall },
): string | null {
  const way = followWay(path, named);
  const name = `${key} path ${JSON.stringify(path)}`;
  // What is not there needs no right to be read, and can't be mounted to be written.
  if (way.resolved === null && key === "write") return `the ${name} of the rule does not exist`;
  const isWholeRoot = way.resolved === way.writable && wall.writableRoots.includes(way.resolved ?? "");
  if (way.writable === null || (isWholeRoot && way.writableLink === null)) return null;
  return `the way to the ${name} of the rule leads through ${JSON.stringify(way.writable)}, which can be written from inside`;
}

/** What has to be seen for the working folder to be there. The attack: the folder itself is replaced by a symlink before it is
 *  mounted; so it is the writable folder around it that is shown, or the private one. */
function shownFolder(cwd: string, wall: Wall): string {
  const outside = wall.translate(cwd);
  const root = wall.writableRoots.find((folder) => isWithin(folder, outside));
  if (root === undefined) return outside;
  // A private folder lies in the session's scratch folder, beside what is nobody's business.
  return outside === cwd ? root : join(root, outside.slice(root.length + 1).split("/")[0] ?? "");
}
