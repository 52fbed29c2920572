import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HooksListResponse } from "@sallyport/protocol";
import { Place } from "./sallyport.ts";

const stop = { hooks: { Stop: [{ hooks: [{ type: "command", command: "echo done" }] }] } };

function placeWith(file: object): Place {
  const place = new Place();
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify(file), { mode: 0o600 });
  return place;
}

function listed(place: Place, ...words: string[]): HooksListResponse["data"][number] {
  const { status, stdout } = place.call(["hooks", "list", "--json", ...words]);
  assert.equal(status, 0);
  const [entry] = HooksListResponse.parse(JSON.parse(stdout)).data;
  return entry ?? assert.fail("no entry");
}

function trustAll(place: Place): void {
  const { status, stderr } = place.call(["hooks", "trust", "--all"]);
  assert.deepEqual([status, stderr], [0, ""]);
}

const commands = ["list", "explain", "validate", "trust", "untrust", "enable", "disable"];
for (const words of [["hooks"], ...commands.map((name) => ["hooks", name])]) {
  test(`${words.join(" ")} --help has an example`, () => {
    const { status, stdout, stderr } = new Place().call([...words, "--help"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /Examples:\n {2}\$ .*sallyport hooks /);
  });
}

test("hooks without a command prints its help to stderr", () => {
  const { status, stdout, stderr } = new Place().call(["hooks"]);
  assert.deepEqual([status, stdout], [125, ""]);
  assert.match(stderr, /^Usage: sallyport hooks /);
});

for (const words of [
  ["bogus"],
  ["list", "--bogus"],
  ["trust"],
  ["trust", "x", "--all"],
  ["explain"],
  ["explain", "stop"],
  ["explain", "Stop", "--tool", "Bash"],
  ["explain", "PreToolUse", "--tool", "Bash", "--input", "x"],
]) {
  test(`hooks ${words.join(" ")}: one line and exit status 125`, () => {
    const { status, stderr } = new Place().call(["hooks", ...words]);
    assert.equal(status, 125);
    assert.match(stderr, /^sallyport: .*; see sallyport hooks --help\n$/);
  });
}

test("list, trust, disable, enable and untrust: what is said is what is listed", () => {
  const place = placeWith(stop);
  const key = `${join(place.home, "hooks.json")}:stop:0:0`;
  const standing = (): [string | undefined, string | null | undefined] => {
    const [hook] = listed(place).hooks;
    return [hook?.trustStatus, hook?.skipped];
  };
  const call = (...words: string[]): string => {
    const { status, stdout, stderr } = place.call(["hooks", ...words]);
    assert.deepEqual([status, stderr], [0, ""]);
    return stdout;
  };
  assert.deepEqual(standing(), ["untrusted", "it is not trusted yet"]);
  assert.equal(
    call("list"),
    `skipped   Stop\n          echo done\n          ${key}\n          it is not trusted yet: read it, then sallyport hooks trust KEY\n1 hook, 0 active\n`,
  );
  assert.equal(call("trust", "stop:0:0"), `trusted: echo done\n  ${key}\n`);
  assert.deepEqual(standing(), ["trusted", null]);
  assert.equal(call("list"), `active    Stop\n          echo done\n          ${key}\n1 hook, 1 active\n`);
  assert.equal(call("disable", key), `disabled: echo done\n  ${key}\n`);
  assert.deepEqual(standing(), ["trusted", "it is disabled"]);
  assert.deepEqual(JSON.parse(call("enable", "--json", "--all")), {
    change: "enable",
    changed: [{ key, pinnedFiles: {} }],
  });
  assert.deepEqual(standing(), ["trusted", null]);
  call("untrust", "--all");
  assert.deepEqual(standing(), ["untrusted", "it is not trusted yet"]);
  assert.deepEqual(listed(place, "--dangerously-bypass-hook-trust").hooks[0]?.skipped, null);
});

test("a hook that nobody has, one that is not clear, and one in a home that others may write are refused", () => {
  const place = placeWith({ hooks: { ...stop.hooks, SubagentStop: stop.hooks.Stop } });
  const words = (key: string): string[] => ["hooks", "trust", key];
  assert.match(place.call(words("stop:1:0")).stderr, /^sallyport: Hook "stop:1:0" can't be found: there is none/);
  assert.equal(place.call(words("hooks.json:stop:0:0")).status, 0);
  // A key ends at a colon: this is not the end of subagent_stop's.
  assert.equal(place.call(words("stop:0:0")).status, 0);
  const unclear = place.call(words("0:0"));
  assert.equal(unclear.status, 125);
  assert.match(unclear.stderr, /it could be any of .*:subagent_stop:0:0, .*:stop:0:0; write more/);
  chmodSync(place.home, 0o777);
  const refused = place.call(words("stop:0:0"));
  assert.equal(refused.status, 125);
  assert.match(refused.stderr, /^sallyport: Home .* is refused/);
  chmodSync(place.home, 0o700);
});

test("what is wrong with the configuration is told on stderr, each in one line that can't deceive", () => {
  const place = placeWith({ hooks: { "St\u001b[2Jop": [] } });
  writeFileSync(join(place.home, "config.toml"), "a = \n");
  const { status, stdout, stderr } = place.call(["hooks", "list"]);
  assert.deepEqual([status, stdout], [0, "no hooks\n"]);
  const [first = "", second = "", ...rest] = stderr.split("\n");
  assert.match(first, /^sallyport: .*config.toml: 1:\d+: this is not TOML: .*; the file is skipped$/);
  assert.match(second, /^sallyport: .*hooks.json:1:11: .*there is no event ".*\\u001b\[2Jop", so its hooks never run/);
  assert.deepEqual(rest, [""]);
});

test("explain in both forms", () => {
  const hooks = { PreToolUse: [{ matcher: "Write", hooks: [{ type: "command", command: "x" }] }] };
  const place = placeWith({ hooks });
  trustAll(place);
  const key = `${join(place.home, "hooks.json")}:pre_tool_use:0:0`;
  const call = (...words: string[]): string => place.call(["hooks", "explain", "PreToolUse", ...words]).stdout;
  const yes = { key, matcher: "Write", runs: "yes", why: 'it is active and its matcher takes "Write"' };
  const values = ["apply_patch", "Write", "Edit"];
  assert.deepEqual(JSON.parse(call("--json", "--tool", "apply_patch")), { event: "PreToolUse", values, hooks: [yes] });
  writeFileSync(join(place.project, "input.json"), '{"tool_name": "Bash"}');
  assert.equal(
    call("--input", "input.json"),
    `PreToolUse for Bash\n  does not run  x\n                ${key}\n                its matcher "Write" does not take "Bash"\n`,
  );
  for (const bad of ["[]", "{", ""]) {
    writeFileSync(join(place.project, "input.json"), bad);
    const { status, stderr } = place.call(["hooks", "explain", "PreToolUse", "--input", "input.json"]);
    assert.equal(status, 125);
    assert.match(stderr, /^sallyport: Input "input.json" can't be used: /);
  }
});

test("validate: the exit status says whether there is something to correct", () => {
  const place = new Place();
  const file = join(place.project, "hooks.json");
  writeFileSync(file, JSON.stringify(stop));
  assert.deepEqual(place.call(["hooks", "validate", file]), {
    status: 0,
    stdout: `${file}: 1 hook, nothing to complain about\n`,
    stderr: "",
  });
  writeFileSync(file, '{"hooks": {"Stopp": []}}');
  const { status, stdout } = place.call(["hooks", "validate", "--json", "hooks.json"]);
  const message = 'there is no event "Stopp", so its hooks never run; did you mean "Stop"';
  const warnings = [{ line: 1, column: 12, path: "hooks.Stopp", message }];
  assert.deepEqual([status, JSON.parse(stdout)], [1, { file, origin: "sallyport", hooks: 0, warnings }]);
  assert.equal(place.call(["hooks", "validate", "missing.json"]).status, 1);
  // By Codex's rules where it lies among Codex's files.
  const codex = join(place.project, ".codex");
  mkdirSync(codex);
  writeFileSync(
    join(codex, "hooks.json"),
    '{"hooks": {"Stop": [{"hooks": [{"type": "http", "url": "https://a.example"}]}]}}',
  );
  assert.match(place.call(["hooks", "validate", ".codex/hooks.json"]).stdout, /read from Sallyport's own files only/);
});

test("-C looks at another folder and -c adds to the configuration", () => {
  const place = new Place();
  const flag = 'hooks.Stop=[{hooks=[{type="command",command="flag"}]}]';
  const entry = listed(place, "-C", place.base, "-c", flag, "-c", "model=x");
  assert.deepEqual(
    [entry.cwd, entry.hooks.map(({ key }) => key)],
    [place.base, ["/<session-flags>/config.toml:stop:0:0"]],
  );
  assert.deepEqual(listed(place).hooks, []);
});

test("looking changes nothing: no command but those of trust makes a file in the home", () => {
  const place = placeWith(stop);
  for (const words of [["list"], ["explain", "Stop"], ["validate", "x"]]) place.call(["hooks", ...words]);
  assert.equal(existsSync(join(place.home, "config.toml")), false);
  trustAll(place);
  assert.match(readFileSync(join(place.home, "config.toml"), "utf8"), /^\[hooks\.state\..*\]\ntrusted_hash = "sha256:/);
});
