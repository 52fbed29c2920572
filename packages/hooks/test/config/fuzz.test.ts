import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJsonNode, parseTomlFile } from "../../src/config/config-node.ts";
import { parseHooks } from "../../src/config/parse-hooks.ts";
import { command, Place } from "./place.ts";

/** Seeded, so that a failure can be had again. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  next(limit: number): number {
    this.#state = (this.#state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((this.#state / 2_147_483_648) * limit);
  }
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.next(items.length)] ?? items[0];
  }
}

const goodJson = JSON.stringify({
  description: "d",
  hooks: {
    PreToolUse: [
      {
        matcher: "Bash|Edit.*",
        required: true,
        hooks: [
          command("a", { timeout: 5, async: false, args: ["x"], passEnv: ["K"], onError: "ask", statusMessage: "m" }),
          { type: "http", url: "https://a.example/", headers: { a: "b" } },
          { type: "mcp_tool", server: "s", tool: "t", input: { a: [1, { b: 1.5e3 }] } },
        ],
      },
    ],
    Stop: [{ hooks: [{ type: "prompt", prompt: "p" }, command("b", { additionalContextLimit: 7 })] }],
  },
});
const goodToml = `model = "m"
[hooks.state."k"]
trusted_hash = "sha256:1"
[[hooks.PreToolUse]]
matcher = "Bash"
[[hooks.PreToolUse.hooks]]
type = "command"
command = '''a'''
when = 1979-05-27T07:32:00Z
`;
const pieces = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "-1",
  "1e999",
  "\\",
  "\ud800",
  "\0",
  "\n",
  "é",
  '"type"',
  "=",
  "'''",
  "[[",
  "]]",
  ".",
  "__proto__",
  "#",
] as const;

function mutate(text: string, dice: Dice): string {
  let mutated = text;
  for (let count = 1 + dice.next(4); count > 0; count -= 1) {
    const at = dice.next(mutated.length + 1);
    const end = at + dice.next(6);
    mutated = mutated.slice(0, at) + (dice.next(3) === 0 ? "" : dice.pick(pieces)) + mutated.slice(end);
  }
  return mutated;
}

/** Any JSON value, with the names that mean something strewn in. */
function anyValue(dice: Dice, depth: number): unknown {
  const names = [
    "hooks",
    "type",
    "command",
    "matcher",
    "timeout",
    "async",
    "args",
    "input",
    "Stop",
    "PreToolUse",
    "__proto__",
    "x",
  ] as const;
  switch (dice.next(depth > 5 ? 5 : 8)) {
    case 0:
      return dice.pick(["command", "http", "mcp_tool", "prompt", "", "*", "[", "a.b", "\ud800"]);
    case 1:
      return dice.next(1000) - 500;
    case 2:
      return dice.pick([true, false]);
    case 3:
      return null;
    case 4:
      return dice.next(100) / 7;
    case 5:
      return Array.from({ length: dice.next(4) }, () => anyValue(dice, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: dice.next(6) }, () => [dice.pick(names), anyValue(dice, depth + 1)]),
      );
  }
}

test("mutated hooks.json never throws, and is either understood or complained about", () => {
  const dice = new Dice(3);
  let understood = 0;
  for (let round = 0; round < 2000; round += 1) {
    const text = mutate(goodJson, dice);
    const parsed = parseJsonNode(text);
    // Strictness is JSON's own, so that no other reader of the file sees something else.
    const isJson = (() => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    })();
    assert.equal("node" in parsed, isJson, text);
    if (!("node" in parsed)) continue;
    understood += 1;
    const { hooks, warnings } = parseHooks({ path: "/f", origin: "sallyport", shape: "document", node: parsed.node });
    assert.ok(hooks.length >= 1 || warnings.length > 0, text);
  }
  assert.ok(understood > 100, String(understood));
});

test("any JSON value in the place of hooks never throws", () => {
  const dice = new Dice(5);
  for (let round = 0; round < 3000; round += 1) {
    const value =
      round % 2 === 0 ? { hooks: { PreToolUse: [{ hooks: [anyValue(dice, 0)] }] } } : { hooks: anyValue(dice, 0) };
    const parsed = parseJsonNode(JSON.stringify(value));
    assert.ok("node" in parsed);
    for (const origin of ["sallyport", "codex", "claude"] as const) {
      parseHooks({ path: "/f", origin, shape: "document", node: parsed.node });
    }
  }
});

test("mutated TOML never throws", () => {
  const dice = new Dice(9);
  let understood = 0;
  for (let round = 0; round < 2000; round += 1) {
    const parsed = parseTomlFile(mutate(goodToml, dice));
    if (!("node" in parsed)) continue;
    understood += 1;
    const events = parsed.node.kind === "object" ? parsed.node.entries.find(({ key }) => key === "hooks") : undefined;
    if (events !== undefined) parseHooks({ path: "/f", origin: "sallyport", shape: "events", node: events.value });
  }
  assert.ok(understood > 100, String(understood));
});

test("deep nesting is a problem and no overflow", () => {
  const deep = [
    parseTomlFile(`a = ${"[".repeat(100_000)}`),
    parseTomlFile(`${"a.".repeat(50_000)}b = 1`),
    parseTomlFile(`[${"a.".repeat(50_000)}b]`),
    parseTomlFile(`a = ${"{ b = ".repeat(50_000)}`),
    parseJsonNode("[".repeat(500_000)),
    parseJsonNode('{"a":'.repeat(100_000)),
  ];
  assert.deepEqual(
    deep.map((parsed) => "problem" in parsed),
    deep.map(() => true),
  );
});

test("quotes that don't end, and names without number, take no time", () => {
  const million = (text: string): string => text.repeat(Math.floor(1_000_000 / text.length));
  const startedAtMs = performance.now();
  for (const text of ['"\\"', '"', "\\", "'", "[1,", "a.", '"""']) {
    parseJsonNode(million(text));
    parseTomlFile(million(text));
  }
  const names = Array.from({ length: 40_000 }, (_, index) => `"PreToolUsx${index}": []`).join(",");
  const parsed = parseJsonNode(`{"hooks": {${names}}}`);
  assert.ok("node" in parsed);
  const { warnings } = parseHooks({ path: "/f", origin: "sallyport", shape: "document", node: parsed.node });
  assert.deepEqual([warnings.length, warnings.at(-1)?.message], [101, "39900 more problems are not shown"]);
  // What goes with the square of the length takes minutes.
  assert.ok(performance.now() - startedAtMs < 30_000);
});

test("keys that would reach a prototype stay keys", () => {
  const place = new Place();
  place.write(
    "home/hooks.json",
    '{"hooks": {"Stop": [{"hooks": [{"type": "mcp_tool", "server": "s", "tool": "t", "input": {"__proto__": {"polluted": 1}}}]}]}}',
  );
  const [handler] = place.discover().handlers;
  assert.ok(handler?.action.type === "mcpTool");
  assert.equal(Object.hasOwn(handler.action.input, "__proto__"), true);
  assert.equal((handler.action.input as { polluted?: number }).polluted, undefined);
});
