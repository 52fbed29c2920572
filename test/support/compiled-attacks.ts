/** The C programs below `attack-fixtures/`, compiled once a test file. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const sources = join(dirname(import.meta.dirname), "attack-fixtures");
let folder: string | undefined;

/** Compiles `attack-fixtures/<name>.c` and returns the program's path. */
export function compileAttack(name: string, flags: readonly string[] = []): string {
  folder ??= makeFolder();
  const program = join(folder, [name, ...flags].join("").replaceAll(/[^\w-]/g, "_"));
  execFileSync("cc", ["-O1", "-pthread", ...flags, "-o", program, join(sources, `${name}.c`)]);
  return program;
}

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), "sallyport-attacks-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}
