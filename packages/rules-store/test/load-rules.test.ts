import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { isSallyportError } from "@sallyport/supervisor";
import { loadRules } from "../src/index.ts";
import type { LoadRulesOptions } from "../src/index.ts";

function makeHome(context: TestContext, files: Record<string, string>): string {
  const home = mkdtempSync(join(tmpdir(), "rules-store-"));
  context.after(() => rmSync(home, { recursive: true }));
  mkdirSync(join(home, "rules"), { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text, { mode: 0o600 });
  return home;
}

function problems(options: LoadRulesOptions): { message: string; count: number } {
  try {
    loadRules(options);
  } catch (error) {
    assert.ok(isSallyportError(error));
    assert.equal(error.code, "RULES_INVALID");
    assert.ok(Array.isArray(error.data["errors"]));
    return { message: error.message, count: error.data["errors"].length };
  }
  return { message: "none", count: 0 };
}

const rule = 'prefix_rule(["ls"])\n';

test("loadRules() reads the home's files sorted, then the named ones, and remembers their origin", (context) => {
  const home = makeHome(context, { "rules/b.rules": rule, "rules/a.rules": rule, "extra.rules": rule });
  const at = { line: 1, column: 1 };
  const common = {
    program: "ls",
    rest: [],
    decision: "allow",
    escalate: false,
    env: [],
    canonical: false,
    exact: false,
  };
  assert.deepEqual(loadRules({ home, files: [join(home, "extra.rules")], discover: true }), {
    files: [
      { path: join(home, "rules/a.rules"), origin: "user", own: [] },
      { path: join(home, "rules/b.rules"), origin: "user", own: [] },
      { path: join(home, "extra.rules"), origin: "flag", own: [] },
    ],
    hosts: new Map(),
    rules: [
      { ...common, at: { file: join(home, "rules/a.rules"), ...at }, origin: "user" },
      { ...common, at: { file: join(home, "rules/b.rules"), ...at }, origin: "user" },
      { ...common, at: { file: join(home, "extra.rules"), ...at }, origin: "flag" },
    ],
  });
});

test("loadRules() takes only regular files that end in .rules from the home", (context) => {
  const home = makeHome(context, {
    "rules/.x.rules": rule,
    "rules/.rules": "!",
    "rules/a.RULES": "!",
    "rules/a.txt": "!",
    real: "!",
  });
  symlinkSync(join(home, "real"), join(home, "rules/link.rules"));
  mkdirSync(join(home, "rules/folder.rules"));
  assert.deepEqual(loadRules({ home, files: [], discover: true }).files, [
    { path: join(home, "rules/.x.rules"), origin: "user", own: [] },
  ]);
});

test("loadRules() follows a link that a person named", (context) => {
  const home = makeHome(context, { real: rule });
  symlinkSync(join(home, "real"), join(home, "link"));
  assert.equal(loadRules({ home, files: [join(home, "link")], discover: false }).rules.length, 1);
});

test("loadRules() needs no rules folder and reads none without discover", (context) => {
  const home = makeHome(context, { "rules/a.rules": "broken" });
  const nothing = { rules: [], hosts: new Map(), files: [] };
  assert.deepEqual(loadRules({ home, files: [], discover: false }), nothing);
  assert.deepEqual(loadRules({ home: join(home, "missing"), files: [], discover: true }), nothing);
});

test("loadRules() reports the first problem in one line and all of them in data", (context) => {
  const home = makeHome(context, {
    "rules/a.rules": "prefix_rule([])\nprefix_rule([1])\n",
    "rules/b.rules": rule,
    "rules/c.rules": "!",
  });
  assert.deepEqual(problems({ home, files: [], discover: true }), {
    message: `${join(home, "rules/a.rules")}:1:13: invalid pattern element: pattern cannot be empty, expected at least the program`,
    count: 3,
  });
});

test("loadRules() refuses what it cannot read", (context) => {
  const home = makeHome(context, {
    "latin1.rules": "",
    "large.rules": "#".repeat(8_388_609),
    "full.rules": "#".repeat(8_388_608),
  });
  writeFileSync(join(home, "latin1.rules"), Buffer.from("# ok\n# \xe9\n", "latin1"));
  const tryFile = (name: string): string =>
    problems({ home, files: [join(home, name)], discover: false }).message.replace(home, "~");
  assert.deepEqual(["missing.rules", "rules", "latin1.rules", "large.rules", "full.rules"].map(tryFile), [
    "~/missing.rules:1:1: the file cannot be read (ENOENT), expected a file that you may read",
    "~/rules:1:1: this is not a regular file, expected a regular file",
    "~/latin1.rules:2:1: bytes that are not valid UTF-8, expected text in UTF-8",
    "~/large.rules:1:1: the file is too large, expected at most 8388608 bytes",
    "none",
  ]);
});

test("loadRules() refuses a rules folder that is a file", (context) => {
  const home = makeHome(context, {});
  rmSync(join(home, "rules"), { recursive: true });
  writeFileSync(join(home, "rules"), rule);
  assert.deepEqual(problems({ home, files: [], discover: true }), {
    message: `${join(home, "rules")}:1:1: the folder cannot be read (ENOTDIR), expected a folder of .rules files`,
    count: 1,
  });
});

test("loadRules() refuses files and folders that others can write", (context) => {
  const home = makeHome(context, { "rules/a.rules": rule });
  const load = (): string => problems({ home, files: [], discover: true }).message.replaceAll(home, "~");
  const outcomes = ["rules/a.rules", "rules", "."].flatMap((name) =>
    [0o720, 0o702, 0o700].map((mode) => {
      chmodSync(join(home, name), mode);
      return load();
    }),
  );
  const expected = "expected only its owner to write it: chmod go-w";
  assert.deepEqual(outcomes, [
    `~/rules/a.rules:1:1: the file can be written by others (mode 0720), ${expected}`,
    `~/rules/a.rules:1:1: the file can be written by others (mode 0702), ${expected}`,
    "none",
    `~/rules:1:1: the folder can be written by others (mode 0720), ${expected}`,
    `~/rules:1:1: the folder can be written by others (mode 0702), ${expected}`,
    "none",
    `~:1:1: the folder can be written by others (mode 0720), ${expected}`,
    `~:1:1: the folder can be written by others (mode 0702), ${expected}`,
    "none",
  ]);
});

const skipOwner = process.geteuid?.() === 0 ? false : "needs root to give a file to somebody else";

test("loadRules() refuses a file of another user", { skip: skipOwner }, (context) => {
  const home = makeHome(context, { "rules/a.rules": rule });
  const path = join(home, "rules/a.rules");
  assert.equal(problems({ home, files: [], discover: true }).message, "none");
  chownSync(path, 12345, 0);
  assert.equal(
    problems({ home, files: [], discover: true }).message,
    `${path}:1:1: the file belongs to user 12345, expected user 0 or root as its owner`,
  );
});

test("loadRules() hands host_executable entries on from file to file; the last one of a name counts", (context) => {
  const home = makeHome(context, {
    "rules/a.rules": 'host_executable("a", ["/x/a"])\nhost_executable("b", ["/x/b"])\n',
    "rules/b.rules": 'prefix_rule(["a"], match = ["/x/a"], not_match = ["/y/a"])\n',
    "rules/c.rules": 'host_executable("a", ["/y/a"])\n',
  });
  assert.deepEqual(
    loadRules({ home, files: [], discover: true }).hosts,
    new Map([
      ["a", ["/y/a"]],
      ["b", ["/x/b"]],
    ]),
  );
});

test("loadRules() reads a trusted project's rules, and tells that they are the project's", (context) => {
  const home = makeHome(context, { "rules/a.rules": rule });
  const project = mkdtempSync(join(tmpdir(), "rules-project-"));
  context.after(() => rmSync(project, { recursive: true }));
  for (const folder of [".sallyport/rules", ".codex/rules"]) {
    mkdirSync(join(project, folder), { recursive: true, mode: 0o700 });
    writeFileSync(join(project, folder, "p.rules"), rule, { mode: 0o600 });
  }
  const origins = (trustedProject?: string): string[] =>
    loadRules({
      home,
      files: [],
      discover: true,
      ...(trustedProject === undefined ? {} : { trustedProject }),
    }).rules.map(({ origin, at }) => `${origin} ${at.file.replace(project, "~").replace(home, "~")}`);
  assert.deepEqual(origins(), ["user ~/rules/a.rules"]);
  assert.deepEqual(origins(project), [
    "user ~/rules/a.rules",
    "project ~/.sallyport/rules/p.rules",
    "project ~/.codex/rules/p.rules",
  ]);
  writeFileSync(join(project, ".sallyport/rules/p.rules"), 'prefix_rule(["a"], escalate = True)\n');
  assert.equal(origins(project).length, 3);
  writeFileSync(join(project, ".codex/rules/p.rules"), 'prefix_rule(["a"], escalate = True)\n');
  const { message } = problems({ home, files: [], discover: true, trustedProject: project });
  const text = "`escalate` is not known to Codex, which reads this file too, expected such rules in .sallyport/rules";
  assert.equal(message, `${join(project, ".codex/rules/p.rules")}:1:1: ${text}`);
});
