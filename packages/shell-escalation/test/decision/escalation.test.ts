/** When an `allow` rule carries a program outside, and everything that keeps it inside. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exists, makeStage, ruleSetOf } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

const allow = 'prefix_rule(["tool"])';
const allowed = 'escalate rule: rule ["tool"] at t.rules:1 allows it';
const loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].find(exists);
const busybox = ["/bin/busybox", "/usr/bin/busybox"].find(exists);

function kept(kind: string, why: string): string {
  return `run ${kind}: rule ["tool"] at t.rules:1 allows it, but it is kept inside: ${why}`;
}

function withTool(stage: Stage): string {
  const path = join(stage.bin, "tool");
  copyFileSync("/bin/true", path);
  return path;
}

/** The call as it is stays inside for that reason; the same program called plainly is carried outside. */
async function isKept(stage: Stage, call: Call, expected: string): Promise<void> {
  assert.equal(await stage.answer(allow, call), expected);
  const plain = { file: join(stage.bin, "tool"), argv: ["tool", "a"] };
  assert.equal(await stage.answer(allow, plain), allowed);
}

test("an allowed program is carried outside, with the session's environment", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const call = { file, argv: ["tool", "a", { base64: "/w==" }], env: ["TERM=xterm", "EVIL=1", `PATH=${stage.work}`] };
  assert.deepEqual(await stage.decide(allow, call), {
    verdict: {
      kind: "escalate",
      chainIndex: 0,
      argv: ["tool", "a", { base64: "/w==" }],
      env: [`PATH=${stage.bin}:/usr/bin:/bin`, "HOME=/home/somebody", "TERM=xterm"],
      cwd: stage.work,
      denyRead: ["/secret"],
    },
    reason: { kind: "rule", text: 'rule ["tool"] at t.rules:1 allows it' },
    droppedEnv: ["EVIL", "PATH"],
    rule: { decision: "allow", justification: null },
    file,
    decidedBy: ruleSetOf(allow).rules[0],
  });
});

test("a rule by path means that file under its own name", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  copyFileSync(file, join(stage.bin, "other"));
  const rule = `prefix_rule(["${file}"])`;
  assert.match(await stage.answer(rule, { file, argv: [file] }), /^escalate rule/);
  assert.equal(
    await stage.answer(rule, { file: join(stage.bin, "other"), argv: ["tool"] }),
    "run default: no rule matches",
  );
});

test("the folder /bin as a link to /usr/bin is no obstacle", async (context) => {
  const stage = makeStage(context);
  assert.match(await stage.answer('prefix_rule(["id"])', { file: "/bin/id", argv: ["id"] }), /^escalate rule/);
  assert.match(await stage.answer('prefix_rule(["id"])', { file: "/bin/id", argv: ["/bin/id"] }), /^escalate rule/);
});

test("allow by basename never applies to a file in a writable root", async (context) => {
  const stage = makeStage(context);
  withTool(stage);
  writeFileSync(join(stage.work, "tool"), "evil");
  assert.equal(
    await stage.answer(allow, { file: join(stage.work, "tool"), argv: ["tool"] }),
    "run default: no rule matches",
  );
});

test("PATH=./evil: an evil twin found on a changed PATH is not the allowed program", async (context) => {
  const stage = makeStage(context);
  withTool(stage);
  mkdirSync(join(stage.work, "evil"));
  writeFileSync(join(stage.work, "evil/tool"), "#!/bin/sh\n");
  const call = { file: "./evil/tool", argv: ["tool"], env: ["PATH=./evil"] };
  assert.equal(await stage.answer(allow, call), "run default: no rule matches");
});

test("PATH in a writable root at the session's start: the program on it stays inside", async (context) => {
  const stage = makeStage(context);
  const session = { env: [], path: `${stage.work}:/usr/bin`, cwd: "/" };
  copyFileSync("/bin/true", join(stage.work, "tool"));
  const call = { file: join(stage.work, "tool"), argv: ["tool"] };
  assert.equal(
    await stage.answer(allow, call, { session }),
    kept("identity", '"~/work/tool" can be written from inside'),
  );
  const wall = { walled: true, writableRoots: [], translate: (path: string) => path, denyRead: [] };
  assert.equal(await stage.answer(allow, call, { session, wall }), allowed);
});

test("symlink in a writable root to an allowed program", async (context) => {
  const stage = makeStage(context);
  symlinkSync(withTool(stage), join(stage.work, "tool"));
  const call = { file: join(stage.work, "tool"), argv: ["tool"] };
  const why = 'the way to "~/work/tool" leads through "~/work", which can be written from inside';
  await isKept(stage, call, kept("identity", why));
});

test("symlinked folder outside that leads through a writable root", async (context) => {
  const stage = makeStage(context);
  withTool(stage);
  symlinkSync(stage.bin, join(stage.work, "link"));
  symlinkSync(join(stage.work, "link"), join(stage.root, "entry"));
  const call = { file: join(stage.root, "entry/tool"), argv: ["tool"] };
  const why = 'the way to "~/entry/tool" leads through "~/work", which can be written from inside';
  await isKept(stage, call, kept("identity", why));
});

test("a relative name, and a way through /proc", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const relative = '"../bin/tool" is neither on the PATH that the session started with nor an absolute path';
  await isKept(stage, { file: "../bin/tool", argv: ["tool"] }, kept("identity", relative));
  const way = `the way to "/proc/self/root~/bin/tool" leads through a file system of the sandbox's own`;
  await isKept(stage, { file: `/proc/self/root${file}`, argv: ["tool"] }, kept("identity", way));
});

test("an allowed program swapped while it is being decided on", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const swap: Call["amend"] = () => {
    rmSync(file);
    symlinkSync("/bin/false", file);
  };
  assert.equal(
    await stage.answer(allow, { file, argv: ["tool"], amend: swap }),
    kept("identity", '"~/bin/tool" does not lead to "~/bin/tool" outside'),
  );
});

test("a file that came to the allowed name after the session's start is not the allowed program", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const twin = join(stage.bin, "twin");
  // The event is opened after the rules were looked up: between the two, the name changes hands.
  const call: Call = {
    file,
    argv: ["tool"],
    get cwd() {
      if (exists(twin)) renameSync(twin, file);
      return stage.work;
    },
  };
  for (const rule of [allow, `prefix_rule(["${file}"])`]) {
    copyFileSync("/bin/false", twin);
    assert.equal(await stage.answer(rule, call), "run default: no rule matches");
    assert.match(await stage.answer(rule, call), /^escalate rule/);
  }
});

test("a second name of the file, but for root's where an ordinary user runs it", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  linkSync(file, join(stage.work, "second"));
  const setOwner =
    (uid: number): NonNullable<Call["amend"]> =>
    ([opened]) => {
      if (opened !== undefined) opened.uid = uid;
    };
  const why = '"~/bin/tool" has 2 names, and not all are known to be out of reach';
  assert.equal(await stage.answer(allow, { file, argv: ["tool"], amend: setOwner(1000) }), kept("identity", why));
  assert.equal(await stage.answer(allow, { file, argv: ["tool"], amend: setOwner(0) }), allowed);
  const asRoot = { brokerIsRoot: true };
  assert.equal(await stage.answer(allow, { file, argv: ["tool"], amend: setOwner(0) }, asRoot), kept("identity", why));
});

test("second names in the same folder are out of reach like the first", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  linkSync(file, join(stage.bin, "second"));
  const call: Call = { file, argv: ["tool"], amend: ([opened]) => void Object.assign(opened ?? {}, { uid: 1000 }) };
  assert.equal(await stage.answer(allow, call), allowed);
  linkSync(file, join(stage.root, "third"));
  const why = '"~/bin/tool" has 3 names, and not all are known to be out of reach';
  assert.equal(await stage.answer(allow, call), kept("identity", why));
});

test("a file that could not be opened, is not regular, or has no name", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const amended = (changes: object): Call => ({
    file,
    argv: ["tool", "a"],
    amend: ([opened]) => void Object.assign(opened ?? {}, changes),
  });
  await isKept(
    stage,
    amended({ fd: -1 }),
    kept("identity", '"~/bin/tool" could not be opened, so it cannot be made sure that this very file runs'),
  );
  await isKept(stage, amended({ mode: 0o020755 }), kept("identity", '"~/bin/tool" is not a regular file'));
  await isKept(stage, amended({ nlink: 0 }), kept("identity", '"~/bin/tool" has no name in the file system'));
  await isKept(stage, amended({ path: { base64: "/w==" } }), kept("identity", "the name of the program is not UTF-8"));
});

test("a set-user-ID program, unless the broker is root", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  chmodSync(file, 0o4755);
  const call = { file, argv: ["tool"] };
  assert.equal(
    await stage.answer(allow, call),
    kept("identity", '"~/bin/tool" would lose its privilege below the interceptor'),
  );
  assert.equal(await stage.answer(allow, call, { brokerIsRoot: true }), allowed);
});

test("exec -a git-push: another name in argv[0] makes another program of it", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  for (const name of ["other", "-tool", `${stage.work}/tool`, "", "/usr/bin/tool"]) {
    const shown = JSON.stringify(name).replaceAll(stage.root, "~");
    await isKept(stage, { file, argv: [name] }, kept("identity", `it is called by another name, ${shown}`));
  }
  assert.equal(await stage.answer(allow, { file, argv: [file] }), allowed);
});

test("launchers stay inside unless the rule says escalate = True", async (context) => {
  const stage = makeStage(context);
  copyFileSync("/bin/true", join(stage.bin, "python3.11"));
  symlinkSync("/bin/sh", join(stage.bin, "innocent"));
  const cases: [string, string, string][] = [
    ["sh", "/bin/sh", "a shell runs any command"],
    ["env", "/usr/bin/env", "it runs its arguments as a program"],
    ["python3.11", join(stage.bin, "python3.11"), "an interpreter runs any code"],
    ["innocent", join(stage.bin, "innocent"), "a shell runs any command"],
  ];
  for (const [name, file, why] of cases) {
    const call = { file, argv: [name, "-c"] };
    const text = `rule ["${name}"] at t.rules:1 allows it`;
    assert.equal(
      await stage.answer(`prefix_rule(["${name}"])`, call),
      `run launcher: ${text}, but it is kept inside: ${why}, and the rule does not say escalate = True`,
    );
    assert.equal(await stage.answer(`prefix_rule(["${name}"], escalate = True)`, call), `escalate rule: ${text}`);
  }
});

test("a rule of the project does not carry programs outside", async (context) => {
  const stage = makeStage(context);
  const call = { file: withTool(stage), argv: ["tool"] };
  assert.equal(
    await stage.answer(allow, call, { origin: "project" }),
    kept("rule", "a rule of the project does not carry programs outside"),
  );
  assert.equal(await stage.answer(allow, call, { origin: "flag" }), allowed);
});

test("two rules together never grant what neither grants", async (context) => {
  const stage = makeStage(context);
  const file = "/bin/sh";
  const rules = 'prefix_rule(["sh", "-c"], escalate = True)\nprefix_rule(["sh", "-c", "x"], env = ["EVIL"])';
  const decision = await stage.decide(rules, { file, argv: ["sh", "-c", "x"], env: ["EVIL=1"] });
  assert.equal(decision.verdict.kind, "escalate");
  assert.deepEqual(decision.droppedEnv, ["EVIL"]);
});

test("scripts: the last interpreter is executed, with the arguments that the kernel would build", async (context) => {
  const stage = makeStage(context);
  const file = join(stage.bin, "tool");
  const middle = join(stage.bin, "middle");
  writeFileSync(file, `#!${middle} one arg\n`, { mode: 0o755 });
  writeFileSync(middle, "#!/bin/sh -e\n");
  const decision = await stage.decide(allow, { file, argv: ["whatever", "a"] });
  assert.ok(decision.verdict.kind === "escalate");
  assert.equal(decision.verdict.chainIndex, 2);
  assert.deepEqual(decision.verdict.argv, ["/bin/sh", "-e", middle, "one arg", file, "a"]);
  assert.deepEqual(decision.file, file);
});

test("scripts whose interpreter can be written from inside, or is named relatively", async (context) => {
  const stage = makeStage(context);
  const file = join(stage.bin, "tool");
  copyFileSync("/bin/true", join(stage.work, "interpreter"));
  const answerFor = async (line: string): Promise<string> => {
    writeFileSync(file, `#!${line}\n`, { mode: 0o755 });
    return await stage.answer(allow, { file, argv: ["tool"] });
  };
  assert.equal(
    await answerFor(join(stage.work, "interpreter")),
    kept("identity", '"~/work/interpreter" can be written from inside'),
  );
  symlinkSync("/bin/sh", join(stage.work, "sh"));
  assert.equal(
    await answerFor(join(stage.work, "sh")),
    kept("identity", 'the way to "~/work/sh" leads through "~/work", which can be written from inside'),
  );
  assert.equal(await answerFor("/bin/sh"), allowed);
});

test("allow for an interpreter is no allow for every script", async (context) => {
  const stage = makeStage(context);
  writeFileSync(join(stage.work, "evil"), "#!/bin/sh\n");
  const rule = 'prefix_rule(["sh"], escalate = True)';
  assert.equal(await stage.answer(rule, { file: "./evil", argv: ["sh"] }), "run default: no rule matches");
});

test(
  "through the dynamic loader nothing is carried outside",
  { skip: loader === undefined ? "no glibc loader" : false },
  async (context) => {
    const stage = makeStage(context);
    const tool = withTool(stage);
    const call = { file: loader ?? "", argv: ["ld.so", tool] };
    await isKept(stage, call, kept("identity", "it is started through the dynamic loader"));
  },
);

test(
  "an applet of a multi-call program is allowed by its own name only",
  { skip: busybox === undefined ? "no busybox" : false },
  async (context) => {
    const stage = makeStage(context);
    for (const name of ["tool", "other"]) symlinkSync(busybox ?? "", join(stage.bin, name));
    const answer = (name: string, ...argv: string[]): Promise<string> =>
      stage.answer(allow, { file: join(stage.bin, name), argv });
    assert.equal(await answer("tool", "tool"), allowed);
    assert.equal(await answer("other", "other"), "run default: no rule matches");
    assert.equal(await answer("tool", "other"), "run default: no rule matches");
    const boxed = await stage.answer(allow, { file: busybox ?? "", argv: ["busybox", "tool"] });
    assert.equal(boxed, kept("identity", 'it is called by another name, "busybox"'));
  },
);

test("LD_PRELOAD into an allowed program: the variable stays behind", async (context) => {
  const stage = makeStage(context);
  const call = { file: withTool(stage), argv: ["tool"], env: ["LD_PRELOAD=./x.so", "BASH_ENV=./x"] };
  const decision = await stage.decide(allow, call);
  assert.equal(decision.verdict.kind, "escalate");
  assert.deepEqual(decision.droppedEnv, ["LD_PRELOAD", "BASH_ENV"]);
});

test("without a wall there is nothing to leave", async (context) => {
  const stage = makeStage(context);
  const wall = { walled: false, writableRoots: [], translate: (path: string) => path, denyRead: [] };
  assert.equal(
    await stage.answer(allow, { file: withTool(stage), argv: ["tool"] }, { wall }),
    'run rule: rule ["tool"] at t.rules:1 allows it; there is no wall to leave',
  );
});

test("a working folder is named as it is outside; a private folder's programs stay inside", async (context) => {
  const stage = makeStage(context);
  const inside = join(stage.root, "inside");
  mkdirSync(inside);
  copyFileSync("/bin/true", join(inside, "tool"));
  const translate = (path: string): string =>
    path.startsWith(inside) ? `${stage.bin}${path.slice(inside.length)}` : path;
  const wall = { walled: true, writableRoots: [stage.work], translate, denyRead: [] };
  const tool = withTool(stage);
  const decision = await stage.decide(
    allow,
    { file: tool, argv: ["tool"], cwd: inside, env: [`PWD=${inside}`] },
    { wall },
  );
  assert.ok(decision.verdict.kind === "escalate");
  assert.equal(decision.verdict.cwd, stage.bin);
  assert.ok(decision.verdict.env.includes(`PWD=${stage.bin}`));
  const session = { env: [], path: inside, cwd: "/" };
  const answer = await stage.answer(allow, { file: join(inside, "tool"), argv: ["tool"] }, { wall, session });
  assert.equal(answer, kept("identity", '"~/inside/tool" can be written from inside'));
});

test("a working folder that is not UTF-8 is handed on, unless it is a private one", async (context) => {
  const stage = makeStage(context);
  const call: Call = { file: withTool(stage), argv: ["tool"], reportedCwd: { base64: "L3gv/w==" }, env: ["PWD=/x"] };
  const decision = await stage.decide(allow, call);
  assert.ok(decision.verdict.kind === "escalate");
  assert.deepEqual([decision.verdict.cwd, decision.droppedEnv], [{ base64: "L3gv/w==" }, ["PWD"]]);
  const translate = (path: string): string => path.replace(/^\/x\//, "/y/");
  const wall = { walled: true, writableRoots: [stage.work], translate, denyRead: [] };
  assert.equal(
    await stage.answer(allow, call, { wall }),
    kept("rule", "its working folder is private, and its name is not UTF-8"),
  );
  assert.equal(await stage.answer(allow, { ...call, reportedCwd: "/x/y" }, { wall }), allowed);
});
