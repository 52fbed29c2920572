/** What a `forbidden` or `prompt` rule stops: under other names, as a copy, behind launchers that do not exec. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, linkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exists, makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

const forbidden = 'prefix_rule(["forbidden"], "forbidden", justification = "not here")';
const stopped = 'deny rule: not here (rule ["forbidden"] at t.rules:1)';
const noRule = "run default: no rule matches";
const loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].find(exists);
const busybox = ["/bin/busybox", "/usr/bin/busybox"].find(exists);

/** As in the corpus: a copy of touch with a byte of its own, first on the PATH. */
function withForbidden(stage: Stage): string {
  const path = join(stage.bin, "forbidden");
  copyFileSync("/usr/bin/touch", path);
  appendFileSync(path, "!");
  return path;
}

/** Each call is stopped by the rule and would run without it. */
async function isStopped(stage: Stage, call: Call, text = stopped, rule = forbidden): Promise<void> {
  assert.equal(await stage.answer(rule, call), text);
  assert.equal(await stage.answer("", call), noRule);
}

test("B01 B52 B68: a forbidden program is stopped by its file, whatever argv[0] says", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  await isStopped(stage, { file: path, argv: ["forbidden", "RAN"] });
  await isStopped(stage, { file: path, argv: ["ls", "RAN"] });
  await isStopped(stage, { file: path, argv: [] });
  await isStopped(stage, { file: "../bin/forbidden", argv: ["forbidden"] });
});

test("B42: a symlink to the program, and to a folder above it", async (context) => {
  const stage = makeStage(context);
  symlinkSync(withForbidden(stage), join(stage.work, "ok"));
  symlinkSync(stage.bin, join(stage.work, "folder"));
  await isStopped(stage, { file: "./ok", argv: ["./ok", "RAN"] });
  await isStopped(stage, { file: "folder/forbidden", argv: ["x"] });
});

test("B42: a hard link to the program", async (context) => {
  const stage = makeStage(context);
  linkSync(withForbidden(stage), join(stage.work, "ok"));
  await isStopped(stage, { file: "./ok", argv: ["./ok", "RAN"] });
});

test("B43: a copy of the program, and no other file of that size", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  copyFileSync(path, join(stage.work, "ok"));
  await isStopped(
    stage,
    { file: "./ok", argv: ["./ok"] },
    stopped.replace(":1)", ':1, as a copy of "~/bin/forbidden")'),
  );
  copyFileSync("/usr/bin/touch", join(stage.work, "other"));
  appendFileSync(join(stage.work, "other"), "?");
  assert.equal(await stage.answer(forbidden, { file: "./other", argv: ["./other"] }), noRule);
});

test("B43: a copy of a program that is itself in a writable root, after the original is gone", async (context) => {
  const stage = makeStage(context);
  const original = join(stage.work, "tool");
  copyFileSync("/usr/bin/touch", original);
  appendFileSync(original, "!");
  copyFileSync(original, join(stage.work, "ok"));
  const rule = `prefix_rule(["${original}"], "forbidden")`;
  const call: Call = { file: "./ok", argv: ["./ok"], amend: () => rmSync(original) };
  assert.match(await stage.answer(rule, call), /^deny rule: rule .* as a copy of/);
});

test("a file of the same size that cannot be read is taken for a copy", async (context) => {
  const stage = makeStage(context);
  copyFileSync(withForbidden(stage), join(stage.work, "ok"));
  const hide: Call["amend"] = ([file]) => {
    if (file !== undefined) file.fd = -1;
  };
  assert.match(await stage.answer(forbidden, { file: "./ok", argv: ["./ok"], amend: hide }), /^deny rule/);
  assert.equal(await stage.answer(forbidden, { file: "/usr/bin/env", argv: ["env"], amend: hide }), noRule);
});

test("another program of the forbidden name, wherever it lies", async (context) => {
  const stage = makeStage(context);
  withForbidden(stage);
  writeFileSync(join(stage.work, "forbidden"), "#!/bin/sh\n");
  await isStopped(stage, { file: "./forbidden", argv: ["./forbidden"] });
});

test("a rule on a path stops that file under any name, and not its namesakes", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  symlinkSync(path, join(stage.work, "ok"));
  writeFileSync(join(stage.work, "forbidden"), "#!/bin/sh\n");
  const rule = `prefix_rule(["${path}"], "forbidden")`;
  assert.match(await stage.answer(rule, { file: "./ok", argv: ["ok"] }), /^deny rule/);
  assert.equal(await stage.answer(rule, { file: "./forbidden", argv: ["x"] }), noRule);
});

test("a rule on a path stops a file that is made there later", async (context) => {
  const stage = makeStage(context);
  const later = join(stage.work, "later");
  const rule = `prefix_rule(["${later}"], "forbidden")`;
  writeFileSync(later, "#!/bin/sh\n");
  assert.match(await stage.answer(rule, { file: "./later", argv: ["x"] }), /^deny rule/);
});

test("a rule on a relative path means the exec's own working folder", async (context) => {
  const stage = makeStage(context);
  writeFileSync(join(stage.work, "x.sh"), "#!/bin/sh\n");
  const rule = 'prefix_rule(["./x.sh"], "forbidden")';
  assert.match(await stage.answer(rule, { file: join(stage.work, "x.sh"), argv: ["x"] }), /^deny rule/);
  assert.equal(await stage.answer(rule, { file: join(stage.work, "x.sh"), argv: ["x"], cwd: "/" }), noRule);
});

test("arguments are compared as text behind the program; bytes that are not UTF-8 match nothing", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  const rule = 'prefix_rule(["forbidden", ["a", "b"], "\\xff"], "forbidden")';
  const answer = (...argv: Call["argv"]): Promise<string> => stage.answer(rule, { file: path, argv });
  assert.match(await answer("x", "b", "\u00ff", "more"), /^deny rule/);
  assert.equal(await answer("x", "b"), noRule);
  assert.equal(await answer("x", "c", "\u00ff"), noRule);
  assert.equal(await answer("x", "b", { base64: "/w==" }), noRule);
});

test("direct match hides nothing: an allow on the path does not loosen a forbidden on the name", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  const rules = `${forbidden}\nprefix_rule(["${path}"])`;
  assert.equal(await stage.answer(rules, { file: path, argv: ["forbidden"] }), stopped);
});

test("strictest wins in any order, and the longest match of that strictness is named", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  const rule = (args: string, decision: string): string => `prefix_rule(["forbidden"${args}], "${decision}")\n`;
  const call = { file: path, argv: ["forbidden", "a"] };
  const rules = rule(', "a"', "forbidden") + rule("", "forbidden") + rule(', "a"', "allow") + rule("", "prompt");
  assert.equal(await stage.answer(rules, call), 'deny rule: rule ["forbidden","a"] at t.rules:1');
  assert.equal(
    await stage.answer(rule("", "prompt") + rule("", "allow"), call),
    'deny rule: rule ["forbidden"] at t.rules:1 wants a person to be asked, and nobody was asked',
  );
});

test("B15: the interpreter of a #! line is a program that runs", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  writeFileSync(join(stage.work, "script"), `#!${path} -x\n`);
  writeFileSync(join(stage.work, "outer"), `#!${join(stage.work, "script")}\n`);
  for (const name of ["script", "outer"]) await isStopped(stage, { file: `./${name}`, argv: ["s", "RAN"] });
});

test("a rule on an interpreter sees the arguments that the kernel builds", async (context) => {
  const stage = makeStage(context);
  writeFileSync(join(stage.work, "script"), "#!/bin/sh -e\n");
  const rule = (...args: string[]): string => `prefix_rule(${JSON.stringify(["sh", ...args])}, "forbidden")`;
  const call = { file: "./script", argv: ["script", "a"] };
  assert.match(await stage.answer(rule("-e", "./script", "a"), call), /^deny rule/);
  assert.equal(await stage.answer(rule("a"), call), noRule);
});

test(
  "B45: the dynamic loader is decided as the program that it runs",
  { skip: loader === undefined ? "no glibc loader" : false },
  async (context) => {
    const stage = makeStage(context);
    const path = withForbidden(stage);
    const file = loader ?? "";
    await isStopped(stage, { file, argv: [file, path, "RAN"] });
    await isStopped(stage, {
      file,
      argv: [file, "--argv0", "ls", "--library-path=/lib", "--inhibit-cache", "--", path],
    });
    copyFileSync(file, join(stage.work, "renamed"));
    symlinkSync(file, join(stage.work, "linked"));
    for (const name of ["./renamed", "./linked"]) await isStopped(stage, { file: name, argv: ["x", path, "RAN"] });
    copyFileSync(file, join(stage.work, "ld-linux-x86-64.so.2"));
    appendFileSync(join(stage.work, "ld-linux-x86-64.so.2"), "!");
    await isStopped(stage, { file: "./ld-linux-x86-64.so.2", argv: ["x", path, "RAN"] });
    writeFileSync(join(stage.work, "script"), `#!${file} ${path}\n`);
    await isStopped(stage, { file: "./script", argv: ["s"] });
    const decision = await stage.decide("", { file, argv: [file, path] });
    assert.deepEqual(decision.file, path);
  },
);

test(
  "the dynamic loader is denied where it cannot be told what it runs",
  { skip: loader === undefined ? "no glibc loader" : false },
  async (context) => {
    const stage = makeStage(context);
    const file = loader ?? "";
    const answer = (...args: string[]): Promise<string> => stage.answer("", { file, argv: [file, ...args] });
    assert.equal(
      await answer("--new-option", "/bin/true"),
      'deny identity: the dynamic loader is called with the option "--new-option"',
    );
    assert.equal(await answer("--preload"), "deny identity: the dynamic loader is called with no value for --preload");
    assert.equal(
      await answer("--library-path", "/usr/bin", "touch"),
      "deny identity: the dynamic loader is called with a program without a folder",
    );
    assert.equal(
      await answer("./missing"),
      "deny identity: the program behind the dynamic loader cannot be opened (error 2)",
    );
    assert.equal(
      await answer(file, file, file, file, "/bin/true"),
      "deny identity: the dynamic loader is told to run itself",
    );
    assert.match(await answer("--preload", "./x.so", "/bin/true"), /^deny identity: --preload names "\.\/x\.so"/);
    for (const args of [["--help"], [], ["--list", "/bin/true"], ["/bin/true"]])
      assert.equal(await answer(...args), noRule);
  },
);

test(
  "the dynamic loader is denied where the broker does not answer in time",
  { skip: loader === undefined ? "no glibc loader" : false },
  async (context) => {
    const stage = makeStage(context);
    const call = { file: loader ?? "", argv: ["ld.so", "/bin/true"] };
    const late = { evidenceTimeoutMs: 20, resolve: () => new Promise<never>(() => undefined) };
    assert.equal(
      await stage.answer("", call, late),
      "deny identity: it could not be told within 0.02 s what would run",
    );
    const broken = { resolve: () => Promise.reject(new Error("gone")) };
    assert.equal(await stage.answer("", call, broken), "deny default: the decision failed: gone");
    assert.equal(await stage.answer("", call), noRule);
  },
);

test(
  "B46: an applet of a multi-call program is the program",
  { skip: busybox === undefined ? "no busybox" : false },
  async (context) => {
    const stage = makeStage(context);
    const file = busybox ?? "";
    const rule = 'prefix_rule(["touch"], "forbidden")';
    const text = 'deny rule: rule ["touch"] at t.rules:1';
    copyFileSync(file, join(stage.work, "renamed"));
    symlinkSync(file, join(stage.work, "linked"));
    writeFileSync(join(stage.work, "script"), `#!${file} touch\n`);
    const calls: Call[] = [
      { file, argv: ["busybox", "touch", "RAN"] },
      { file, argv: ["touch", "RAN"] },
      { file, argv: ["/x/busybox", "busybox", "/bin/touch"] },
      { file, argv: ["-touch"] },
      { file, argv: ["-busybox", "touch"] },
      { file, argv: ["-busybox", "touch"] },
      { file: "./renamed", argv: ["busybox", "touch", "RAN"] },
      { file: "./renamed", argv: ["touch", "RAN"] },
      { file: "./linked", argv: ["touch"] },
      { file: "./script", argv: ["script"] },
    ];
    for (const call of calls) await isStopped(stage, call, text, rule);
    assert.equal(await stage.answer(rule, { file, argv: ["busybox", "ls", "touch"] }), noRule);
    writeFileSync(join(stage.work, "busybox"), "#!/bin/sh\n");
    assert.equal(await stage.answer(rule, { file: "./busybox", argv: ["busybox", "touch"] }), noRule);
  },
);

test(
  "a rule on a link to a multi-call program stops that applet and no other",
  { skip: busybox === undefined ? "no busybox" : false },
  async (context) => {
    const stage = makeStage(context);
    for (const name of ["applet", "other"]) symlinkSync(busybox ?? "", join(stage.bin, name));
    const rule = 'prefix_rule(["applet"], "forbidden")';
    assert.match(await stage.answer(rule, { file: join(stage.bin, "other"), argv: ["applet"] }), /^deny rule/);
    assert.match(await stage.answer(rule, { file: join(stage.bin, "applet"), argv: ["applet"] }), /^deny rule/);
    assert.equal(await stage.answer(rule, { file: join(stage.bin, "other"), argv: ["other"] }), noRule);
  },
);

test("coreutils in one file takes the program from an option", async (context) => {
  const stage = makeStage(context);
  copyFileSync("/usr/bin/true", join(stage.bin, "coreutils"));
  const rule = 'prefix_rule(["touch"], "forbidden")';
  const call = { file: join(stage.bin, "coreutils"), argv: ["coreutils", "--coreutils-prog=touch", "RAN"] };
  assert.match(await stage.answer(rule, call), /^deny rule/);
  assert.equal(await stage.answer(rule, { ...call, argv: ["coreutils", "--coreutils-prog=ls"] }), noRule);
});

test("an anonymous or deleted file is decided by its content, and else as prompt", async (context) => {
  const stage = makeStage(context);
  const original = withForbidden(stage);
  const runDeleted = async (from: string, rules: string): Promise<string> => {
    const path = join(stage.work, "gone");
    copyFileSync(from, path);
    return await stage.answer(rules, { file: path, argv: ["x"], amend: ([file]) => removeOpened(path, file) });
  };
  assert.match(await runDeleted(original, forbidden), /^deny rule: .* as a copy of/);
  assert.equal(
    await runDeleted(original, ""),
    'deny identity: "~/work/gone (deleted)" has no name in the file system: no rule allows it, and nobody was asked',
  );
  assert.match(await runDeleted(original, 'prefix_rule(["forbidden"])'), /^run identity: .* kept inside: .* no name/);
  assert.match(await runDeleted("/bin/true", 'prefix_rule(["forbidden"])'), /^deny identity/);
});

function removeOpened(path: string, file: { path: unknown; nlink: number } | undefined): void {
  rmSync(path);
  if (file === undefined) return;
  file.path = `${path} (deleted)`;
  file.nlink = 0;
}

test("B50: LD_PRELOAD=./x.so and its like are as prompt where they name something writable", async (context) => {
  const stage = makeStage(context);
  symlinkSync(stage.work, join(stage.bin, "link"));
  const answer = (...env: string[]): Promise<string> => stage.answer("", { file: "/bin/true", argv: ["true"], env });
  assert.equal(
    await answer("LD_PRELOAD=./x.so"),
    'deny identity: LD_PRELOAD names "./x.so", which can be written from inside: no rule allows it, and nobody was asked',
  );
  const attacks = [
    `LD_PRELOAD=/usr/lib/libm.so.6 ${stage.work}/x.so`,
    `LD_PRELOAD=${stage.bin}/link/x.so`,
    "LD_PRELOAD=/proc/self/fd/5",
    "LD_PRELOAD=/dev/shm/x.so",
    "LD_AUDIT=/usr/lib/libm.so.6:./x.so",
    "LD_LIBRARY_PATH=/usr/lib:",
    "LD_LIBRARY_PATH=.",
    "LD_LIBRARY_PATH=/usr/lib;lib",
    `LD_LIBRARY_PATH=${stage.work}/$LIB`,
  ];
  for (const attack of attacks) assert.match(await answer("A=b", attack), /^deny identity: LD_/, attack);
  const harmless = [
    "LD_PRELOAD=",
    "LD_PRELOAD=libfakeroot.so",
    "LD_LIBRARY_PATH=/usr/lib:/lib",
    "XLD_PRELOAD=./x.so",
    "A=LD_PRELOAD=./x.so",
    "LD_LIBRARY_PATH=",
  ];
  for (const entry of harmless) assert.equal(await answer("A=b", entry), noRule, entry);
  const origin = { file: join(stage.work, "tool"), argv: ["tool"], env: ["LD_LIBRARY_PATH=$ORIGIN"] };
  copyFileSync("/bin/true", origin.file);
  assert.match(await stage.answer("", origin), /^deny identity/);
});

test("a program for another machine is denied, and a forbidden one still by its rule", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  const amend: Call["amend"] = ([file]) => {
    if (file !== undefined) file.foreign = true;
  };
  assert.equal(
    await stage.answer("", { file: path, argv: ["x"], amend }),
    'deny identity: "~/bin/forbidden" is a program for another machine',
  );
  assert.equal(await stage.answer(forbidden, { file: path, argv: ["x"], amend }), stopped);
});

test("an exec without a file is denied", async (context) => {
  const stage = makeStage(context);
  const amend: Call["amend"] = (chain) => void chain.splice(0);
  assert.equal(
    await stage.answer("", { file: "/bin/true", argv: [], amend }),
    "deny identity: the caller hides its memory, so what it executes can't be read",
  );
});

test("below an escalated program: forbidden, prompt, loader and anonymous hold, the rest goes on outside", async (context) => {
  const stage = makeStage(context);
  const path = withForbidden(stage);
  const call = { file: path, argv: ["forbidden"], outside: true };
  assert.equal(await stage.answer(forbidden, call), stopped);
  assert.match(await stage.answer('prefix_rule(["forbidden"], "prompt")', call), /^deny rule: .* nobody was asked$/);
  assert.equal(await stage.answer("", call), "run default: no rule matches; it goes on outside");
  assert.equal(
    await stage.answer('prefix_rule(["forbidden"])', call),
    'run rule: rule ["forbidden"] at t.rules:1 allows it; it goes on outside',
  );
  const loading = { ...call, env: ["LD_PRELOAD=./x.so"] };
  assert.match(await stage.answer("", loading), /^deny identity: .* nobody was asked$/);
  assert.match(await stage.answer('prefix_rule(["forbidden"])', loading), /^deny identity: .* outside the wall$/);
});
