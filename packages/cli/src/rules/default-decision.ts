/** What happens to programs that no rule is about: `[policy] default` of the configuration. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefaultDecision } from "@sallyport/hooks";
import { SallyportError } from "@sallyport/supervisor";

const systemFolder = "/etc/sallyport";

/** Throws `CONFIG_INVALID` where a file that may say it can't be used: without it more would be open than was meant. */
export async function readDefaultDecision(home: string, cwd: string): Promise<DefaultDecision> {
  const files = [
    join(home, "config.toml"),
    ...["requirements.toml", "config.toml", "managed_config.toml"].map((name) => join(systemFolder, name)),
  ];
  // Reading TOML has to be loaded first, and most configurations have nothing to say about this.
  if (!files.some(mentionsPolicy)) return "run";
  const { defaultDecisionOf, loadConfigLayers } = await import("@sallyport/hooks");
  const layers = loadConfigLayers({ home, cwd });
  const broken = layers.errors.find(({ path }) => files.includes(path));
  if (broken !== undefined)
    throw new SallyportError("CONFIG_INVALID", `Configuration "${broken.path}" can't be used: ${broken.message}`, {
      data: { path: broken.path },
    });
  return defaultDecisionOf(layers);
}

function mentionsPolicy(path: string): boolean {
  try {
    return readFileSync(path, "utf8").includes("policy");
  } catch (error) {
    // Fails closed: what is there and can't be read may say something.
    return !["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
