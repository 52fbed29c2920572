import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mergedConfig } from "@sallyport/hooks";
import { command, commandsOf, Place } from "./place.ts";

function hook(text: string): object {
  return { hooks: { Stop: [{ hooks: [command(text)] }] } };
}

function tomlHook(text: string): string {
  return `[[hooks.Stop]]\nhooks = [{ type = "command", command = "${text}" }]\n`;
}

function git(cwd: string, ...args: string[]): void {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
  execFileSync("git", [...identity, ...args], { cwd, stdio: "pipe", env: { PATH: process.env["PATH"], HOME: cwd } });
}

test("hooks of all layers add up, in order: requirements, system, user, project from the root down, flags, managed", () => {
  const place = new Place();
  const root = JSON.stringify(place.project);
  mkdirSync(join(place.project, ".git"));
  place.write("etc/requirements.toml", tomlHook("1 requirements"));
  place.write("etc/hooks.json", hook("2 system json"));
  place.write("etc/config.toml", tomlHook("3 system toml"));
  place.write("home/hooks.json", hook("4 user json"));
  place.write("home/config.toml", `[projects.${root}]\ntrust_level = "trusted"\n${tomlHook("5 user toml")}`);
  place.write("project/.sallyport/hooks.json", hook("6 root json"));
  place.write("project/.sallyport/config.toml", tomlHook("7 root toml"));
  place.write("project/a/b/.sallyport/hooks.json", hook("8 below"));
  place.write("etc/managed_config.toml", tomlHook("10 managed"));
  const flags = ['hooks.Stop=[{hooks=[{type="command",command="9 flags"}]}]'];
  const { handlers } = place.discover({ cwd: join(place.project, "a", "b"), flags });
  assert.deepEqual(
    handlers.map(({ action, source, isManaged, displayOrder }) => [
      action.type === "command" ? action.command : "",
      source,
      isManaged,
      displayOrder,
    ]),
    [
      ["1 requirements", "system", true, 0],
      ["2 system json", "system", true, 1],
      ["3 system toml", "system", true, 2],
      ["4 user json", "user", false, 3],
      ["5 user toml", "user", false, 4],
      ["6 root json", "project", false, 5],
      ["7 root toml", "project", false, 6],
      ["8 below", "project", false, 7],
      ["9 flags", "sessionFlags", false, 8],
      ["10 managed", "legacyManagedConfigFile", true, 9],
    ],
  );
  assert.equal(handlers[8]?.key, "/<session-flags>/config.toml:stop:0:0");
  // One warning for each layer that has two files.
  assert.equal(place.complaints({ cwd: join(place.project, "a", "b") }).length, 3);
});

test("managed_dir is shown as the place of the hooks in requirements.toml", () => {
  const place = new Place();
  place.write("etc/requirements.toml", `[hooks]\nmanaged_dir = "/opt/policy"\n${tomlHook("a")}`);
  assert.deepEqual(
    place.list().map(({ key, sourcePath }) => [key, sourcePath]),
    [["/opt/policy:stop:0:0", "/opt/policy"]],
  );
});

test("a project that is not trusted is not read, and that is said; one that is refused is not mentioned", () => {
  const place = new Place();
  place.write("project/.sallyport/hooks.json", hook("a"));
  assert.deepEqual(place.discover().handlers, []);
  assert.deepEqual(place.complaints(), [
    'project/.sallyport/hooks.json: the project is not trusted, so its configuration is not read; to trust it, add [projects."project"] trust_level = "trusted" to home/config.toml',
  ]);
  place.trustProject();
  assert.deepEqual(commandsOf(place.discover().handlers), ["a"]);
  place.write("home/config.toml", `[projects.${JSON.stringify(place.project)}]\ntrust_level = "untrusted"\n`);
  assert.deepEqual([place.discover().handlers, place.complaints()], [[], []]);
});

test("outside of a repository only the exact folder counts; inside of one the root does", () => {
  const place = new Place();
  const below = join(place.project, "below");
  place.write("project/below/.sallyport/hooks.json", hook("below"));
  place.write("project/.sallyport/hooks.json", hook("root"));
  place.trustProject();
  assert.deepEqual(commandsOf(place.discover({ cwd: below }).handlers), []);
  place.trustProject(below);
  assert.deepEqual(commandsOf(place.discover({ cwd: below }).handlers), ["below"]);
  mkdirSync(join(place.project, ".git"));
  place.trustProject();
  assert.deepEqual(commandsOf(place.discover({ cwd: below }).handlers), ["root", "below"]);
  // The folder's own entry comes first.
  place.write(
    "home/config.toml",
    `[projects.${JSON.stringify(place.project)}]\ntrust_level = "trusted"\n[projects.${JSON.stringify(below)}]\ntrust_level = "untrusted"\n`,
  );
  assert.deepEqual(commandsOf(place.discover({ cwd: below }).handlers), []);
});

test("a link to a trusted folder is that folder", () => {
  const place = new Place();
  place.write("project/.sallyport/hooks.json", hook("a"));
  place.trustProject();
  const link = join(place.base, "link");
  symlinkSync(place.project, link);
  assert.deepEqual(commandsOf(place.discover({ cwd: link }).handlers), ["a"]);
});

test("a linked worktree has the main checkout's hooks", () => {
  const place = new Place();
  git(place.project, "init", "-q");
  git(place.project, "commit", "-q", "--allow-empty", "-m", "x");
  const tree = join(place.base, "tree");
  git(place.project, "worktree", "add", "-q", tree);
  place.write("project/.sallyport/hooks.json", hook("main"));
  place.write("tree/.sallyport/hooks.json", hook("tree"));
  place.trustProject();
  assert.deepEqual(commandsOf(place.discover({ cwd: tree }).handlers), ["main"]);
  // Trusting the worktree alone would bring in files that were not meant.
  place.trustProject(tree);
  assert.deepEqual(commandsOf(place.discover({ cwd: tree }).handlers), []);
});

test("a folder that only says it is a worktree of a trusted repository is not taken for one", () => {
  const place = new Place();
  git(place.project, "init", "-q");
  git(place.project, "commit", "-q", "--allow-empty", "-m", "x");
  const tree = join(place.base, "tree");
  git(place.project, "worktree", "add", "-q", tree);
  place.trustProject();
  const liar = join(place.base, "liar");
  mkdirSync(liar);
  writeFileSync(join(liar, ".git"), `gitdir: ${place.project}/.git/worktrees/tree\n`);
  assert.deepEqual(
    [place.load({ cwd: tree }).projectIsTrusted, place.load({ cwd: liar }).projectIsTrusted],
    [true, false],
  );
});

test("a project may set what is harmless, and nothing that a planted file could do harm with", () => {
  const place = new Place();
  place.trustProject();
  place.write(
    "project/.sallyport/config.toml",
    'model = "m"\nsandbox_mode = "danger-full-access"\napproval_policy = "never"\n[mcp_servers.x]\ncommand = "evil"\n[projects."/"]\ntrust_level = "trusted"\n',
  );
  assert.deepEqual(mergedConfig(place.load()), { model: "m" });
  const said = place.complaints().map((text) => text.split(": ")[1]);
  assert.deepEqual(said, ["sandbox_mode", "approval_policy", "mcp_servers", "projects"]);
});

test("values: later layers win, tables are merged, requirements are no values", () => {
  const place = new Place();
  place.write("etc/requirements.toml", 'model = "limit"\n');
  place.write("etc/config.toml", 'model = "system"\na = 1\n[t]\nx = 1\ny = [1, 2]\n');
  place.write("home/config.toml", 'model = "user"\nwhen = 1979-05-27\nbig = 9007199254740993\n[t]\ny = [3]\nz = 2.5\n');
  place.write("etc/managed_config.toml", "a = 9\n");
  const flags = ["model=o3", "t.deep.er=true", "a=5"];
  assert.deepEqual(mergedConfig(place.load({ flags })), {
    model: "o3",
    a: 9,
    when: "1979-05-27",
    big: 9_007_199_254_740_993n,
    t: { x: 1, y: [3], z: 2.5, deep: { er: true } },
  });
});

test("a broken config.toml is an error with its place, and the rest still loads", () => {
  const place = new Place();
  place.write("home/hooks.json", hook("a"));
  place.write("home/config.toml", 'model = "x"\n= 3\n');
  assert.deepEqual(commandsOf(place.discover().handlers), ["a"]);
  const { errors } = place.load();
  assert.equal(errors.length, 1);
  assert.match(errors[0]?.message ?? "", /^2:1: this is not TOML: .*; the file is skipped$/);
});

test("a broken requirements.toml stops everything, as what it forbids is not known", () => {
  const place = new Place();
  place.write("etc/requirements.toml", "allow_managed_hooks_only = tru\n");
  assert.throws(() => place.load(), { code: "CONFIG_INVALID" });
  place.write("etc/requirements.toml", "allow_managed_hooks_only = true\n");
  assert.equal(place.load().errors.length, 0);
});

test("the user's config.toml decides on trust, so one that others may write is not read", () => {
  const place = new Place();
  place.write("project/.sallyport/hooks.json", hook("a"));
  place.trustProject();
  assert.equal(place.discover().handlers.length, 1);
  chmodSync(join(place.home, "config.toml"), 0o666);
  assert.equal(place.discover().handlers.length, 0);
  assert.match(place.complaints()[0] ?? "", /others may write it \(mode 666\); run chmod go-w on it/);
});

test("what is no file of a sane size is said and skipped, and nothing waits for a named pipe", () => {
  const place = new Place();
  const path = join(place.home, "hooks.json");
  execFileSync("mkfifo", [path]);
  assert.deepEqual(place.complaints(), ["home/hooks.json: it is not a regular file; the file is skipped"]);
  rmSync(path);
  mkdirSync(path);
  assert.deepEqual(place.complaints(), ["home/hooks.json: it is not a regular file; the file is skipped"]);
  rmSync(path, { recursive: true });
  writeFileSync(path, Buffer.from([0x7b, 0xff, 0x7d]), { mode: 0o600 });
  assert.deepEqual(place.complaints(), ["home/hooks.json: it is not UTF-8; the file is skipped"]);
  writeFileSync(path, " ".repeat(1_048_577));
  assert.deepEqual(place.complaints(), [
    "home/hooks.json: it has 1048577 bytes, expected at most 1048576; the file is skipped",
  ]);
});

test("in the user's own folder .sallyport is the home and not a project's", () => {
  const place = new Place();
  renameSync(place.home, join(place.project, ".sallyport"));
  symlinkSync(join(place.project, ".sallyport"), place.home);
  place.write("home/hooks.json", hook("a"));
  place.trustProject();
  assert.deepEqual(commandsOf(place.discover().handlers), ["a"]);
});
