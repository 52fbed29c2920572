import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { editConfig } from "@sallyport/hooks";
import type { ConfigEdit } from "@sallyport/hooks";
import { parse } from "smol-toml";
import { editTomlText } from "../../src/config/edit-config.ts";
import { Place } from "./place.ts";

const key = '/home/a "b"/hooks.json:stop:0:0';
const trust: ConfigEdit = { path: ["hooks", "state", key, "trusted_hash"], value: "sha256:1" };
const off: ConfigEdit = { path: ["hooks", "state", key, "enabled"], value: false };
const header = String.raw`[hooks.state."/home/a \"b\"/hooks.json:stop:0:0"]`;

const rows: [name: string, before: string, edits: ConfigEdit[], after: string][] = [
  ["an empty file", "", [trust], `${header}\ntrusted_hash = "sha256:1"\n`],
  [
    "comments and odd formatting stay",
    '# mine\n  model   =  "x"   # why\n\n[features]\n# about hooks\nhooks=true\n',
    [trust],
    `# mine\n  model   =  "x"   # why\n\n[features]\n# about hooks\nhooks=true\n\n${header}\ntrusted_hash = "sha256:1"\n`,
  ],
  [
    "a second field joins the first",
    `${header}\ntrusted_hash = "sha256:0" # old\n`,
    [trust, off],
    `${header}\ntrusted_hash = "sha256:1" # old\nenabled = false\n`,
  ],
  [
    "a new table is a section of its own",
    "",
    [{ path: ["hooks", "state", "k"], value: { enabled: true, n: 1, list: ["a", 2.5], in: { "a b": "\u007f" } } }],
    String.raw`[hooks.state.k]
enabled = true
n = 1
list = ["a", 2.5]
in = { "a b" = "\u007f" }
`,
  ],
  ["a value at the top", "# c\n[t]\n", [{ path: ["model"], value: "m" }], '# c\nmodel = "m"\n[t]\n'],
  ["no end of line at the end", "a = 1", [trust], `a = 1\n\n${header}\ntrusted_hash = "sha256:1"\n`],
  ["line ends of Windows", "a = 1\r\n", [trust], `a = 1\r\n\r\n${header}\r\ntrusted_hash = "sha256:1"\r\n`],
  [
    "inline tables",
    "hooks = { state = { k = { enabled = true } } } # c\n",
    [{ path: ["hooks", "state", "k2", "enabled"], value: false }],
    "hooks = { state = { k = { enabled = true }, k2 = { enabled = false } } } # c\n",
  ],
  [
    "what looks like the section inside of a text",
    `s = '''\n${header}\ntrusted_hash = "x"\n'''\n`,
    [trust],
    `s = '''\n${header}\ntrusted_hash = "x"\n'''\n\n${header}\ntrusted_hash = "sha256:1"\n`,
  ],
  ["nothing to change", `${header}\ntrusted_hash = "sha256:1"\n`, [trust], `${header}\ntrusted_hash = "sha256:1"\n`],
  ["removing what is not there", "a = 1\n", [{ path: ["b", "c"], value: undefined }], "a = 1\n"],
];

for (const [name, before, edits, after] of rows) {
  test(`editTomlText(): ${name}`, async () => {
    assert.equal(await editTomlText(before, edits, "config.toml"), after);
  });
}

test("removing a key leaves the rest", async () => {
  const before = `# top\n${header}\ntrusted_hash = "x"\nenabled = true\n\n[other] # o\na = 1\n`;
  const after = await editTomlText(before, [{ path: ["hooks", "state", key], value: undefined }], "config.toml");
  assert.deepEqual({ ...parse(after) }, { ...parse("[hooks.state]\n[other]\na = 1\n") });
  assert.match(after, /^# top\n[^]*\[other\] # o\na = 1\n$/);
});

test("a file that is no TOML is left alone", async () => {
  await assert.rejects(editTomlText("a = [\n", [trust], "config.toml"), { code: "CONFIG_INVALID" });
});

test("whatever the file, the edit means what it says and no other line changes", async () => {
  let seed = 11;
  const next = (limit: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * limit);
  };
  const pieces = [
    "# a comment",
    "  # indented = 1",
    "",
    'text = "a # b"',
    "n = 1.0",
    "h = 0xFF",
    "d = 1979-05-27T07:32:00Z # when",
    "list = [ 1,\n  # inside\n  2 ]",
    "s = '''\n[hooks.state]\n'''",
  ];
  const sections = ["[a]", "[[b]]", "[[hooks.Stop]]", '[hooks.state."x"]', '[projects."/p"]', "[hooks]", "[c.d]"];
  let edited = 0;
  for (let round = 0; round < 200; round += 1) {
    const used = new Set<string>();
    const lines: string[] = [];
    const addPieces = (): void => {
      for (const piece of pieces) if (next(3) === 0) lines.push(piece);
    };
    addPieces();
    for (let count = next(4); count > 0; count -= 1) {
      const section = sections[next(sections.length)] ?? "";
      if (used.has(section)) continue;
      used.add(section);
      lines.push(section);
      addPieces();
    }
    const before = `${lines.join("\n")}\n`;
    const value = `sha256:${round}`;
    const state = round % 2 === 0 ? "x" : key;
    let after: string;
    try {
      after = await editTomlText(before, [{ path: ["hooks", "state", state, "trusted_hash"], value }], "config.toml");
    } catch (error) {
      // Some of these files are no TOML, such as a table that stands twice.
      assert.equal((error as { code?: string }).code, "CONFIG_INVALID", before);
      continue;
    }
    edited += 1;
    const tables = parse(after) as { hooks: { state: Record<string, { trusted_hash: string }> } };
    assert.equal(tables.hooks.state[state]?.trusted_hash, value);
    const rest = after.split("\n");
    for (const line of before.split("\n")) {
      const at = rest.indexOf(line);
      assert.notEqual(at, -1, `lost ${JSON.stringify(line)} of\n${before}\nin\n${after}`);
      rest.splice(0, at + 1);
    }
  }
  assert.ok(edited > 100, String(edited));
});

test("editConfig() makes what is missing, keeps mode and link, and leaves no other file", async () => {
  const place = new Place();
  const path = join(place.base, "new", "config.toml");
  await editConfig(path, [trust]);
  assert.deepEqual([statSync(path).mode & 0o777, statSync(join(place.base, "new")).mode & 0o777], [0o600, 0o700]);
  const kept = join(place.base, "dotfiles");
  mkdirSync(kept);
  writeFileSync(join(kept, "config.toml"), "# mine\n", { mode: 0o640 });
  const link = join(place.home, "config.toml");
  symlinkSync(join(kept, "config.toml"), link);
  await editConfig(link, [trust]);
  assert.equal(lstatSync(link).isSymbolicLink(), true);
  assert.equal(statSync(link).mode & 0o777, 0o640);
  assert.match(readFileSync(join(kept, "config.toml"), "utf8"), /^# mine\n\n\[hooks/);
  assert.deepEqual(
    [readdirSync(kept), readdirSync(place.home)],
    [["config.toml"], ["config.toml", "config.toml.lock"]],
  );
});

test("changes of several processes at a time all arrive", async () => {
  const place = new Place();
  const path = join(place.home, "config.toml");
  const program = `
    import { editConfig } from "@sallyport/hooks";
    const [, path, name] = process.argv;
    for (let n = 0; n < 10; n += 1) {
      await editConfig(path, [{ path: ["hooks", "state", name + n, "enabled"], value: false }]);
    }`;
  const args = ["--conditions=sallyport-source", "--input-type=module", "-e", program, path];
  const statuses = await Promise.all(
    ["a", "b", "c"].map(
      (name) =>
        new Promise((resolve) => {
          const child = spawn(process.execPath, [...args, name], { cwd: import.meta.dirname, stdio: "inherit" });
          child.once("close", resolve);
        }),
    ),
  );
  assert.deepEqual(statuses, [0, 0, 0]);
  const { hooks } = parse(readFileSync(path, "utf8")) as { hooks: { state: object } };
  assert.equal(Object.keys(hooks.state).length, 30);
});
