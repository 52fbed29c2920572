/** `sallyport shell list`: the patched shells of the home. */
import { listInstalledShells, locateHome } from "@sallyport/shell-escalation";
import type { ShellListing } from "@sallyport/shell-escalation";
import { displayText } from "./display-text.ts";
import { complain, write } from "./terminal.ts";

/** Exit status: 0, also where there is none. */
export function runShellList(options: { json: boolean }): number {
  const listing = listInstalledShells(locateHome(process.env["SALLYPORT_HOME"]));
  if (options.json) write(`${JSON.stringify(listing)}\n`, 1);
  else show(listing);
  return 0;
}

function show({ shells, broken }: ShellListing): void {
  const width = Math.max(0, ...shells.map(({ name }) => name.length));
  for (const { name, bashVersion, path, builtAtMs } of shells) {
    const day = new Date(builtAtMs).toISOString().slice(0, 10);
    write(`${displayText(name).padEnd(width)}  ${displayText(bashVersion)}  ${day}  ${displayText(path)}\n`, 1);
  }
  for (const { name, reason } of broken) complain(`shell "${name}" can't be used: ${reason}`);
  if (shells.length === 0) complain("no shell is built; sallyport shell build makes one");
}
