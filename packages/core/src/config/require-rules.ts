/** The rules have to be readable before a thread starts: a broken file would refuse every command of it, one after the other. */
import type { ConfigLayers } from "@sallyport/hooks";
import { loadRules, systemPlaceAt } from "@sallyport/rules-store";
import type { LoadRulesOptions } from "@sallyport/rules-store";
import { checkHome } from "@sallyport/shell-escalation";

/** Throws `RULES_INVALID` with file, line and column, and `HOME_REFUSED`. */
export function requireRules(home: string, systemFolder: string | null): void {
  const system = systemFolder === null ? {} : { system: systemPlaceAt(systemFolder) };
  loadRules({ home, files: [], discover: checkHome(home), ...system });
}

/** Whose rules count besides those of the home. */
export function ruleSources(layers: ConfigLayers): Pick<LoadRulesOptions, "trustedProject" | "system" | "readsCodex"> {
  return {
    system: systemPlaceAt(layers.systemFolder),
    readsCodex: layers.codexValues !== null,
    ...(layers.projectIsTrusted ? { trustedProject: layers.project.root } : {}),
  };
}
