import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

/** Prints the names of the packages that the module loads: libraries, and ours. */
const program = `
  import { registerHooks } from "node:module";
  const names = new Set();
  registerHooks({
    load: (url, context, next) => {
      const [, name] = /\\/(?:node_modules|packages)\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*\\/node_modules\\/)/.exec(url) ?? [];
      if (name !== undefined) names.add(name);
      return next(url, context);
    },
  });
  await import(process.argv[1]);
  console.log(JSON.stringify([...names].toSorted()));
`;

test("core loads no schemas, no expression compiler and no provider before they are needed", () => {
  const index = new URL("../src/index.ts", import.meta.url).href;
  const options = ["--conditions=sallyport-source", "--input-type=module", "--eval", program, index];
  const loaded: unknown = JSON.parse(execFileSync(process.execPath, options, { encoding: "utf8" }));
  const ours = ["core", "exec-policy", "hooks", "rules-store", "sandbox", "shell-escalation", "supervisor"];
  assert.deepEqual(loaded, [...ours, "jsonc-parser", "smol-toml", "uuid"].toSorted());
});
