import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, test } from "node:test";
import { executable } from "./sallyport.ts";

const page = readFileSync(fileURLToPath(new URL("../../../docs/hooks.md", import.meta.url)), "utf8");
const deadlineMs = 60_000;

interface Block {
  language: string;
  /** The file that it is; null: none. */
  file: string | null;
  text: string;
}

function blocks(): Block[] {
  return [...page.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language = "", file, text = ""]) => ({
    language,
    file: file ?? null,
    text,
  }));
}

/** A user's home folder and a project; `sallyport` is on the PATH. */
class Reader {
  readonly base: string = realpathSync(mkdtempSync(join(tmpdir(), "sallyport-docs-")));
  readonly home: string = join(this.base, "home");
  readonly project: string = join(this.base, "project");

  constructor() {
    after(() => rmSync(this.base, { recursive: true, force: true }));
    for (const folder of [this.home, this.project, join(this.base, "bin")]) mkdirSync(folder, { mode: 0o700 });
    symlinkSync(executable, join(this.base, "bin", "sallyport"));
    // The project's tests fail, as the page has it.
    writeFileSync(join(this.project, "test.sh"), "exit 1\n");
  }

  write(file: string, text: string): void {
    const path = file.startsWith("~/") ? join(this.home, file.slice(2)) : join(this.project, file);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, text, { mode: 0o600 });
  }

  call(command: string): string {
    const { SALLYPORT_HOME: _, NODE_OPTIONS: __, ...rest } = process.env;
    const env = { ...rest, HOME: this.home, PATH: `${join(this.base, "bin")}:${process.env["PATH"] ?? ""}` };
    const options = { cwd: this.project, env, encoding: "utf8", timeout: deadlineMs } as const;
    const { stdout, stderr, error } = spawnSync("sh", ["-c", command], options);
    assert.equal(error, undefined);
    return `${stderr}${stdout}`.replaceAll(this.home, "~");
  }
}

test("every example of docs/hooks.md does what the page says", () => {
  const reader = new Reader();
  let commands = 0;
  for (const { language, file, text } of blocks()) {
    if (file !== null) reader.write(file, text);
    if (language !== "console") continue;
    for (const part of text.split(/^\$ /m).slice(1)) {
      const [command = "", ...lines] = part.split("\n");
      assert.match(reader.call(command), patternOf(lines.join("\n")), command);
      commands += 1;
    }
  }
  assert.equal(commands, 11);
});

/** `...` stands for anything within a line. */
function patternOf(expected: string): RegExp {
  const parts = expected.split("...").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join("[^\\n]*")}$`);
}

test("the pattern of an example is strict", () => {
  assert.match("exit 2, 13 ms\n", patternOf("exit 2, ... ms\n"));
  assert.doesNotMatch("exit 2, 13 ms\nmore\n", patternOf("exit 2, ... ms\n"));
  assert.doesNotMatch("exit 1, 13 ms\n", patternOf("exit 2, ... ms\n"));
});

test("the program of docs/hooks.md prints what the page says", () => {
  const found = blocks();
  const program = found.find(({ language }) => language === "ts")?.text ?? "";
  const expected = found.find(({ language }) => language === "text")?.text;
  const args = ["--conditions=sallyport-source", "--input-type=module-typescript", "-e", program];
  const { NODE_OPTIONS: _, ...env } = process.env;
  const options = { cwd: import.meta.dirname, encoding: "utf8", timeout: deadlineMs, env } as const;
  assert.equal(execFileSync(process.execPath, args, options), expected);
});

test("the files of docs/hooks.md have nothing to complain about", () => {
  const reader = new Reader();
  for (const { file, text } of blocks()) {
    if (file === null || file.endsWith(".sh")) continue;
    reader.write(file, text);
    const path = file.startsWith("~/") ? file : `./${file}`;
    assert.match(reader.call(`sallyport hooks validate ${path}`), /: [12] hooks?, nothing to complain about\n$/);
  }
  // The negative control.
  appendFileSync(join(reader.project, ".sallyport/config.toml"), "[[hooks.Stopp]]\n");
  assert.match(reader.call("sallyport hooks validate .sallyport/config.toml"), /did you mean "Stop"/);
});
