// The lint rules. The import rules of each package come from scripts/layers.json, as do those of test/architecture.test.ts.
import { readFileSync } from "node:fs";
import { defineConfig } from "oxlint";
import table from "./scripts/layers.json" with { type: "json" };

const packages = table.layers.flat();
const withoutNode = new Set(table.withoutNode);

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc", "promise", "node"],
  categories: { correctness: "error", suspicious: "error" },
  options: { typeAware: true, denyWarnings: true },
  ignorePatterns: ["**/dist/**", "**/fixtures/**"],
  rules: {
    eqeqeq: ["error", "always", { null: "ignore" }],
    "no-var": "error",
    "prefer-const": "error",
    "no-empty": "error",
    "no-unused-vars": [
      "error",
      { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrorsIgnorePattern: "^_", ignoreRestSiblings: true },
    ],
    "import/no-cycle": "error",
    "promise/no-multiple-resolved": "error",
    "typescript/await-thenable": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": [
      "error",
      // node:test collects these promises itself.
      {
        allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] }],
      },
    ],
    "typescript/no-misused-promises": "error",
    "typescript/no-misused-spread": ["error", { allow: ["string"] }], // code points are what we want of a string
    "typescript/switch-exhaustiveness-check": "error",

    // Off, each with its reason.
    "no-await-in-loop": "off", // one after the other is often the point: hooks, probes, frames
    "no-shadow": "off", // short names such as `name` recur in small callbacks
    "no-underscore-dangle": "off", // `_` in front marks what is unused on purpose
    "import/no-unassigned-import": "off", // a program's entry may be one
    "promise/always-return": "off", // says nothing where promises are awaited
    "unicorn/consistent-function-scoping": "off", // a helper may stand beside its only use
    "unicorn/no-array-sort": "off", // sorting a list just made copies nothing
    "unicorn/no-array-reverse": "off",
    "unicorn/require-module-specifiers": "off",
    "typescript/no-unsafe-type-assertion": "off", // `as` states its reason on the line instead
  },
  overrides: packages.map((name) => ({
    files: [`packages/${name}/src/**`],
    rules: { "no-restricted-imports": ["error", { patterns: restrictedImports(name) }] },
  })),
});

/** What a package exports besides itself, such as `@sallyport/exec-policy/check`. */
function furtherEntries(name: string): string[] {
  const description = readFileSync(new URL(`packages/${name}/package.json`, import.meta.url), "utf8");
  const { exports = {} } = JSON.parse(description) as { exports?: object };
  return Object.keys(exports).flatMap((entry) => (entry === "." ? [] : [entry.replace(".", `@sallyport/${name}`)]));
}

function restrictedImports(name: string) {
  const below = table.layers.slice(table.layers.findIndex((layer) => layer.includes(name)) + 1).flat();
  const allowed = below.filter((other) => !withoutNode.has(name) || withoutNode.has(other));
  const closed = packages.filter((other) => !allowed.includes(other)).map((other) => `@sallyport/${other}`);
  return [
    { group: closed, message: `${name} may import only what lies below it in scripts/layers.json` },
    {
      group: ["@sallyport/*/**", ...packages.flatMap(furtherEntries).map((entry) => `!${entry}`), "../**/packages/**"],
      message: "Import a package by its name; its files are its own",
    },
    ...(withoutNode.has(name)
      ? [{ group: ["node:*", "node:*/**"], message: `${name} is pure: it must run without Node` }]
      : []),
  ];
}
