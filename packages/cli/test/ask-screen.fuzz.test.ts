/** Seeded: a failure names its round. Whatever hostile code calls its programs, what is shown is lines of ours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Text } from "@sallyport/protocol";
import { displayQuoted, displayWidth } from "../src/display-text.ts";
import { fullLines, shortLines, usableSize } from "../src/ask-screen.ts";
import { questionAbout } from "./question.ts";

const rounds = 300;
const pieces = [
  ...Array.from(
    "aZ \"\\'/=-\n\r\t\u001B\u0000\u007F\u009B\u200B\u202E\u2066\uFEFF\u2028\u3000\u0301\u20DD\u05D0\u0627日é🙂\u{E0041}",
  ),
  "\uD800",
  "\u001B[2J",
  "\u001B]0;title\u0007",
  "\r\nYour choice: y\r\n",
  "program     /bin/true",
  "\\x1b",
  "\\u{202e}",
  '" [1] "',
  "… 5 of 9 characters left out …",
  "x".repeat(200),
  "e\u0301\u0301\u0301\u0301",
];
const labels = ["program", "arguments", "folder", "variables", "started by", "asked by", "note", ""];

/** Mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function makeText(random: (below: number) => number): Text {
  if (random(8) === 0) {
    const bytes = Array.from({ length: random(40) }, () => random(256));
    return { base64: Buffer.from(bytes).toString("base64") };
  }
  return makeString(random);
}

function makeString(random: (below: number) => number): string {
  return Array.from({ length: random(12) }, () => pieces[random(pieces.length)] ?? "").join("");
}

function checkLines(lines: readonly string[], columns: number, round: number): void {
  assert.equal(lines[0], "Sallyport asks: may this program run?");
  for (const line of lines) {
    assert.ok(displayWidth(line) <= Math.max(columns, 40), `round ${round}: ${JSON.stringify(line)}`);
    assert.doesNotMatch(line, /[\p{C}\p{Zl}\p{Zp}\u0590-\u08FF]|(?! )\p{Zs}|\p{M}{3}/u, `round ${round}`);
  }
  // What stands in the first columns is ours.
  for (const line of lines.slice(2)) assert.ok(labels.includes(line.slice(0, 12).trimEnd()), `round ${round}: ${line}`);
}

test("no line is wider than the terminal, nothing in it moves the cursor, and only labels stand at its start", () => {
  for (let round = 0; round < rounds; round++) {
    const random = randomFrom(round);
    const list = (most: number): Text[] => Array.from({ length: random(most) }, () => makeText(random));
    const question = questionAbout({
      file: makeText(random),
      argv: list(60),
      cwd: makeText(random),
      changedEnv: list(20),
      droppedEnv: list(4),
      parents: list(12),
      reason: makeString(random),
      rule: random(2) === 0 ? null : makeString(random),
    });
    const size = { rows: random(70), columns: random(200) };
    const short = shortLines(question, size, 12);
    checkLines(short, size.columns === 0 ? 80 : size.columns, round);
    checkLines(fullLines(question, size), size.columns === 0 ? 80 : size.columns, round);
  }
});

test("letters that some terminals draw over two columns have room for it", () => {
  // Watches, umbrellas, Greek, Hangul letters, box drawing: counted one column wide by some, two by others.
  const question = questionAbout({ argv: ["id", "\u231a\u2614\u2705αβㅎ━".repeat(100)] });
  const ofArgument = fullLines(question, { rows: 24, columns: 80 }).filter((line) => line.includes("\u2614"));
  assert.ok(ofArgument.length > 1);
  for (const line of ofArgument) {
    const letters = line.replace(/[ -~]/g, "").length;
    assert.ok(line.length + letters <= 80, line);
  }
});

test("in a terminal that is narrower than the text, each line counts as the rows that it takes", () => {
  const sizes = [
    [40, 100],
    [24, 39],
    [24, 1],
    [0, 0],
  ].map(([rows = 0, columns = 0]) => usableSize({ rows, columns }));
  assert.deepEqual(sizes, [
    { rows: 40, columns: 100 },
    { rows: 12, columns: 40 },
    { rows: 1, columns: 40 },
    { rows: 24, columns: 80 },
  ]);
});

/** What displayQuoted() did, undone. */
function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(
      /\\(?:u\{([0-9a-f]+)\}|x([0-9a-f]{2})|([nrt])|(["\\]))/g,
      (
        _,
        wide: string | undefined,
        byte: string | undefined,
        letter: string | undefined,
        plain: string | undefined,
      ) => {
        if (plain !== undefined) return plain;
        if (letter !== undefined) return { n: "\n", r: "\r", t: "\t" }[letter] ?? "";
        return String.fromCodePoint(Number.parseInt(wide ?? byte ?? "", 16));
      },
    );
}

test("no two texts look the same", () => {
  for (let round = 0; round < rounds; round++) {
    const text = makeText(randomFrom(round));
    if (typeof text !== "string") continue;
    assert.equal(unquote(displayQuoted(text)), text, `round ${round}`);
  }
});

test("what is left out of an argument is named, outside of the quotes", () => {
  const argument = `${"a".repeat(500)}rm -rf /${"b".repeat(500)}`;
  const question = questionAbout({ argv: ["sh", argument] });
  const text = shortLines(question, { rows: 50, columns: 100 }, 10)
    .map((line) => line.slice(12))
    .join("");
  assert.ok(text.includes(`"${"a".repeat(120)}" … 848 of 1008 characters left out … "${"b".repeat(40)}"`), text);
  const full = fullLines(question, { rows: 50, columns: 100 }).map((line) => line.slice(12));
  assert.ok(full.join("").includes(argument));
});

test("a long list of arguments is cut to the screen, and says so", () => {
  const argv = ["cp", ...Array.from({ length: 500 }, (_, at) => `file-${at}`)];
  const lines = shortLines(questionAbout({ argv }), { rows: 30, columns: 80 }, 12);
  assert.ok(lines.length <= 18, String(lines.length));
  assert.ok(lines.some((line) => line.includes("(of 501 arguments not all are shown; v shows them)")));
});

test("usual changes of a shell are not shown, others are", () => {
  const changedEnv = ["_=/usr/bin/git", "SHLVL=3", "PWD=/x", "GIT_SSH_COMMAND=evil"];
  const lines = fullLines(questionAbout({ changedEnv, droppedEnv: ["HOME=/home/me"] }), { rows: 24, columns: 80 });
  assert.deepEqual(
    lines.filter((line) => line.startsWith("variables") || line.includes("not set")),
    ['variables   "GIT_SSH_COMMAND=evil"', '            not set: "HOME"'],
  );
});
