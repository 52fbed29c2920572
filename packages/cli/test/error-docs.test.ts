import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { test } from "node:test";

const root = fileURLToPath(new URL("../../..", import.meta.url));

function codesInSources(): string[] {
  const codes = new Set<string>();
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name, "src");
    for (const file of existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []) {
      if (!file.endsWith(".ts")) continue;
      const text = readFileSync(join(folder, file), "utf8");
      for (const [, code] of text.matchAll(/new SallyportError\(\s*"([A-Z_]+)"/g)) codes.add(code ?? "");
    }
  }
  return [...codes].sort();
}

function codesInDocs(): string[] {
  const text = readFileSync(join(root, "docs", "errors.md"), "utf8");
  return [...text.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, code]) => code ?? "");
}

test("docs/errors.md lists every error code, in order, and no other", () => {
  assert.deepEqual(codesInDocs(), codesInSources());
});

test("every error code is written where it is thrown, so that the list above is whole", () => {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "src"));
  const dynamic = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        [...readFileSync(join(folder, file), "utf8").matchAll(/new SallyportError\((?!\s*")[^\n]*/g)].map(
          ([call]) => call,
        ),
      ),
  );
  // The one that puts words to an error which the broker's starter made passes its code on.
  assert.deepEqual(dynamic, [
    "new SallyportError(error.code, `${error.message}; ${rest}`, { data: { ...error.data, killed }, cause: error });",
  ]);
});
