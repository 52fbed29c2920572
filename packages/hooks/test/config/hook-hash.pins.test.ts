import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { command, Place } from "./place.ts";

const vectors: [name: string, event: string, group: object, handler: object, hash: string][] = [
  ["a command", "Stop", {}, command("user"), "6199d3b665f11ddbfd8655e5a215803e5b5107c0bb35a7a1a6333848734760f7"],
  [
    "timeout and statusMessage; Stop ignores matchers",
    "Stop",
    { matcher: "any" },
    command("a", { timeout: 5, statusMessage: "m" }),
    "0dbbfa8ad575afbd63053ebada720a30c26c7312624d51a16b1dff7d85708fdb",
  ],
  [
    "a matcher",
    "PreToolUse",
    { matcher: "^Bash$" },
    command("b"),
    "9f3deff68d7039bd659d1215ce698da0702580f4dc4e35349486387c784ca91d",
  ],
  [
    "additionalContextLimit",
    "UserPromptSubmit",
    {},
    command("a", { additionalContextLimit: 7 }),
    "308047f16b6cae9edbf14af61624914aedc2b96f3cf12466381d6a8163c26189",
  ],
  [
    "async",
    "UserPromptSubmit",
    {},
    command("a", { async: true }),
    "545ed53cb7d16bfc31019b716ad50fb916b9d1aa07a677a02edb246717b8be0a",
  ],
  [
    "SessionEnd keeps async and clamps the timeout",
    "SessionEnd",
    {},
    command("a", { async: true, timeout: 9 }),
    "e22359c706aac991da9963a51979f10308802e1436aef9d3c72be9419ed4f355",
  ],
  [
    "an MCP tool",
    "Stop",
    {},
    { type: "mcp_tool", server: "s", tool: "t" },
    "a32fadf67dd9ba6b779757c3db73589e436c56976457f459c05f7e453a1f589f",
  ],
];

for (const [name, event, group, handler, hash] of vectors) {
  test(`the trust hash is the peer's: ${name}`, () => {
    assert.equal(new Place().only(event, handler, group).currentHash, `sha256:${hash}`);
  });
}

interface Recorded {
  key: string;
  handlerType: string;
  matcher: string | null;
  timeoutSec: number;
  async: boolean | null;
  additionalContextLimit: number | null;
  displayOrder: number;
  currentHash: string;
}

test("keys, order, clamps and hashes are those that the peer listed for the same files", () => {
  const read = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
  const { hooks: theirs } = JSON.parse(read("listing.json")) as { hooks: Recorded[] };
  const place = new Place();
  place.write("home/hooks.json", read("hooks.json"));
  place.write("home/config.toml", read("config.toml"));
  // Ours lists handlers that can't run too; the peer leaves them out.
  const listed = place.list().filter(({ handlerType }) => handlerType !== "prompt");
  const ours = listed.map((hook, displayOrder): Recorded => ({
    key: hook.key.replace(`${place.home}/`, ""),
    handlerType: hook.handlerType,
    matcher: hook.matcher,
    timeoutSec: hook.timeoutSec,
    async: hook.async ?? null,
    additionalContextLimit: hook.additionalContextLimit,
    displayOrder,
    currentHash: hook.currentHash,
  }));
  assert.deepEqual(ours, theirs);
});

test("what the peer does not know but what changes a run is covered by the hash", () => {
  const hash = (fields: object): string => new Place().only("Stop", command("c", fields)).currentHash;
  const hashes = [
    {},
    { args: [] },
    { args: ["a"] },
    { args: ["a", "b"] },
    { passEnv: ["API_KEY"] },
    { passEnv: ["API_KEY", "B"] },
  ].map(hash);
  assert.equal(new Set(hashes).size, hashes.length);
  // What does not, is not: the peer's trust stays good for it.
  assert.equal(hash({ onError: "deny" }), hash({}));
  const http = (fields: object): string =>
    new Place().only("Stop", { type: "http", url: "https://a.example/", ...fields }).currentHash;
  const httpHashes = [
    {},
    { url: "https://b.example/" },
    { headers: { a: "b" } },
    { passEnv: ["A"] },
    { timeout: 3 },
  ].map(http);
  assert.equal(new Set(httpHashes).size, httpHashes.length);
});
