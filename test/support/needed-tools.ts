/** What a test needs on the machine. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** False, or the names that are missing on `path`: what the `skip` of a test wants. With SALLYPORT_MUST_RUN=1 nothing may be missing. */
export function missingTools(tools: readonly string[], path: string = process.env["PATH"] ?? ""): string | false {
  const missing = tools.filter((tool) => !path.split(":").some((folder) => isExecutable(join(folder, tool))));
  if (missing.length === 0) return false;
  const text = `missing: ${missing.join(", ")}`;
  if (process.env["SALLYPORT_MUST_RUN"] === "1") throw new Error(`this test must run, ${text}`);
  return text;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (_missing) {
    return false;
  }
}
