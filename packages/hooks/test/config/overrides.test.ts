import assert from "node:assert/strict";
import { test } from "node:test";
import { overridesFromObject, parseOverride } from "@sallyport/hooks";

const rows: [text: string, path: string[], value: unknown][] = [
  ["model=o3", ["model"], "o3"],
  ['model="o3"', ["model"], "o3"],
  ["a.b.c=1", ["a", "b", "c"], 1n],
  ["a = 1.5", ["a"], 1.5],
  ["a=true", ["a"], true],
  ["a=[1, 'x']", ["a"], [1n, "x"]],
  ["a={ b = 1 }", ["a"], { b: 1n }],
  ["a=", ["a"], ""],
  ["a=b=c", ["a"], "b=c"],
  ["a=1\nb = 2", ["a"], "1\nb = 2"],
  ["a='it is", ["a"], "'it is"],
  ['projects."/a.b/c=d".trust_level=trusted', ["projects", "/a.b/c=d", "trust_level"], "trusted"],
];

for (const [text, path, value] of rows) {
  test(`parseOverride(${JSON.stringify(text)})`, () => {
    const parsed = parseOverride(text);
    assert.deepEqual(JSON.stringify(parsed, bigintAsText), JSON.stringify({ path, value }, bigintAsText));
  });
}

for (const bad of ["", "a", "=1", "a b=1", "a.=1", "a\nb=1", "[a]=1", '"a=1', "a#b=1", "__proto__.x=1"]) {
  test(`parseOverride(${JSON.stringify(bad)}) is refused`, () => {
    assert.throws(() => parseOverride(bad), { code: "CONFIG_INVALID" });
  });
}

test("a request's config object means the same, dotted keys and all", () => {
  const overrides = overridesFromObject({ model: "m", "hooks.Stop": [{ hooks: [{ timeout: 5 }] }], "a b": 1.5 });
  assert.deepEqual(overrides, [
    { path: ["model"], value: "m" },
    { path: ["hooks", "Stop"], value: [{ hooks: [{ timeout: 5n }] }] },
    { path: ["a b"], value: 1.5 },
  ]);
});

function bigintAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
