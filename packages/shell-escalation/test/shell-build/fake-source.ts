/** Stand-ins for the sources of Bash: as much of execute_cmd.c as the patch looks at, and a `configure` that takes no time. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { patchPath } from "../../src/shell-build/source-tree.ts";

export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-build-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface FakeSource {
  /** What `make` puts in place of the shell. */
  shell: string;
  patch?: string;
  /** Commands of `configure` that come first. */
  configure?: string;
  executeCmd?: string;
}

/** Returns a folder that passes for the sources of Bash. */
export function fakeSource(parts: FakeSource): string {
  const folder = join(makeFolder(), "bash-9.9");
  mkdirSync(folder);
  const file = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  file("execute_cmd.c", parts.executeCmd ?? textBefore(parts.patch ?? "bash-exec-wrapper.patch"));
  file("patchlevel.h", "#define PATCHLEVEL 9\n");
  file("y.tab.c", "");
  file("Makefile.in", `bash:\n\tcp '${parts.shell}' bash\n`);
  file("configure", `#!/bin/sh\nset -e\n${parts.configure ?? ""}\ncp Makefile.in Makefile\n`);
  chmodSync(join(folder, "configure"), 0o755);
  return folder;
}

/** The lines that a patch expects, hunk after hunk. */
export function textBefore(patch: string): string {
  const lines = readFileSync(patchPath(patch), "utf8").split("\n");
  const hunks = lines.slice(lines.findIndex((line) => line.startsWith("@@")));
  const kept = hunks.filter((line) => /^[ -]/.test(line)).map((line) => line.slice(1));
  return `${kept.join("\n")}\n`;
}
