/** model/list, account/read: what there is to choose from, and that there are no accounts. */
import { readModelSettings } from "@sallyport/core";
import { loadConfigLayers, mergedConfig } from "@sallyport/hooks";
import type { Model } from "@sallyport/protocol";
import { isSallyportError } from "@sallyport/supervisor";
import type { MethodContext, MethodTable } from "./method-context.ts";

export const modelMethods: Pick<MethodTable, "model/list" | "account/read"> = {
  "model/list": (_params, context) =>
    Promise.resolve({ result: { data: [configuredModel(context)], nextCursor: null } }),

  "account/read": () => Promise.resolve({ result: { account: null, requiresOpenaiAuth: false as const } }),
};

/** Never nothing: a client that gets no model ends. */
function configuredModel(context: MethodContext): Model {
  const config = mergedConfig(loadConfigLayers({ home: context.home, cwd: context.cwd, env: context.env }));
  const { name, effort, description } = modelOf(config);
  return {
    id: name,
    model: name,
    displayName: name,
    description,
    hidden: false,
    isDefault: true,
    supportedReasoningEfforts: [{ reasoningEffort: effort, description: "as the configuration says" }],
    defaultReasoningEffort: effort,
    inputModalities: ["text", "image"],
  };
}

function modelOf(config: Record<string, unknown>): { name: string; effort: string; description: string } {
  try {
    const { model, provider, reasoningEffort } = readModelSettings(config, {});
    return { name: model, effort: reasoningEffort ?? "medium", description: `from provider ${provider.id}` };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    // The reason stands where a person chooses a model, and again in the error of thread/start.
    return { name: "not-configured", effort: "medium", description: error.message };
  }
}
