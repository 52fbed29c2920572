/** `sallyport hooks trust|untrust|enable|disable`: what the user says about hooks, kept in the user's config.toml. */
import { changeTrust, describeAction } from "@sallyport/hooks";
import type { ConfiguredHandler, TrustChange } from "@sallyport/hooks";
import { SallyportError } from "@sallyport/supervisor";
import { displayText } from "./display-text.ts";
import { loadHooks, requireHook } from "./hooks-place.ts";
import type { HooksPlaceOptions } from "./hooks-place.ts";
import { write } from "./terminal.ts";
import { usageError } from "./usage-error.ts";

export interface HooksTrustOptions extends HooksPlaceOptions {
  all?: boolean;
  pinFiles?: boolean;
  json?: boolean;
}

const done: Record<TrustChange, string> = {
  trust: "trusted",
  untrust: "no longer trusted",
  enable: "enabled",
  disable: "disabled",
};

export async function runHooksTrust(change: TrustChange, keys: string[], options: HooksTrustOptions): Promise<number> {
  if ((keys.length === 0) === (options.all !== true)) {
    throw usageError(`Which hooks to ${change} is not clear, expected either keys or --all`, "hooks");
  }
  const { config, found } = loadHooks(options);
  const chosen =
    options.all === true ? found.handlers.filter(({ isManaged }) => !isManaged) : namedHooks(found.handlers, keys);
  const changed = await changeTrust(config, change, chosen, { pinFiles: options.pinFiles === true });
  if (options.json === true) {
    write(`${JSON.stringify({ change, changed }, null, 2)}\n`, 1);
    return 0;
  }
  const lines = changed.flatMap(({ key, pinnedFiles }, index) => [
    `${done[change]}: ${displayText(chosen[index] === undefined ? key : describeAction(chosen[index]))}`,
    `  ${displayText(key)}`,
    ...Object.keys(pinnedFiles).map((word) => `  pinned: ${displayText(word)}`),
    ...(options.pinFiles === true && Object.keys(pinnedFiles).length === 0
      ? ["  pinned: no file, as its command names none"]
      : []),
  ]);
  write(`${(lines.length === 0 ? ["no hooks"] : lines).join("\n")}\n`, 1);
  return 0;
}

function namedHooks(handlers: readonly ConfiguredHandler[], keys: readonly string[]): ConfiguredHandler[] {
  const chosen = new Set(keys.map((key) => requireHook(handlers, key)));
  const managed = [...chosen].find(({ isManaged }) => isManaged);
  if (managed === undefined) return [...chosen];
  throw new SallyportError(
    "HOOK_MANAGED",
    `Hook "${managed.key}" is managed, so neither trust nor a switch applies to it; ask who manages this machine`,
    { data: { key: managed.key } },
  );
}
