/** Which decisions stand for the next exec of the same program, whatever its other arguments are. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, linkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exists, makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

const loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].find(exists);
const busybox = ["/bin/busybox", "/usr/bin/busybox"].find(exists);

/** A program out of reach, and one of the same kind that can be changed from inside. */
function place(stage: Stage): { tool: string; within: string } {
  const tool = join(stage.bin, "tool");
  const within = join(stage.work, "tool");
  for (const path of [tool, within]) copyFileSync("/usr/bin/true", path);
  return { tool, within };
}

/** "stands", or the verdict's kind. */
async function fate(stage: Stage, rules: string, call: Call, changes = {}): Promise<string> {
  const { verdict } = await stage.decide(rules, call, changes);
  return verdict.kind === "run" && verdict.stands === true ? "stands" : verdict.kind;
}

test("run stands for a program out of reach that no rule is about", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  const script = join(stage.bin, "script");
  writeFileSync(script, `#!${tool} x\n`, { mode: 0o755 });
  const link = join(stage.work, "link");
  symlinkSync(tool, link);
  for (const file of [tool, script, link]) assert.equal(await fate(stage, "", { file, argv: ["tool", "a"] }), "stands");
  assert.equal(await fate(stage, 'prefix_rule(["other"], "forbidden")', { file: tool, argv: ["tool"] }), "stands");
});

test("run does not stand where a rule is about the program, be it with other arguments", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  linkSync(tool, join(stage.bin, "second-name"));
  const rules = {
    "by name": 'prefix_rule(["tool", "bad"], "forbidden")',
    "by name, prompt": 'prefix_rule(["tool", "bad"], "prompt")',
    "by name, allow": 'prefix_rule(["tool", "good"])',
    "by file": 'prefix_rule(["second-name", "bad"], "forbidden")',
    "by path": `prefix_rule([${JSON.stringify(tool)}, "bad"], "forbidden")`,
    "by relative path": 'prefix_rule(["../bin/tool", "bad"], "forbidden")',
    "by argv[0]'s path": 'prefix_rule(["./called", "bad"], "forbidden")',
  };
  symlinkSync(tool, join(stage.work, "called"));
  for (const [name, rule] of Object.entries(rules)) {
    const file = name === "by argv[0]'s path" ? "./called" : tool;
    assert.equal(await fate(stage, rule, { file, argv: ["x", "a"] }), "run", name);
    assert.equal(await fate(stage, "", { file, argv: ["x", "a"] }), "stands", name);
  }
});

test("run does not stand for a script whose interpreter a rule is about", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  const script = join(stage.bin, "script");
  writeFileSync(script, `#!${tool}\n`, { mode: 0o755 });
  const call: Call = { file: script, argv: ["script"] };
  assert.equal(await fate(stage, 'prefix_rule(["tool", "bad"], "forbidden")', call), "run");
  assert.equal(await fate(stage, "", call), "stands");
});

test("run does not stand for a file of a watched file's size, which might become a copy", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  writeFileSync(join(stage.bin, "watched"), Buffer.alloc(1000, "x"), { mode: 0o755 });
  const other = join(stage.bin, "other");
  const call: Call = { file: other, argv: ["other"] };
  writeFileSync(other, Buffer.alloc(1000, "y"), { mode: 0o755 });
  assert.equal(await fate(stage, 'prefix_rule(["watched", "bad"], "forbidden")', call), "run");
  assert.equal(await fate(stage, 'prefix_rule(["watched", "bad"], "forbidden")', { ...call, file: tool }), "stands");
});

test("run does not stand for a file that can be changed from inside", async (context) => {
  const stage = makeStage(context);
  const { tool, within } = place(stage);
  const script = join(stage.bin, "script");
  writeFileSync(script, `#!${within}\n`, { mode: 0o755 });
  for (const file of [within, script]) assert.equal(await fate(stage, "", { file, argv: ["tool"] }), "run");
  const moved = { walled: true, writableRoots: [], denyRead: [] };
  const call: Call = { file: tool, argv: ["tool"] };
  const translated = { wall: { ...moved, translate: (path: string) => `/elsewhere${path}` } };
  assert.equal(await fate(stage, "", call, translated), "run");
  const open = { wall: { ...moved, walled: false, translate: (path: string) => path } };
  assert.equal(await fate(stage, "", call, open), "run");
  assert.equal(await fate(stage, "", call), "stands");
});

test("run does not stand below an escalated program, with a second name, or for a path that is not text", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  const call: Call = { file: tool, argv: ["tool"] };
  assert.equal(await fate(stage, "", { ...call, outside: true }), "run");
  const amended = (changes: object): Call => ({ ...call, amend: ([file]) => Object.assign(file ?? {}, changes) });
  assert.equal(await fate(stage, "", amended({ path: { base64: "/w==" } })), "run");
  assert.equal(await fate(stage, "", amended({ path: "" })), "run");
  assert.equal(await fate(stage, "", amended({ path: tool })), "stands");
  assert.equal(await fate(stage, "", amended({ nlink: 2, uid: 1000 })), "run");
  assert.equal(await fate(stage, "", amended({ nlink: 1, uid: 1000 })), "stands");
  assert.equal(await fate(stage, "", amended({ nlink: 2, uid: 0 })), "stands");
  assert.equal(await fate(stage, "", amended({ nlink: 2, uid: 0 }), { brokerIsRoot: true }), "run");
});

test("run does not stand for the dynamic loader", { skip: loader === undefined }, async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  const call: Call = { file: loader ?? "", argv: ["ld.so", tool] };
  assert.equal(await fate(stage, "", call), "run");
  assert.equal(await fate(stage, "", { ...call, argv: ["ld.so", "--version"] }), "run");
});

test("run does not stand where argv[0] or the name makes a box of the program", async (context) => {
  const stage = makeStage(context);
  const { tool } = place(stage);
  for (const name of ["toybox", "xz"]) {
    copyFileSync(tool, join(stage.bin, name));
    // Of another size than the tool: that alone would keep a verdict for it from standing.
    appendFileSync(join(stage.bin, name), "!");
  }
  assert.equal(await fate(stage, "", { file: tool, argv: ["busybox", "touch"] }), "run");
  assert.equal(await fate(stage, "", { file: join(stage.bin, "toybox"), argv: ["a"] }), "run");
  assert.equal(await fate(stage, "", { file: join(stage.bin, "xz"), argv: ["a"] }), "run");
  assert.equal(await fate(stage, "", { file: tool, argv: ["bus", "touch"] }), "stands");
});

test("run does not stand for a copy of busybox", { skip: busybox === undefined }, async (context) => {
  const stage = makeStage(context);
  copyFileSync(busybox ?? "", join(stage.bin, "harmless"));
  assert.equal(await fate(stage, "", { file: join(stage.bin, "harmless"), argv: ["harmless"] }), "run");
});
