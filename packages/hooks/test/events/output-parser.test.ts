import { test } from "node:test";
import assert from "node:assert/strict";
import { parseOutput, trimWhiteSpace } from "../../src/events/output-parser.ts";
import { streamOf } from "../conformance/judge-case.ts";
import { Random } from "../support/random.ts";

const problemOf = (text: string): string => {
  const parsed = parseOutput("PreToolUse", streamOf(text));
  return parsed.kind === "invalid" ? parsed.problem : assert.fail(`${text} is ${parsed.kind}`);
};

test("parseOutput() names the field, what it is and what was expected", () => {
  const specific = (fields: object) =>
    JSON.stringify({ hookSpecificOutput: { hookEventName: "PreToolUse", ...fields } });
  const says: [output: string, problem: string][] = [
    [`{"nope":1}`, `unknown field "nope"`],
    [specific({ permisionDecision: "deny" }), `unknown field "hookSpecificOutput.permisionDecision"`],
    [`{"decision":"deny"}`, `"decision" is "deny", expected "approve" or "block"`],
    [`{"continue":"no"}`, `"continue" is "no", expected boolean`],
    [specific({ additionalContext: [1] }), `"hookSpecificOutput.additionalContext" is an array, expected string`],
    [`{"hookSpecificOutput":7}`, `"hookSpecificOutput" is 7, expected object`],
    [`[]`, `all of it is an array, expected object`],
  ];
  for (const [output, problem] of says) {
    assert.equal(problemOf(output), problem);
  }
});

test("parseOutput() lists three problems, not thousands", () => {
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key${index}`, index])));
  assert.equal(problemOf(many), `unknown field "key0", "key1", "key2"`);
});

test("parseOutput() shortens a long value in its message", () => {
  const problem = problemOf(JSON.stringify({ decision: "x".repeat(10_000) }));
  assert.ok(problem.length < 200, problem);
  assert.match(problem, /"decision" is "x+\.\.\., expected/);
});

test("parseOutput() reads bytes that are not UTF-8 as U+FFFD", () => {
  assert.deepEqual(parseOutput("SessionStart", streamOf(Buffer.from([0x61, 0xff, 0x62]))), {
    kind: "text",
    text: "a\ufffdb",
  });
});

test("parseOutput() marks text that did not fit and says where all of it is", () => {
  const stdout = { bytes: Buffer.from("abc"), totalBytes: 10, spillFile: "/spill/1" };
  assert.deepEqual(parseOutput("SessionStart", stdout), {
    kind: "text",
    text: "abc\n[7 of 10 bytes left out; all of it is in /spill/1]",
  });
});

test("parseOutput() takes no JSON that did not fit, even if what fitted is whole", () => {
  const stdout = { bytes: Buffer.from("{}"), totalBytes: 10, spillFile: "/spill/1" };
  assert.deepEqual(parseOutput("SessionStart", stdout), {
    kind: "invalid",
    problem: "10 bytes, expected at most 2 of JSON; all of it is in /spill/1",
  });
  assert.equal(parseOutput("SessionStart", { ...stdout, totalBytes: 2, spillFile: null }).kind, "object");
});

test("parseOutput() leaves half characters out and whole ones in", () => {
  const whole = parseOutput("Stop", streamOf(`{"systemMessage":"\\ud83d\\ude00"}`));
  assert.deepEqual(whole, { kind: "object", output: { systemMessage: "😀" } });
  assert.deepEqual(parseOutput("Stop", streamOf(`{"systemMessage":"\\\\ud800"}`)), {
    kind: "object",
    output: { systemMessage: "\\ud800" },
  });
  for (const half of [`{"systemMessage":"\\ude00"}`, `{"\\ud800":1}`]) {
    assert.equal(parseOutput("Stop", streamOf(half)).kind, "invalid");
  }
});

test("parseOutput() takes a rewrite that JSON can write again, however deep brackets in strings look", () => {
  const updatedInput = { command: "[".repeat(5000), nested: { quote: '"[[[' } };
  const hookSpecificOutput = { hookEventName: "PreToolUse", permissionDecision: "allow", updatedInput };
  assert.deepEqual(parseOutput("PreToolUse", streamOf(JSON.stringify({ hookSpecificOutput }))), {
    kind: "object",
    output: { hookSpecificOutput },
  });
});

test("parseOutput() takes linear time on blanks, brackets and half escapes", () => {
  const mebibyte = 1 << 20;
  for (const hostile of [
    `${" ".repeat(mebibyte - 1)}x`,
    `x${" ".repeat(mebibyte - 1)}`,
    "[".repeat(mebibyte),
    `{"${"\\".repeat(mebibyte - 2)}`,
    `["${"\\ud800".repeat(170_000)}"]`,
    `{${'"a":1,'.repeat(170_000)}"a":1}`,
  ]) {
    const startedAtMs = performance.now();
    parseOutput("SessionStart", streamOf(hostile));
    // A quadratic pass over a megabyte takes minutes; this bound is generous for a loaded machine.
    assert.ok(performance.now() - startedAtMs < 10_000, hostile.slice(0, 20));
  }
});

test("trimWhiteSpace() keeps a byte order mark, which trim() does not", () => {
  assert.equal(trimWhiteSpace("\u0085\u00a0 \ufeffx\u2003\n"), "\ufeffx");
  assert.equal(trimWhiteSpace(" \n"), "");
});

const pieces = [
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  '"',
  "\\",
  "null",
  "true",
  "false",
  "1e999",
  "-0",
  '"continue"',
  '"decision"',
  '"block"',
  '"hookSpecificOutput"',
  '"hookEventName"',
  '"PreToolUse"',
  '"updatedInput"',
  '"__proto__"',
  '"constructor"',
  "\\ud800",
  "\u0000",
  "\ufeff",
  " ",
  "\n",
  "é",
] as const;

test("parseOutput() of random output is one of four kinds and never throws", () => {
  const random = new Random(20_260_401);
  const found = new Set<string>();
  for (let round = 0; round < 20_000; round += 1) {
    const length = random.below(24);
    const parts = Array.from({ length }, () => pieces[random.below(pieces.length)] ?? "");
    const start = random.below(2) === 0 ? "{" : "";
    const bytes = Buffer.from(start + parts.join(""));
    const event = (["PreToolUse", "Stop", "SessionStart", "PreExec"] as const)[random.below(4)] ?? "Stop";
    found.add(parseOutput(event, streamOf(random.below(4) === 0 ? random.mutate(bytes) : bytes)).kind);
  }
  assert.deepEqual([...found].sort(), ["invalid", "nothing", "object", "text"]);
});

test("parseOutput() of valid output with one byte changed never throws, and an object it gives can be written again", () => {
  const valid = JSON.stringify({
    systemMessage: "m",
    hookSpecificOutput: {
      hookEventName: "PreToolUse",
      permissionDecision: "allow",
      updatedInput: { command: "true", list: [1, null, { a: "b" }] },
    },
  });
  const random = new Random(7);
  for (let round = 0; round < 20_000; round += 1) {
    const parsed = parseOutput("PreToolUse", streamOf(random.mutate(Buffer.from(valid))));
    if (parsed.kind === "object") assert.equal(typeof JSON.stringify(parsed.output), "string");
  }
});
