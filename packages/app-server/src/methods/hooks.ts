/** hooks/list: what is configured for a folder, and why what does not run does not. */
import { discoverHooks, listHooks, loadConfigLayers } from "@sallyport/hooks";
import type { HooksListEntry } from "@sallyport/protocol";
import type { MethodContext, MethodTable } from "./method-context.ts";
import { requireSession } from "./thread-id.ts";

export const hookMethods: Pick<MethodTable, "hooks/list"> = {
  "hooks/list": async (params, context) => {
    const cwds = params.cwds ?? [];
    const folders = cwds.length > 0 ? cwds : [await defaultFolder(params.threadId ?? null, context)];
    return { result: { data: folders.map((cwd) => hooksOf(cwd, context)) } };
  },
};

async function defaultFolder(threadId: string | null, context: MethodContext): Promise<string> {
  return threadId === null ? context.cwd : (await requireSession(threadId, context)).settings.cwd;
}

function hooksOf(cwd: string, { home, env }: MethodContext): HooksListEntry {
  const layers = loadConfigLayers({ home, cwd, env });
  return listHooks(discoverHooks(layers), cwd);
}
