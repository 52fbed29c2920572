import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const pages = ["README.md", "SECURITY.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))];

for (const page of pages) {
  test(`links in ${page} lead somewhere`, () => {
    const text = readFileSync(join(root, page), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target ?? "");
    assert.deepEqual(
      targets.filter((target) => !existsSync(join(root, dirname(page), target))),
      [],
    );
  });
}

test("README.md has one table of the bypass score", () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  const [, table] = /<!-- bypass-score -->\n\n(\|[^<]*\|)\n\n<!-- \/bypass-score -->/.exec(text) ?? [];
  assert.match(table ?? "", /^\| layer +\| rows +\| stopped +\|\n/);
});

test("docs/cli.md has every option of run", async () => {
  const { runOptionRows } = await import("../src/run-options.ts");
  const text = readFileSync(join(root, "docs/cli.md"), "utf8");
  const missing = runOptionRows.map(({ name }) => name).filter((name) => !text.includes(`\`${name}`));
  assert.deepEqual(missing, []);
});
