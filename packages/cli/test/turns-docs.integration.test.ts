/** Plays the example of docs/turns.md and compares what is stored with the page. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/turns.md"), "utf8");

function block(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page) ?? [];
  assert.ok(text !== undefined, `docs/turns.md has a block of ${language}`);
  return text;
}

test("docs/turns.md shows what is stored of its example", () => {
  const base = mkdtempSync(join(tmpdir(), "sallyport-turns-"));
  try {
    const home = join(base, "home");
    const folder = join(base, "project");
    mkdirSync(home, { mode: 0o700 });
    mkdirSync(folder);
    writeFileSync(join(home, "hooks.json"), block("json"));
    writeFileSync(join(folder, "answers.jsonl"), block("jsonl"));
    const sallyport = (...words: string[]): string =>
      execFileSync(join(root, "bin/sallyport"), words, {
        cwd: folder,
        env: { PATH: process.env["PATH"], HOME: base, SALLYPORT_HOME: home, LANG: "C.UTF-8" },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 60_000,
      });
    sallyport("hooks", "trust", "--all");
    sallyport("exec", "--model", "scripted:answers.jsonl", "greet me");
    const shown = sallyport("threads", "show", "last")
      .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>")
      .replace(folder, "<folder>");
    assert.equal(shown, block("transcript"));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
});
