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

function hooksOf(cwd: string, { home, env, connection }: MethodContext): HooksListEntry {
  const layers = loadConfigLayers({ home, cwd, env });
  const entry = listHooks(discoverHooks(layers), cwd);
  return connection.handshake?.execRuns === true ? entry : asPeersKnow(entry);
}

const ownEvents: ReadonlySet<string> = new Set(["preExec", "postExec"]);
const ownHandlers: ReadonlySet<string> = new Set(["http", "module"]);

/** The peers' clients take no word that they don't know: one such hook, and they can't read the whole list, so that they ask nobody
 *  about the others either. */
function asPeersKnow(entry: HooksListEntry): HooksListEntry {
  const isOwn = ({ eventName, handlerType }: HooksListEntry["hooks"][number]): boolean =>
    ownEvents.has(eventName) || ownHandlers.has(handlerType);
  const hidden = entry.hooks.filter(isOwn);
  if (hidden.length === 0) return entry;
  const warning = `Not shown here: ${hidden.map(({ key }) => key).join(", ")}; see sallyport hooks list`;
  return { ...entry, hooks: entry.hooks.filter((hook) => !isOwn(hook)), warnings: [...entry.warnings, warning] };
}
