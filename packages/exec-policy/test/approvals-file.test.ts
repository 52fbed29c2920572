import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatRulesError } from "@sallyport/exec-policy";
import { formatApproval, parseApprovals, parseRules } from "@sallyport/exec-policy/language";

const record = {
  id: "019ab000-0000-7000-8000-000000000001",
  pattern: ["git", "push", "origin"],
  exact: true,
  file: "/usr/bin/git",
  sha256: null,
  cwd: "/home/me/project",
  expires: null,
  addedAt: "2026-11-23T02:00:00.000Z",
  origin: { by: "the user", for: "pushing is for people" },
};

function problemsOf(text: string): string[] {
  return parseApprovals(text, "a.rules").errors.map(formatRulesError);
}

describe("parseApprovals()", () => {
  test("reads back what formatApproval() wrote", () => {
    const full = { ...record, sha256: "a".repeat(64), expires: "2027-01-31", exact: false, cwd: null };
    const threaded = { ...full, id: "2", origin: { ...record.origin, threadId: "thread-1" } };
    const text = formatApproval(record) + formatApproval(threaded);
    const { approvals, errors } = parseApprovals(text, "a.rules");
    assert.deepEqual(errors, []);
    assert.deepEqual(
      approvals.map(({ span: _, ...kept }) => kept),
      [record, threaded],
    );
    assert.equal(text.slice(approvals[0]?.span.start, approvals[0]?.span.end), formatApproval(record).trimEnd());
  });

  test("keeps every character of an argument, and writes none that paints or breaks the line", () => {
    const odd = ["a\nb", '"\\', "\u001b[2J", "\u202e", "\u{e0041}", "", "é", "\u2028", "{x}", "\u007f"];
    const text = formatApproval({ ...record, pattern: odd });
    assert.deepEqual(parseApprovals(text, "a.rules").approvals[0]?.pattern, odd);
    assert.doesNotMatch(text.trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  test("half a character in a reason does not make the file unreadable", () => {
    const text = formatApproval({ ...record, origin: { by: "a hook", for: "half \ud800" } });
    assert.deepEqual(parseApprovals(text, "a.rules").errors, []);
  });

  test("takes comments and calls over several lines, as people write them", () => {
    const text = '# mine\napproval(\n  id = "x",\n  pattern = ["ls"],\n  file = "/usr/bin/ls",\n)\n';
    assert.deepEqual(
      parseApprovals(text, "a.rules").approvals.map(({ id, exact, cwd, addedAt }) => ({ id, exact, cwd, addedAt })),
      [{ id: "x", exact: false, cwd: null, addedAt: "" }],
    );
  });

  test("one broken call and none counts", () => {
    const text = `${formatApproval(record)}approval(id = "x", pattern = ["ls"], file = "bin/ls")\n`;
    assert.deepEqual(parseApprovals(text, "a.rules").approvals, []);
    assert.deepEqual(problemsOf(text), [
      'a.rules:2:45: invalid file: "bin/ls" is not absolute, expected a path that starts with /',
    ]);
  });

  for (const [text, expected] of [
    [
      'prefix_rule(["ls"])',
      "a.rules:1:1: this is no approval, expected calls of approval() with their values written out, and nothing else",
    ],
    [
      "x = 1",
      "a.rules:1:1: this is no approval, expected calls of approval() with their values written out, and nothing else",
    ],
    [
      'approval(id = "a" + "b", pattern = ["ls"], file = "/l")',
      "a.rules:1:1: this is no approval, expected calls of approval() with their values written out, and nothing else",
    ],
    [
      'approval(id = "x", pattern = [], file = "/l")',
      "a.rules:1:30: invalid pattern: it is empty, expected at least the program",
    ],
    [
      'approval(id = "x", pattern = [["a", "b"]], file = "/l")',
      "a.rules:1:31: invalid pattern: an element is a list, expected strings, no alternatives",
    ],
    [
      'approval(id = "../x", pattern = ["a"], file = "/l")',
      'a.rules:1:15: invalid id: "../x", expected letters, digits and dashes, at most 64',
    ],
    [
      'approval(id = "x", pattern = ["a"], file = "/l", cwd = "w")',
      'a.rules:1:56: invalid cwd: "w" is not absolute, expected a path that starts with /',
    ],
    [
      'approval(id = "x", pattern = ["a"], file = "/l", expires = "2027-02-31")',
      'a.rules:1:60: invalid expires: "2027-02-31" is not a day, expected a day such as "2027-01-31"',
    ],
    [
      'approval(id = "x", pattern = ["a"])',
      "a.rules:1:1: Missing parameter `file` for call to `approval`, expected a string",
    ],
    [
      'approval(id = "x", pattern = ["a"], file = "/l", origin = {"to": "x"})',
      'a.rules:1:59: invalid origin: "to", expected "by", "for" and "thread" with strings',
    ],
  ] as const) {
    test(`refuses ${text}`, () => assert.deepEqual(problemsOf(text), [expected]));
  }

  test("refuses an id that is given twice", () => {
    assert.deepEqual(problemsOf(formatApproval(record) + formatApproval(record)), [
      `a.rules:2:1: the id "${record.id}" is given twice, expected another id for each approval`,
    ]);
  });
});

test("an approval anywhere else than in approvals.rules is refused", () => {
  const [error, ...more] = parseRules(formatApproval(record), "mine.rules").errors;
  assert.deepEqual(more, []);
  assert.match(
    error === undefined ? "" : formatRulesError(error),
    /^mine\.rules:1:1: the name "approval" is not known/,
  );
});
