/** What a tool is called where the model and hooks see it: `mcp__SERVER__TOOL`. */
import { createHash } from "node:crypto";

/** What providers take. */
const longestName = 64;
const hashLength = 12;

/** For hooks. The attack: a server offers a tool whose name makes another's name ambiguous, so that the other is renamed and a hook that
 *  guards it by its name does not match any more. So for hooks nothing is ever renamed. */
export function hookToolName(server: string, tool: string): string {
  return `mcp__${server}__${plain(tool)}`;
}

/** For the model: unique, by a hash of what was written where two would be alike or one is too long. Never the name of a tool of ours,
 *  because it begins with `mcp__`. */
export function modelToolNames<Tool extends { server: string; tool: string }>(
  tools: readonly Tool[],
): Map<string, Tool> {
  const counts = new Map<string, number>();
  for (const { server, tool } of tools) {
    const name = hookToolName(server, tool);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map(
    tools.map((entry) => {
      const name = hookToolName(entry.server, entry.tool);
      const stays = counts.get(name) === 1 && name.length <= longestName;
      return [stays ? name : `${name.slice(0, longestName - hashLength - 1)}_${hash(entry)}`, entry];
    }),
  );
}

function plain(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/g, "_");
}

function hash({ server, tool }: { server: string; tool: string }): string {
  return createHash("sha256")
    .update(JSON.stringify([server, tool]))
    .digest("hex")
    .slice(0, hashLength);
}
