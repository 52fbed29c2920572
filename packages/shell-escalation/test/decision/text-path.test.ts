import assert from "node:assert/strict";
import { test } from "node:test";
import { displayPath } from "../../src/decision/text-path.ts";

test("displayPath() writes out what turns a reason around or hides a part of it", () => {
  const attacks: [path: Parameters<typeof displayPath>[0], shown: string][] = [
    ["/bin/\u202egpj.exe", String.raw`"/bin/\u{202e}gpj.exe"`],
    ["/bin/r\u200bm", String.raw`"/bin/r\u{200b}m"`],
    ["/bin/\u05d0", String.raw`"/bin/\u{5d0}"`],
    ["/bin/a\n\u001b[2J", String.raw`"/bin/a\n\u001b[2J"`],
  ];
  for (const [path, shown] of attacks) assert.equal(displayPath(path), shown);
  // The control: letters that deceive nobody stay, and so does what JSON has escaped.
  assert.equal(displayPath('/home/zoë/"日本"'), String.raw`"/home/zoë/\"日本\""`);
});
