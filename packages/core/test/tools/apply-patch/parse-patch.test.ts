import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePatch } from "../../../src/tools/apply-patch/parse-patch.ts";

test("parsePatch() reads every kind of change", () => {
  const patch = `*** Begin Patch
*** Add File: a/new.txt
+one
+
+ two
*** Delete File: old.txt
*** Update File: src/x.ts
*** Move to: src/y.ts
@@ class A
@@   method()
 kept

-gone
+come
@@
-last
*** End of File
*** End Patch
`;
  assert.deepEqual(parsePatch(patch), [
    { kind: "add", path: "a/new.txt", content: "one\n\n two\n" },
    { kind: "delete", path: "old.txt" },
    {
      kind: "update",
      path: "src/x.ts",
      moveTo: "src/y.ts",
      chunks: [
        {
          anchors: ["class A", "  method()"],
          lines: [
            { kind: "keep", text: "kept" },
            { kind: "keep", text: "" },
            { kind: "remove", text: "gone" },
            { kind: "add", text: "come" },
          ],
          atEnd: false,
        },
        { anchors: [], lines: [{ kind: "remove", text: "last" }], atEnd: true },
      ],
    },
  ]);
});

const wrong: [name: string, patch: string, message: RegExp][] = [
  ["no beginning", "*** Add File: a\n+x\n*** End Patch", /Line 1 of the patch, .*: expected "\*\*\* Begin Patch"/],
  ["no end", "*** Begin Patch\n*** Delete File: a", /expected "\*\*\* Add File: PATH"/],
  ["no change", "*** Begin Patch\n*** End Patch", /changes no file/],
  ["text behind it", "*** Begin Patch\n*** Delete File: a\n*** End Patch\nrm -rf /", /Line 4 .*stands after/],
  ["a line without a mark", "*** Begin Patch\n*** Update File: a\nx\n*** End Patch", /Line 3 .*begins with/],
  ["an update of nothing", "*** Begin Patch\n*** Update File: a\n*** End Patch", /no change of "a"/],
  ["no name", "*** Begin Patch\n*** Delete File:  \n*** End Patch", /names no file/],
  ["a name with a NUL", "*** Begin Patch\n*** Delete File: a\0b\n*** End Patch", /names no file/],
  ["nonsense", "{}", /Line 1/],
];

for (const [name, patch, message] of wrong) {
  test(`parsePatch() refuses ${name}`, () => {
    assert.throws(() => parsePatch(patch), { name: "PatchError", message });
  });
}

test("parsePatch() ends with a patch or a PatchError, whatever it is given", () => {
  // A seeded walk: the same inputs in every run.
  let state = 12_345;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % below;
  };
  const pieces = ["*** Begin Patch\n", "*** End Patch", "*** Add File: ", "*** Update File: a\n", "*** Move to: b\n"];
  pieces.push("@@", "+x\n", "-y\n", " z\n", "\n", "*** End of File\n", "*** ", "\0", "é", "*** Delete File: c\n");
  let parsed = 0;
  for (let round = 0; round < 3000; round += 1) {
    const patch = Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join("");
    try {
      parsePatch(round % 2 === 0 ? patch : `*** Begin Patch\n${patch}\n*** End Patch`);
      parsed += 1;
    } catch (error) {
      assert.equal((error as Error).name, "PatchError", String(error));
    }
  }
  assert.ok(parsed > 5, `${parsed}`);
});
