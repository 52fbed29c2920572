/** `sallyport hooks validate FILE`: everything that is wrong with a file of hooks, before it is put in its place. */
import { formatConfigWarning, validateHooksFile } from "@sallyport/hooks";
import { displayText } from "./display-text.ts";
import { write } from "./terminal.ts";

export function runHooksValidate(path: string, options: { json?: boolean }): number {
  const { file, origin, hooks, warnings } = validateHooksFile(path);
  const status = warnings.length === 0 ? 0 : 1;
  if (options.json === true) {
    const found = warnings.map(({ place, message }) => ({ ...place, message }));
    write(`${JSON.stringify({ file, origin, hooks: hooks.length, warnings: found }, null, 2)}\n`, 1);
    return status;
  }
  const lines = warnings.map((warning) => displayText(formatConfigWarning(warning)));
  const count = `${hooks.length} ${hooks.length === 1 ? "hook" : "hooks"}`;
  const verdict = status === 0 ? `${count}, nothing to complain about` : `${count}; ${warnings.length} to correct`;
  write(`${[...lines, `${displayText(file)}: ${verdict}`].join("\n")}\n`, 1);
  return status;
}
