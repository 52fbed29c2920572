import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { changeTrust } from "@sallyport/hooks";
import type { TrustChange } from "@sallyport/hooks";
import { command, commandsOf, Place, without } from "./place.ts";

async function change(place: Place, what: TrustChange, pinFiles = false, cwd = place.project): Promise<void> {
  const { handlers } = place.discover({ cwd });
  const own = handlers.filter(({ isManaged }) => !isManaged);
  await changeTrust(place.load({ cwd }), what, own, { pinFiles });
}

function standing(place: Place, changes: Parameters<Place["discover"]>[0] = {}): [string, boolean, string | null][] {
  return place.discover(changes).handlers.map(({ trustStatus, enabled, skipped }) => [trustStatus, enabled, skipped]);
}

test("a hook goes from untrusted to trusted, modified, and trusted again", async () => {
  const place = new Place();
  place.only("Stop", command("a"));
  assert.deepEqual(standing(place), [["untrusted", true, "it is not trusted yet"]]);
  await change(place, "trust");
  assert.deepEqual(standing(place), [["trusted", true, null]]);
  place.only("Stop", command("b"));
  assert.deepEqual(standing(place), [["modified", true, "it has changed since it was trusted"]]);
  await change(place, "trust");
  assert.deepEqual(standing(place), [["trusted", true, null]]);
  await change(place, "untrust");
  assert.deepEqual(standing(place), [["untrusted", true, "it is not trusted yet"]]);
});

test("a disabled hook does not run, trusted, bypassed or not", async () => {
  const place = new Place();
  place.only("Stop", command("a"));
  await change(place, "trust");
  await change(place, "disable");
  assert.deepEqual(standing(place), [["trusted", false, "it is disabled"]]);
  assert.deepEqual(standing(place, { bypassTrust: true }), [["trusted", false, "it is disabled"]]);
  await change(place, "enable");
  assert.deepEqual(standing(place), [["trusted", true, null]]);
});

test("bypassing trust lets what is untrusted or modified run", async () => {
  const place = new Place();
  place.only("Stop", command("a"));
  assert.deepEqual(standing(place, { bypassTrust: true }), [["untrusted", true, null]]);
  await change(place, "trust");
  place.only("Stop", command("b"));
  assert.deepEqual(standing(place, { bypassTrust: true }), [["modified", true, null]]);
});

test("inserting a hook above another one takes the trust from the one below, as keys are positions", async () => {
  const place = new Place();
  place.only("Stop", command("a"));
  await change(place, "trust");
  place.write("home/hooks.json", { hooks: { Stop: [{ hooks: [command("new")] }, { hooks: [command("a")] }] } });
  assert.deepEqual(
    standing(place).map(([status]) => status),
    ["modified", "untrusted"],
  );
});

test("no other layer can trust its own hooks, or switch trust off", () => {
  const place = new Place();
  const project = place.write("project/.sallyport/hooks.json", { hooks: { Stop: [{ hooks: [command("a")] }] } });
  place.trustProject();
  const [hook] = place.discover().handlers;
  const key = `${project}:stop:0:0`;
  const state = `[hooks.state.${JSON.stringify(key)}]\ntrusted_hash = "${hook?.currentHash}"\n`;
  place.write("project/.sallyport/config.toml", `bypass_hook_trust = true\n${state}`);
  const flags = [`hooks.state.${JSON.stringify(key)}.trusted_hash="${hook?.currentHash}"`, "bypass_hook_trust=true"];
  assert.deepEqual(standing(place, { flags }), [["untrusted", true, "it is not trusted yet"]]);
  const said = place.complaints({ flags }).map((text) => text.split(": ").slice(0, 2).join(": "));
  assert.deepEqual(said, [
    "project/.sallyport/config.toml: bypass_hook_trust",
    "project/.sallyport/config.toml: hooks.state",
    "/<session-flags>/config.toml: bypass_hook_trust",
    "/<session-flags>/config.toml: hooks.state",
  ]);
  // In the user's own file the same lines do it.
  place.write("home/config.toml", `[projects.${JSON.stringify(place.project)}]\ntrust_level = "trusted"\n${state}`);
  assert.deepEqual(standing(place), [["trusted", true, null]]);
});

test("a state that can't be understood keeps the hook off", () => {
  const place = new Place();
  place.only("Stop", command("a"));
  const key = JSON.stringify(`${place.home}/hooks.json:stop:0:0`);
  for (const state of ['enabled = "no"', "trusted_hash = 1", "pinned_files = 3"]) {
    place.write("home/config.toml", `[hooks.state.${key}]\n${state}\n`);
    assert.deepEqual(standing(place, { bypassTrust: true }), [["untrusted", false, "it is disabled"]], state);
    assert.equal(place.complaints().length, 1);
  }
});

test("pinned files: other bytes, another file under the same word, and none make the hook modified", async () => {
  const place = new Place();
  const script = place.write("project/check.sh", "echo fine\n");
  place.write("other/check.sh", "echo evil\n");
  place.only("Stop", command("sh './check.sh' --strict"));
  await change(place, "trust");
  writeFileSync(script, "echo changed\n");
  // The negative control: without pins nobody notices.
  assert.deepEqual(standing(place), [["trusted", true, null]]);
  await change(place, "trust", true);
  assert.deepEqual(standing(place), [["trusted", true, null]]);
  const [handler] = place.discover().handlers;
  writeFileSync(script, "echo evil\n");
  const problem = 'its pinned file "./check.sh" has changed';
  assert.deepEqual(standing(place), [["modified", true, problem]]);
  assert.equal(handler?.recheck?.(), problem);
  writeFileSync(script, "echo changed\n");
  assert.equal(handler?.recheck?.(), null);
  assert.deepEqual(standing(place, { cwd: join(place.base, "other") }), [["modified", true, problem]]);
  const gone = 'its pinned file "./check.sh" is gone or can\'t be read';
  assert.deepEqual(standing(place, { cwd: place.home }), [["modified", true, gone]]);
  // Trusting anew pins anew.
  writeFileSync(script, "echo reviewed\n");
  await change(place, "trust");
  assert.deepEqual(standing(place), [["trusted", true, null]]);
  writeFileSync(script, "echo evil\n");
  assert.deepEqual(standing(place), [["modified", true, problem]]);
});

test("managed hooks need no trust and can't be switched off", async () => {
  const place = new Place();
  place.write("etc/hooks.json", { hooks: { Stop: [{ hooks: [command("managed")] }] } });
  place.only("Stop", command("own"));
  const key = JSON.stringify(`${place.system}/hooks.json:stop:0:0`);
  place.write("home/config.toml", `[hooks.state.${key}]\nenabled = false\n`);
  assert.deepEqual(standing(place), [
    ["managed", true, null],
    ["untrusted", true, "it is not trusted yet"],
  ]);
});

test("allow_managed_hooks_only leaves the managed ones, whatever value was meant for yes", () => {
  const place = new Place();
  place.write("etc/config.toml", '[[hooks.Stop]]\nhooks = [{ type = "command", command = "managed" }]\n');
  place.only("Stop", command("own"));
  const flags = ['hooks.Stop=[{hooks=[{type="command",command="flag"}]}]'];
  assert.deepEqual(commandsOf(place.discover({ flags }).handlers), ["managed", "own", "flag"]);
  for (const value of ["true", '"yes"', "1"]) {
    place.write("etc/requirements.toml", `allow_managed_hooks_only = ${value}\n`);
    assert.deepEqual(commandsOf(place.discover({ flags }).handlers), ["managed"], value);
  }
  place.write("etc/requirements.toml", "allow_managed_hooks_only = false\n");
  assert.equal(place.discover({ flags }).handlers.length, 3);
});

test("[features] hooks turns all off; requirements beat the user both ways; a project has no say", () => {
  const place = new Place();
  const user = `[projects.${JSON.stringify(place.project)}]\ntrust_level = "trusted"\n`;
  place.only("Stop", command("own"));
  const count = (own: string, requirements: string, flags: string[] = []): number => {
    place.write("home/config.toml", `${user}${own}`);
    place.write("etc/requirements.toml", requirements);
    return place.discover({ flags }).handlers.length;
  };
  assert.equal(count("", ""), 1);
  assert.equal(count("[features]\nhooks = false\n", ""), 0);
  assert.equal(count("[features]\ncodex_hooks = false\n", ""), 0);
  assert.equal(count("", "[features]\nhooks = false\n"), 0);
  assert.equal(count("[features]\nhooks = false\n", "[features]\nhooks = true\n"), 1);
  assert.equal(count("", "", ["features.hooks=false"]), 0);
  assert.equal(count("", "[features]\nhooks = true\n", ["features.hooks=false"]), 1);
  place.write("project/.sallyport/config.toml", "[features]\nhooks = false\n");
  assert.equal(count("", ""), 1);
});

test("settings come from every layer but the project's, and wrong types give a warning", () => {
  const place = new Place();
  place.trustProject();
  const defaults = {
    enabled: true,
    managedOnly: false,
    mayEscalate: false,
    maxStopBlocks: 8,
    httpPrivateAddresses: false,
  };
  place.write(
    "project/.sallyport/config.toml",
    "hooks_may_escalate = true\n[hooks]\nmax_stop_blocks = 99\nhttp_private_addresses = true\n",
  );
  assert.deepEqual(place.discover().settings, defaults);
  const flags = ["hooks_may_escalate=true", "hooks.max_stop_blocks=2", "hooks.http_private_addresses=true"];
  assert.deepEqual(place.discover({ flags }).settings, {
    ...defaults,
    mayEscalate: true,
    maxStopBlocks: 2,
    httpPrivateAddresses: true,
  });
  place.write("etc/requirements.toml", "hooks_may_escalate = false\n");
  assert.equal(place.discover({ flags }).settings.mayEscalate, false);
  const wrong = place.complaints({ flags: ["hooks.max_stop_blocks=0"] });
  assert.ok(
    wrong.includes(
      "/<session-flags>/config.toml: hooks.max_stop_blocks: it is ignored, expected a whole number from 1 on",
    ),
    wrong.join("\n"),
  );
});

test("hooks of other agents are read only where [hooks] read names them, and bring their trust along", () => {
  const place = new Place();
  const file = { hooks: { Stop: [{ hooks: [command("codex"), { type: "http", url: "https://a.example/" }] }] } };
  const path = place.write("user/.codex/hooks.json", file);
  place.write("user/.claude/settings.json", {
    model: "x",
    hooks: { PreToolUse: [{ matcher: "Edit, Write", hooks: [command("claude")] }], Notification: [] },
  });
  assert.deepEqual(place.discover().handlers, []);
  place.write("home/config.toml", '[hooks]\nread = ["codex", "claude"]\n');
  assert.deepEqual(commandsOf(place.discover().handlers), ["codex", "claude"]);
  assert.equal(place.discover().handlers[1]?.matches(["Write"]), true);
  assert.deepEqual(place.complaints(), [
    'user/.codex/hooks.json:1:74: hooks.Stop[0].hooks[1].type: handlers of type "http" are read from Sallyport\'s own files only; this handler is skipped',
    'user/.claude/settings.json:1:112: hooks.Notification: "Notification" is an event of Claude Code that is not there in Sallyport; its hooks never run',
  ]);
  const hash = place.discover().handlers[0]?.currentHash ?? "";
  const state = `[hooks.state.${JSON.stringify(`${path}:stop:0:0`)}]\n`;
  const codexConfig = place.write("user/.codex/config.toml", `${state}trusted_hash = "${hash}"\n`);
  assert.deepEqual(standing(place)[0], ["trusted", true, null]);
  // What others may write decides on no trust.
  chmodSync(codexConfig, 0o666);
  assert.deepEqual(standing(place)[0], ["untrusted", true, "it is not trusted yet"]);
  chmodSync(codexConfig, 0o600);
  // What the user told Sallyport about it comes first.
  place.write("home/config.toml", `[hooks]\nread = ["codex"]\n${state}enabled = false\n`);
  assert.deepEqual(standing(place)[0], ["untrusted", false, "it is disabled"]);
  place.write("home/config.toml", '[hooks]\nread = ["codx"]\n');
  assert.deepEqual(place.complaints(), [
    'home/config.toml: hooks.read: "codx" is not known, expected "codex" or "claude"; did you mean "codex"',
  ]);
});

test("disableAllHooks of Claude Code is honoured", () => {
  const place = new Place();
  place.write("home/config.toml", '[hooks]\nread = ["claude"]\n');
  const hooks = { Stop: [{ hooks: [command("claude")] }] };
  place.write("user/.claude/settings.json", { hooks });
  assert.equal(place.discover().handlers.length, 1);
  place.write("user/.claude/settings.json", { hooks, disableAllHooks: true });
  assert.equal(place.discover().handlers.length, 0);
});

test("modules stand behind the others, are managed, and may not be registered twice", () => {
  const place = new Place();
  place.only("Stop", command("own"));
  const module = { event: "PreToolUse", name: "guard", run: () => null, matcher: "Bash", onError: "deny" } as const;
  const { handlers } = place.discover({ modules: [module] });
  const found = handlers[1] ?? assert.fail("no module");
  assert.deepEqual([found.matches(["Bash"]), found.matches(["Edit"]), found.currentHash.length], [true, false, 71]);
  assert.deepEqual(without(found, "matches", "currentHash"), {
    key: "module:guard:pre_tool_use:0:0",
    event: "PreToolUse",
    matcherText: "Bash",
    action: { type: "module", name: "guard", run: module.run, async: false },
    timeoutMs: 600_000,
    statusMessage: null,
    additionalContextLimit: null,
    onError: "deny",
    sourcePath: "module:guard",
    source: "unknown",
    isManaged: true,
    pluginId: null,
    displayOrder: 1,
    enabled: true,
    trustStatus: "managed",
    skipped: null,
  });
  const invalid = (changes: object): void =>
    assert.throws(() => place.discover({ modules: [{ ...module, ...changes }] }), { code: "HOOK_INVALID" });
  invalid({ event: "preToolUse" });
  invalid({ matcher: "[" });
  invalid({ timeoutMs: 0 });
  invalid({ additionalContextLimit: -1 });
  assert.throws(() => place.discover({ modules: [module, module] }), { code: "HOOK_INVALID" });
});
