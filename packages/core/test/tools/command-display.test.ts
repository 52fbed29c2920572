import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import type { Text } from "@sallyport/protocol";
import { textToBytes } from "@sallyport/supervisor";
import { displayProgram } from "../../src/tools/command-display.ts";

test("displayProgram() shows the file that runs, and beside it the name that it is called by where that is another", () => {
  assert.equal(displayProgram("/usr/bin/git", ["git", "push", "a b"]), "/usr/bin/git push 'a b'");
  assert.equal(displayProgram("/usr/bin/git", ["/usr/bin/git", "push"]), "/usr/bin/git push");
  assert.equal(displayProgram("/bin/rm", ["ls", "-l"]), "exec -a ls /bin/rm -l");
  assert.equal(displayProgram("/bin/rm", []), "exec -a '' /bin/rm");
  assert.equal(displayProgram("/work/a b", ["git status; #"]), "exec -a 'git status; #' '/work/a b'");
});

test("displayProgram() writes out what could deceive the eye", () => {
  const shown = displayProgram("/bin/rm", [
    "rm",
    "\u001B[2K",
    "a\nb'c\\",
    "\u202Edcba",
    "\u200B",
    "\u05D0",
    "日é",
    "\u{E0041}",
  ]);
  const words = [
    "/bin/rm",
    String.raw`$'\x1b[2K'`,
    String.raw`$'a\nb\'c\\'`,
    String.raw`$'\u202edcba'`,
    String.raw`$'\u200b'`,
    String.raw`$'\u05d0'`,
    "'日é'",
    String.raw`$'\U000e0041'`,
  ];
  assert.equal(shown, words.join(" "));
});

test("a shell makes the same words of what displayProgram() shows", () => {
  const bytes: Text = { base64: Buffer.from([0x61, 0x27, 0x5c, 0xff, 0x80, 0x0a, 0x41]).toString("base64") };
  const args: Text[] = [
    "",
    " ",
    "it's",
    "\\n",
    "$HOME `id` !x *",
    "\n\t\r\u0001",
    "\u202Eabc",
    "e\u0301\u0301\u0301",
    "\u{10FFFF}f",
    bytes,
  ];
  const [, ...words] = displayProgram("/bin/x", ["x", ...args]).split("/bin/x");
  const printed = execFileSync("bash", ["-c", `printf '%s\\0' ${words.join("/bin/x")}`], {
    env: { LC_ALL: "C.UTF-8", PATH: process.env["PATH"] ?? "" },
  });
  assert.deepEqual(printed, Buffer.concat(args.flatMap((word) => [textToBytes(word), Buffer.from([0])])));
});
