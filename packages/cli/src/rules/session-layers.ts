/** What the configuration says about rules in a folder: what happens to programs that no rule is about (`[policy] default`), whether the
 *  project's own rules count, and whether Codex's of the machine do. */
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import type { ConfigLayers, DefaultDecision } from "@sallyport/hooks";
import { findProject } from "@sallyport/hooks/find-project";
import type { LoadRulesOptions } from "@sallyport/rules-store";
import { SallyportError } from "@sallyport/supervisor";

const systemFolder = "/etc/sallyport";
const codexRules = "/etc/codex/rules";

export interface SessionLayers {
  defaultDecision: DefaultDecision;
  /** Whose rules are read besides the home's. */
  sources: Pick<LoadRulesOptions, "trustedProject" | "readsCodex">;
  /** Rules that are there and are not read, and what would have them read; null: there are none. */
  hint: string | null;
}

/** Throws `CONFIG_INVALID` where a file that may say it can't be used: without it more would be open than was meant. */
export async function readSessionLayers(home: string, cwd: string): Promise<SessionLayers> {
  const userConfig = join(home, "config.toml");
  const files = [
    userConfig,
    ...["requirements.toml", "config.toml", "managed_config.toml"].map((name) => join(systemFolder, name)),
  ];
  const { root } = findProject(cwd);
  const ofProject = projectRules(root, home);
  // Reading TOML has to be loaded first, and most configurations have nothing to say about this.
  const isWanted =
    ofProject.length > 0 ||
    files.some((path) => mentions(path, "policy")) ||
    (existsSync(codexRules) && mentions(userConfig, "read"));
  if (!isWanted) return { defaultDecision: "run", sources: {}, hint: null };
  const { defaultDecisionOf, loadConfigLayers } = await import("@sallyport/hooks");
  const layers = loadConfigLayers({ home, cwd });
  const broken = layers.errors.find(({ path }) => files.includes(path));
  if (broken !== undefined)
    throw new SallyportError("CONFIG_INVALID", `Configuration "${broken.path}" can't be used: ${broken.message}`, {
      data: { path: broken.path },
    });
  const isUnread = ofProject.length > 0 && !layers.projectIsTrusted;
  return {
    defaultDecision: defaultDecisionOf(layers),
    sources: {
      ...(layers.codexValues === null ? {} : { readsCodex: true }),
      ...(layers.projectIsTrusted ? { trustedProject: root } : {}),
    },
    hint: isUnread ? untrusted(ofProject, layers, userConfig) : null,
  };
}

function untrusted(folders: readonly string[], { project }: ConfigLayers, userConfig: string): string {
  const names = folders.map((folder) => JSON.stringify(folder)).join(" and ");
  const section = `[projects.${JSON.stringify(project.configRoot)}] trust_level = "trusted"`;
  return `the project is not trusted, so the rules in ${names} are not read; to trust it, add ${section} to ${userConfig}`;
}

/** Folders of the project's root that hold rules; in the user's own folder one of them is the home's. */
function projectRules(root: string, home: string): string[] {
  return [".sallyport", ".codex"]
    .map((name) => join(root, name, "rules"))
    .filter((folder) => {
      try {
        if (!readdirSync(folder).some((name) => extname(name) === ".rules")) return false;
        return realpathSync(dirname(folder)) !== realIfThere(home);
      } catch (error) {
        // Fails closed: what is there and can't be read may say something, and so may a file where a folder should be.
        return (error as NodeJS.ErrnoException).code !== "ENOENT";
      }
    });
}

function realIfThere(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function mentions(path: string, word: string): boolean {
  try {
    const text = readFileSync(path, "utf8");
    return text.includes(word) || /\\[uU]/.test(text);
  } catch (error) {
    // Fails closed likewise.
    return !["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
