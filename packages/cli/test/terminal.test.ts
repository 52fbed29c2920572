import assert from "node:assert/strict";
import { test } from "node:test";
import { lookOf, paint } from "../src/terminal.ts";

const terminal = { isTTY: true, columns: 100 };

test("lookOf() has colours on a terminal only, and never with NO_COLOR", () => {
  const colors = (stream: { isTTY: boolean; columns: number }, env: NodeJS.ProcessEnv): boolean =>
    lookOf(stream, env).colors;
  assert.deepEqual(
    [
      colors(terminal, {}),
      colors({ ...terminal, isTTY: false }, {}),
      colors(terminal, { NO_COLOR: "1" }),
      colors(terminal, { TERM: "dumb" }),
    ],
    [true, false, false, false],
  );
});

test("lookOf() takes the width of the terminal up to 120, and 80 without one", () => {
  const columns = [terminal, { isTTY: true, columns: 200 }, { isTTY: false, columns: 200 }].map(
    (stream) => lookOf(stream, {}).columns,
  );
  assert.deepEqual(columns, [100, 120, 80]);
});

test("lookOf() draws lines where the locale is UTF-8", () => {
  const unicode = [{ LANG: "de_DE.UTF-8" }, { LANG: "C" }, { LC_ALL: "C", LANG: "C.UTF-8" }, {}].map(
    (env) => lookOf(terminal, env).unicode,
  );
  assert.deepEqual(unicode, [true, false, false, false]);
});

test("paint() paints only with colours", () => {
  const look = { columns: 80, colors: true, unicode: true };
  assert.deepEqual(
    [paint("a", "red", look), paint("a", "red", { ...look, colors: false })],
    ["\u001b[31ma\u001b[0m", "a"],
  );
});
