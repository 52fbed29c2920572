import assert from "node:assert/strict";
import { test } from "node:test";
import { textFromBytes, textToBytes, textToDisplay } from "../src/index.ts";

test("bytes become text and the same bytes again", () => {
  for (const bytes of [[], [97, 10, 0], [0xc3, 0xbc], [0xff], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0xbf, 97]]) {
    assert.deepEqual([...textToBytes(textFromBytes(Buffer.from(bytes)))], bytes);
  }
});

test("only what is not UTF-8 is carried as base64", () => {
  assert.equal(textFromBytes(Buffer.from("ü")), "ü");
  assert.deepEqual(textFromBytes(Buffer.from([0xff])), { base64: "/w==" });
  assert.equal(textToDisplay({ base64: "/w==" }), "\ufffd");
});
