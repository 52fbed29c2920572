/** config/read and the writes: real files, read back from the disk. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readKeyPath } from "../src/methods/key-path.ts";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Parsed } from "./support/server.ts";

interface Place {
  place: ServerPlace;
  client: TestClient;
  file: string;
  write: (keyPath: string, value: unknown, more?: object) => Promise<Parsed>;
}

async function makePlace(config: string): Promise<Place> {
  const place = new ServerPlace({ config });
  const client = await TestClient.initialized(place.server());
  const write = async (keyPath: string, value: unknown, more: object = {}): Promise<Parsed> => {
    const params = { keyPath, value, mergeStrategy: "replace", ...more };
    return await client.ask("config/value/write", params);
  };
  return { place, client, file: join(place.home, "config.toml"), write };
}

function versionOf(path: string): string {
  return `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
}

test("config/read gives the values that count, where each comes from, and the layers, the strongest first", async () => {
  const config = 'model = "m"\n[projects."/a.b"]\ntrust_level = "trusted"\n[tui]\nwidth = 3\n';
  const { place, client, file } = await makePlace(config);
  const trusted = `${config}[projects.${JSON.stringify(place.project)}]\ntrust_level = "trusted"\n`;
  writeFileSync(file, trusted, { mode: 0o600 });
  const own = join(place.project, ".sallyport");
  mkdirSync(own);
  writeFileSync(join(own, "config.toml"), 'model = "of the project"\nsandbox_mode = "danger-full-access"\n');
  const {
    config: merged,
    origins,
    layers,
  } = await client.call("config/read", {
    includeLayers: true,
    cwd: place.project,
  });
  const projects = { "/a.b": { trust_level: "trusted" }, [place.project]: { trust_level: "trusted" } };
  // A project has no say in the sandbox.
  assert.deepEqual(merged, { model: "of the project", projects, tui: { width: 3 } });
  const user = { name: { type: "user", file, profile: null }, version: versionOf(file) };
  const project = { name: { type: "project", dotCodexFolder: own }, version: versionOf(join(own, "config.toml")) };
  assert.deepEqual([origins["model"], origins["tui.width"]], [project, user]);
  const shown = layers.filter(({ name }: Parsed) => name.type === "user" || name.type === "project");
  assert.deepEqual(shown, [
    { ...project, config: { model: "of the project" }, disabledReason: null },
    { ...user, config: { model: "m", projects, tui: { width: 3 } }, disabledReason: null },
  ]);
});

test("without includeLayers there are none, and without a folder the server's own counts", async () => {
  const { client } = await makePlace('model = "m"\n');
  const { config, layers } = await client.call("config/read");
  assert.deepEqual([config, layers], [{ model: "m" }, null]);
});

test("configRequirements/read, skills/list and collaborationMode/list answer what a client needs to start", async () => {
  const { place, client } = await makePlace("");
  const { requirements } = await client.call("configRequirements/read");
  assert.ok(requirements === null || typeof requirements === "object");
  assert.deepEqual(await client.call("skills/list", {}), { data: [{ cwd: place.project, skills: [], errors: [] }] });
  const onlyOne = { name: "Default", mode: "default", model: null, reasoning_effort: null };
  assert.deepEqual(await client.call("collaborationMode/list", {}), { data: [onlyOne] });
});

test("a write keeps comments and order, and gives the version that the next one may expect", async () => {
  const { file, write } = await makePlace('# mine\nmodel = "m" # stays\n\n[tui]\ntheme = "dark"\n');
  const first = await write("model", "m2");
  assert.equal(readFileSync(file, "utf8"), '# mine\nmodel = "m2" # stays\n\n[tui]\ntheme = "dark"\n');
  const version = versionOf(file);
  assert.deepEqual(first.result, { status: "ok", version, filePath: file, overriddenMetadata: null });
  assert.equal((await write("approval_policy", "never", { expectedVersion: version })).error, undefined);
  const { error } = await write("approval_policy", "untrusted", { expectedVersion: version });
  assert.deepEqual(
    [error.code, error.data],
    [-32600, { path: "expectedVersion", config_write_error_code: "configVersionConflict" }],
  );
  assert.match(readFileSync(file, "utf8"), /approval_policy = "never"/);
});

test("of several clients that expect the same version one writes", async () => {
  const { place, client, file } = await makePlace('model = "m"\n');
  const expectedVersion = versionOf(file);
  const others = await Promise.all([1, 2, 3].map(() => TestClient.initialized(place.server())));
  const answers = await Promise.all(
    [client, ...others].map((each, index) =>
      each.ask("config/value/write", {
        keyPath: "model",
        value: `m${index}`,
        mergeStrategy: "replace",
        expectedVersion,
      }),
    ),
  );
  const written = answers.flatMap(({ result }, index) => (result === undefined ? [] : [index]));
  assert.equal(written.length, 1);
  const codes = answers.flatMap(({ error }) => (error === undefined ? [] : [error.data.config_write_error_code]));
  assert.deepEqual(codes, Array(3).fill("configVersionConflict"));
  assert.equal(readFileSync(file, "utf8"), `model = "m${written[0]}"\n`);
});

test("null removes a key, and upsert keeps what stands beside", async () => {
  const { file, write } = await makePlace('model = "m"\n\n[tui]\ntheme = "dark"\nwidth = 3\n');
  await write("model", null);
  await write("tui", { theme: "light" }, { mergeStrategy: "upsert" });
  assert.equal(readFileSync(file, "utf8"), '[tui]\ntheme = "light"\nwidth = 3\n');
  await write("tui", { theme: "only" });
  const text = readFileSync(file, "utf8");
  assert.match(text, /theme = "only"/);
  assert.doesNotMatch(text, /width/);
});

test("a project is trusted under its path, dots and all", async () => {
  const { client, write } = await makePlace("");
  await write('projects."/home/me/a.b".trust_level', "trusted");
  const { config } = await client.call("config/read");
  assert.deepEqual(config.projects, { "/home/me/a.b": { trust_level: "trusted" } });
});

test("a batch is written as a whole or not at all", async () => {
  const { client, file } = await makePlace('model = "m"\n');
  const edits = [
    { keyPath: "model", value: "m2", mergeStrategy: "replace" },
    { keyPath: "approval_policy", value: "sometimes", mergeStrategy: "replace" },
  ];
  const { error } = await client.ask("config/batchWrite", { edits });
  assert.deepEqual(
    [error?.code, error?.data],
    [-32602, { path: "edits.1.value", config_write_error_code: "configValidationError" }],
  );
  assert.match(error?.message ?? "", /approval_policy = "sometimes": expected "untrusted", "on-request" or "never"$/);
  assert.equal(readFileSync(file, "utf8"), 'model = "m"\n');
  assert.deepEqual((await client.call("config/batchWrite", { edits: [] })).version, versionOf(file));
});

test("the attack: a client writes what widens the sandbox, names a program or a server, or removes what guards", async () => {
  const config = 'model = "m"\n\n[hooks]\nmax_stop_blocks = 3\n';
  const { file, write } = await makePlace(config);
  const command = [{ hooks: [{ type: "command", command: "/tmp/evil" }] }];
  const attacks: [keyPath: string, value: unknown][] = [
    ["sandbox_mode", "danger-full-access"],
    ["sandbox_workspace_write.writable_roots", ["/"]],
    ["sandbox_workspace_write", null],
    ["mcp_servers.evil", { command: "/tmp/evil" }],
    ["model_providers.openai.base_url", "http://evil"],
    ["policy.default", "run"],
    ["hooks.PreExec", command],
    ["hooks", null],
    ["hooks", { state: {}, max_stop_blocks: 0 }],
    ["hooks", { PreToolUse: command }],
    ["hooks.state.key.command", "/tmp/evil"],
    ["hooks.read", ["codex"]],
    ["projects./a.sandbox_mode", "danger-full-access"],
    ["projects./a", { trust_level: "trusted", sandbox_mode: "x" }],
    ["bypass_hook_trust", true],
    ["__proto__.sandbox_mode", "danger-full-access"],
    ['"model"."x"', 1],
    ["model", { sandbox_mode: "danger-full-access" }],
    ["tuix", 1],
  ];
  for (const [keyPath, value] of attacks) {
    for (const mergeStrategy of ["replace", "upsert"]) {
      const { error } = await write(keyPath, value, { mergeStrategy });
      assert.equal(error?.code, -32602, `${keyPath} ${mergeStrategy}: ${JSON.stringify(error)}`);
      assert.equal(error.data.config_write_error_code, "configValidationError");
    }
  }
  assert.equal(readFileSync(file, "utf8"), config);
  // The control: what may be written is.
  assert.equal((await write("tui.x", 1)).error, undefined);
});

test("a key of a stronger layer is written and said to be of no effect", async () => {
  const { place, file, write } = await makePlace("");
  writeFileSync(file, `[projects.${JSON.stringify(place.project)}]\ntrust_level = "trusted"\n`, { mode: 0o600 });
  const own = join(place.project, ".sallyport");
  mkdirSync(own);
  writeFileSync(join(own, "config.toml"), 'model = "theirs"\n');
  const { result } = await write("model", "mine");
  assert.equal(result.status, "okOverridden");
  assert.deepEqual(result.overriddenMetadata, {
    message: `model is set in ${own}, which counts more`,
    overridingLayer: {
      name: { type: "project", dotCodexFolder: own },
      version: versionOf(join(own, "config.toml")),
    },
    effectiveValue: "theirs",
  });
  assert.match(readFileSync(file, "utf8"), /model = "mine"/);
});

test("readKeyPath() takes bare and quoted keys and nothing that is none", () => {
  const rows: [string, string[] | null][] = [
    ["model", ["model"]],
    ["hooks.state", ["hooks", "state"]],
    ['projects."/tmp/a.b".trust_level', ["projects", "/tmp/a.b", "trust_level"]],
    ["projects.'/tmp/\"a\".b'.trust_level", ["projects", '/tmp/"a".b', "trust_level"]],
    ['a."b\\"c"', ["a", 'b"c']],
    ["", null],
    [".", null],
    ["a.", null],
    [".a", null],
    ["a..b", null],
    ['a."b', null],
    ['a."b"c', null],
    ['a."\\q"', null],
    ['a.""', null],
  ];
  for (const [text, keys] of rows) assert.deepEqual(readKeyPath(text), keys, text);
});
