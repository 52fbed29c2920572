/** The tiny C programs below `fixtures/`, compiled once a test file into a throw-away folder that every user may enter. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const sources: string = join(import.meta.dirname, "..", "fixtures");

/** A folder for this test file; removed when its process ends. */
export const workFolder: string = mkdtempSync(join(tmpdir(), "supervisor-test-"));
chmodSync(workFolder, 0o755);
process.on("exit", () => rmSync(workFolder, { recursive: true, force: true }));

/** Compiles `fixtures/<name>.c` and returns the program's path, `as` being its name. */
export function compileFixture(name: string, options: { as?: string; flags?: string[] } = {}): string {
  const program = join(workFolder, options.as ?? name);
  if (!existsSync(program)) {
    execFileSync("cc", [...(options.flags ?? []), "-O1", "-pthread", "-o", program, join(sources, `${name}.c`)]);
  }
  return program;
}
