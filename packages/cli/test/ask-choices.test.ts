import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deny, denyFor, offerChoices, readChoice, readWords } from "../src/ask-choices.ts";
import { questionAbout } from "./question.ts";

const narrow = { pattern: ["git", "push"], exact: true, file: "/usr/bin/git", sha256: null, cwd: "/home/me" };
const broad = { pattern: ["git"], exact: false, file: "/usr/bin/git", sha256: null, cwd: null };
const question = questionAbout({ proposals: [narrow, broad] });
const offered = offerChoices(question, true);
const allow = { kind: "allow", by: "the user" };

const typed: [line: string, choice: unknown][] = [
  ["y\n", { kind: "answer", answer: allow }],
  ["Y\n", { kind: "answer", answer: allow }],
  [" y \n", { kind: "answer", answer: allow }],
  ["s\n", { kind: "answer", answer: { ...allow, keep: { scope: "session" } } }],
  ["a\n", { kind: "answer", answer: { ...allow, keep: { scope: "always", proposal: narrow } } }],
  ["1\n", { kind: "answer", answer: { ...allow, keep: { scope: "always", proposal: narrow } } }],
  ["2\n", { kind: "answer", answer: { ...allow, keep: { scope: "always", proposal: broad } } }],
  ["n\n", { kind: "answer", answer: deny("the user said no") }],
  ["t\n", { kind: "deny-with-reason" }],
  ["v\n", { kind: "show-all" }],
  ["\u0003", { kind: "interrupt" }],
  ["y\u0003", { kind: "interrupt" }],
  ["y\u001c", { kind: "interrupt" }],
  ["", { kind: "closed" }],
  // The end of the input in the middle of a line is no Enter.
  ["y", { kind: "unclear" }],
  ["\n", { kind: "unclear" }],
  ["yes\n", { kind: "unclear" }],
  ["yy\n", { kind: "unclear" }],
  ["3\n", { kind: "unclear" }],
  ["0\n", { kind: "unclear" }],
  // What terminals answer when the job has asked them something.
  ["\u001B[5;7Ry\n", { kind: "unclear" }],
  ["y\u001B[?62;22c\n", { kind: "unclear" }],
  ["\u001B]ly\u001B\\\n", { kind: "unclear" }],
  ["\u0000y\n", { kind: "unclear" }],
  ["\u009By\n", { kind: "unclear" }],
  ["\u200by\n", { kind: "unclear" }],
];

for (const [line, choice] of typed) {
  test(`readChoice() of ${JSON.stringify(line)}`, () =>
    assert.deepEqual(readChoice(Buffer.from(line), offered), choice));
}

test("readChoice() takes no bytes that are not UTF-8", () => {
  assert.deepEqual(readChoice(Buffer.from([0xff, 0x79, 0x0a]), offered), { kind: "unclear" });
});

describe("offerChoices()", () => {
  const keysOf = (keeps: boolean, proposals = question.proposals): string[] =>
    offerChoices({ ...question, proposals }, keeps).flatMap(({ keys }) => keys);

  test("no key means two things", () => {
    const keys = keysOf(true);
    assert.equal(new Set(keys).size, keys.length);
  });

  test("offers to keep a yes only where it can be kept", () => {
    assert.deepEqual(keysOf(false), ["y", "n", "t", "v"]);
    assert.deepEqual(keysOf(true, []), ["y", "s", "n", "t", "v"]);
    assert.deepEqual(keysOf(true), ["y", "s", "a", "1", "2", "n", "t", "v"]);
  });
});

test("offerChoices() offers one yes and no other where only a person's own word counts", () => {
  const keys = offerChoices(questionAbout({ answeredBy: "person" }), true).map((choice) => choice.keys);
  assert.deepEqual(keys, [["y"], ["n"], ["t"], ["v"]]);
});

test("readWords() gives the agent one clean, bounded line", () => {
  assert.equal(readWords(Buffer.from("  use the ünstable branch \n")), "use the ünstable branch");
  assert.equal(readWords(Buffer.from(`${"x".repeat(1000)}\n`)), "x".repeat(300));
  assert.deepEqual(readWords(Buffer.from("a\u001B[31mb\n")), { kind: "unclear" });
  assert.deepEqual([denyFor(""), denyFor("why")], [deny("the user said no"), deny("the user said no: why")]);
});
