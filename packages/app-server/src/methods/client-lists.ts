/** skills/list, collaborationMode/list: what clients ask for at start and Sallyport has little of. */
import type { MethodTable } from "./method-context.ts";

export const clientListMethods: Pick<MethodTable, "skills/list" | "collaborationMode/list"> = {
  "skills/list": (params, context) => {
    const cwds = params.cwds ?? [];
    const folders = cwds.length > 0 ? cwds : [context.cwd];
    return Promise.resolve({ result: { data: folders.map((cwd) => ({ cwd, skills: [], errors: [] })) } });
  },

  "collaborationMode/list": () => {
    const onlyOne = { name: "Default", mode: "default" as const, model: null, reasoning_effort: null };
    return Promise.resolve({ result: { data: [onlyOne] } });
  },
};
