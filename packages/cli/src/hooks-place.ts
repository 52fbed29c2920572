/** What the `sallyport hooks` commands have in common: the configuration of a folder, and naming a hook. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { discoverHooks, loadConfigLayers, nearestName, parseOverride } from "@sallyport/hooks";
import type { ConfigLayers, ConfiguredHandler, DiscoveredHooks } from "@sallyport/hooks";
import { HookEventName } from "@sallyport/protocol";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import { usageError } from "./usage-error.ts";

/** Options that every command which looks at a folder's hooks has. */
export interface HooksPlaceOptions {
  cd?: string | undefined;
  config?: string[] | undefined;
  dangerouslyBypassHookTrust?: boolean | undefined;
}

export interface HooksPlace {
  cwd: string;
  config: ConfigLayers;
  found: DiscoveredHooks;
}

export function loadHooks(options: HooksPlaceOptions): HooksPlace {
  const cwd = resolve(options.cd ?? ".");
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  checkHome(home);
  const sessionFlags = (options.config ?? []).map(parseOverride);
  const config = loadConfigLayers({ home, cwd, sessionFlags });
  const found = discoverHooks(config, { bypassTrust: options.dangerouslyBypassHookTrust === true });
  return { cwd, config, found };
}

/** Throws `USAGE` for a name that is no event's, with the nearest one. */
export function requireEvent(name: string): HookEventName {
  const events: readonly string[] = HookEventName.options;
  const parsed = HookEventName.safeParse(name);
  if (parsed.success) return parsed.data;
  const near = nearestName(name, events);
  const hint = near === null ? `expected one of ${events.join(", ")}` : `did you mean "${near}"`;
  throw usageError(`There is no event "${name}"; ${hint}`, "hooks");
}

/** A hook by its key, or by the end of it where that names one hook only (`stop:0:0`). Throws `HOOK_UNKNOWN`. */
export function requireHook(handlers: readonly ConfiguredHandler[], name: string): ConfiguredHandler {
  const exact = handlers.find(({ key }) => key === name);
  if (exact !== undefined) return exact;
  const ending = handlers.filter(({ key }) => key.endsWith(`:${name}`) || key.endsWith(`/${name}`));
  const [first, second] = ending;
  if (first !== undefined && second === undefined) return first;
  const why =
    first === undefined
      ? "there is none with this key; see sallyport hooks list"
      : `it could be any of ${ending.map(({ key }) => key).join(", ")}; write more of its key`;
  throw new SallyportError("HOOK_UNKNOWN", `Hook "${name}" can't be found: ${why}`, { data: { key: name } });
}

/** An event's input from a file, or from stdin for "-". Throws `HOOK_INPUT_INVALID`. */
export function readInput(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw badInput(file, `it can't be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badInput(file, `it is not JSON: ${(error as Error).message}`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badInput(file, "expected a JSON object");
  return { ...value };
}

function badInput(file: string, why: string, cause?: unknown): SallyportError {
  return new SallyportError("HOOK_INPUT_INVALID", `Input "${file}" can't be used: ${why}`, {
    data: { file },
    ...(cause === undefined ? {} : { cause }),
  });
}
