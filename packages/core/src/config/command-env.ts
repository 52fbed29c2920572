/** The environment of commands. */
import type { Text } from "@sallyport/protocol";
import { readEnvironment } from "@sallyport/shell-escalation";
import { secretVariables } from "../models/provider-config.ts";
import type { ConfigTable } from "./config-table.ts";

/** `env` without the keys of models, because what runs in the sandbox may be hostile; as NAME=value entries, with those of this
 *  process that are not UTF-8. */
export function commandEnvironment(config: ConfigTable, env: NodeJS.ProcessEnv): Text[] {
  const secret = new Set(secretVariables(config));
  const own = readEnvironment().filter((entry) => typeof entry !== "string");
  const named = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || secret.has(name) ? [] : [`${name}=${value}`],
  );
  return [...own, ...named];
}
