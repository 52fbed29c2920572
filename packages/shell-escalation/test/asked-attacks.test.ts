/** What changes between a question and its yes: what runs is what the person was asked about, or nothing. */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { ExecRecord } from "@sallyport/protocol";
import { loadRules, openApprovals } from "@sallyport/rules-store";
import { textToDisplay } from "@sallyport/supervisor";
import type { ExecAnswer, ExecQuestion } from "../src/decision/index.ts";
import { runGuarded } from "../src/run-guarded.ts";
import type { GuardedRunOptions } from "../src/run-guarded.ts";
import { noPatchedBash, patchedBash } from "./patched-bash.ts";

const cacheHome = process.geteuid?.() === 0 ? "/var/lib" : homedir();
const yes: ExecAnswer = { kind: "allow", by: "the test" };

interface Stage {
  base: string;
  project: string;
  /** A shell under the name `tool`, on the PATH and out of reach. */
  tool: string;
  /** Runs a script inside; `ask` answers every question. */
  run(
    script: string,
    ask: (question: ExecQuestion) => ExecAnswer | Promise<ExecAnswer>,
    rules?: string,
  ): Promise<Outcome>;
}

interface Outcome {
  output: string;
  /** Of `tool`. */
  decisions: string[];
  /** Programs that did not start, since they had been changed. */
  changed: number;
  questions: ExecQuestion[];
}

const wasChanged = "what it would have executed was changed meanwhile, so it did not start";
const prompt = 'prefix_rule(["tool"], "prompt", escalate = True)\n';

type Who = "kernel" | "bash";

function makeStage(interceptor: Who = "kernel", changes: Partial<GuardedRunOptions> = {}): Stage {
  const base = realpathSync(mkdtempSync(join(existsSync(cacheHome) ? cacheHome : tmpdir(), "asked-attacks-")));
  after(() => rmSync(base, { recursive: true, force: true }));
  for (const folder of ["project", "home", "bin", "elsewhere"]) mkdirSync(join(base, folder), { mode: 0o700 });
  const [project, home, tool] = [join(base, "project"), join(base, "home"), join(base, "bin", "tool")];
  copyFileSync("/usr/bin/dash", tool);
  const shell = interceptor === "bash" ? patchedBash : "/bin/bash";
  const approvals = openApprovals({ home, onWarning: assert.fail });
  const run: Stage["run"] = async (script, ask, rules = prompt) => {
    const file = join(base, "test.rules");
    writeFileSync(file, rules, { mode: 0o600 });
    const chunks: Buffer[] = [];
    const records = new Map<string, ExecRecord>();
    const questions: ExecQuestion[] = [];
    await runGuarded({
      argv: [shell, "-c", script],
      cwd: project,
      env: [`PATH=${join(base, "bin")}:/usr/bin:/bin`, `BASE=${base}`, `HOME=${base}`],
      home,
      policy: { kind: "rules", ruleSet: loadRules({ home, files: [file], discover: false }) },
      rulesFiles: [file],
      sandbox: {
        mode: "workspace-write",
        writable: [],
        network: false,
        denyRead: [],
        allowGitInit: false,
        sockets: [],
        wall: "auto",
      },
      interceptor,
      ...(interceptor === "bash" ? { shell } : {}),
      approvals,
      passSignals: false,
      onOutput: (chunk) => void chunks.push(Buffer.from(chunk)),
      onRecord: (record) => void records.set(record.id, record),
      ask: async (question) => {
        questions.push(question);
        return await ask(question);
      },
      ...changes,
    });
    const decisions = [...records.values()].filter(({ argv }) => argv[0] === "tool").map(({ decision }) => decision);
    const changed = [...records.values()].filter(({ reason }) => reason.text.endsWith(wasChanged)).length;
    return { output: Buffer.concat(chunks).toString(), decisions, changed, questions };
  };
  return { base, project, tool, run };
}

function forBoth(title: string, body: (who: Who) => Promise<void>): void {
  test(title, () => body("kernel"));
  test(`${title}, with a patched Bash`, { skip: noPatchedBash }, () => body("bash"));
}

/** A program that says who it is and writes where only what runs outside can. */
const telltale = `'echo "$0 $(pwd)" >>$BASE/elsewhere/log' told`;

function log({ base }: Stage): string {
  const path = join(base, "elsewhere", "log");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

forBoth(
  "a program that is replaced while it is asked about: the judged one runs, and the next start asks again",
  async (who) => {
    const stage = makeStage(who);
    const { base, tool } = stage;
    const evil = join(base, "evil");
    writeFileSync(evil, `#!/bin/sh\necho evil >>${base}/elsewhere/log\n`);
    chmodSync(evil, 0o755);
    const replace = (): ExecAnswer => {
      if (existsSync(evil)) renameSync(evil, tool);
      return yes;
    };
    const { decisions } = await stage.run(`tool -c ${telltale}; :`, replace);
    assert.deepEqual(decisions, ["escalate"]);
    assert.equal(log(stage), `told ${stage.project}\n`);
    const session = { ...yes, keep: { scope: "session" } } as const;
    const again = await stage.run("tool; :", () => ({ kind: "deny", reason: "not that one" }));
    assert.equal(again.questions.length, 1);
    assert.equal(log(stage), `told ${stage.project}\n`);
    // The control: by its new name it is another program, and a yes to it is one.
    await stage.run("tool; :", () => session);
    assert.equal(log(stage), `told ${stage.project}\nevil\n`);
  },
);

forBoth(
  "a working folder that is moved while it is asked about, with a link in its place: nothing runs in the other one",
  async (who) => {
    const stage = makeStage(who);
    const { base, project } = stage;
    const move = ({ cwd }: ExecQuestion): ExecAnswer => {
      assert.equal(cwd, join(project, "work"));
      renameSync(join(project, "work"), join(project, "moved"));
      symlinkSync(join(base, "elsewhere"), join(project, "work"));
      return yes;
    };
    const { output } = await stage.run(`mkdir work; cd work; tool -c ${telltale}; echo "status $?"`, move);
    assert.match(output, /status 125\n$/);
    assert.match(output, /cannot run this outside: finding the caller's working directory outside/);
    assert.equal(log(stage), "");
  },
);

test("a folder reached by a link is asked about under its own name", async () => {
  const stage = makeStage();
  const script = `ln -s ${stage.base}/elsewhere link; cd link; PWD=$OLDPWD tool -c ${telltale}; :`;
  const { questions, decisions } = await stage.run(script, () => yes);
  assert.deepEqual([questions[0]?.cwd, decisions], [join(stage.base, "elsewhere"), ["escalate"]]);
  assert.equal(log(stage), `told ${stage.base}/elsewhere\n`);
});

test("a yes for the session is none for another folder, argument, library or name", async () => {
  const stage = makeStage();
  writeFileSync(join(stage.project, "lib.so"), "");
  const keep = (): ExecAnswer => ({ ...yes, keep: { scope: "session" } });
  const call = "tool -c :";
  const asked = async (script: string): Promise<number> => (await stage.run(script, keep)).questions.length;
  assert.equal(await asked(`${call}; ${call}; :`), 1);
  assert.equal(await asked(`${call}; :`), 0);
  assert.equal(await asked(`mkdir -p sub; cd sub; ${call}; :`), 1);
  assert.equal(await asked("tool -c : more; :"), 1);
  assert.equal(await asked(`LD_PRELOAD=$PWD/lib.so ${call}; :`), 1);
  assert.equal(await asked(`LD_PRELOAD=$PWD/other.so ${call}; :`), 1);
  assert.equal(await asked("(exec -a other tool -c :); :"), 1);
});

test("what is asked about shows the variables that the rule would hand on, and remembering it is for these values", async () => {
  const stage = makeStage();
  const rules = 'prefix_rule(["tool"], "prompt", escalate = True, env = ["PLACE"])\n';
  const keep = (): ExecAnswer => ({ ...yes, keep: { scope: "session" } });
  const one = await stage.run(
    "PLACE=a tool -c :; PLACE=b tool -c :; PLACE=b tool -c :; tool -c :; tool -c :",
    keep,
    rules,
  );
  const shown = one.questions.map(({ changedEnv }) =>
    changedEnv.map(textToDisplay).filter((entry) => entry.startsWith("PLACE=")),
  );
  assert.deepEqual(shown, [["PLACE=a"], ["PLACE=b"], []]);
  const identities = one.questions.map(({ identity }) => identity);
  assert.equal(new Set(identities).size, 3);
  assert.deepEqual(
    one.questions.map(({ proposals }) => proposals.length > 0),
    [false, false, true],
  );
});

test("a program that is asked about is the one behind its launcher, whatever the words are", async () => {
  const stage = makeStage();
  for (const script of ["env tool -c :", "nice tool -c :", "xargs tool -c : </dev/null", "bash -c 'exec tool -c :'"]) {
    const { questions } = await stage.run(`${script}; :`, () => ({ kind: "deny", reason: "no" }));
    assert.deepEqual(
      questions.map(({ file, argv }) => [file, argv[0]]),
      [[stage.tool, "tool"]],
      script,
    );
  }
});

/** A yes that lets a program run inside, where it is found anew: what was asked about runs, or nothing. */
interface Swap {
  title: string;
  /** Makes what runs well, in the project. */
  prepare: (project: string) => void;
  /** What hostile code does while the question is open. */
  swap: (project: string) => void;
}

function program(path: string, text: string, interpreter = "/bin/sh"): void {
  writeFileSync(path, `#!${interpreter}\n${text}\n`);
  chmodSync(path, 0o755);
}

const swaps: Swap[] = [
  {
    title: "a script that is written anew",
    prepare: (project) => program(join(project, "sub", "called"), "echo benign"),
    swap: (project) => program(join(project, "sub", "called"), "echo evil"),
  },
  {
    title: "a script with another one in its place",
    prepare: (project) => program(join(project, "sub", "called"), "echo benign"),
    swap: (project) => {
      program(join(project, "other"), "echo evil");
      renameSync(join(project, "other"), join(project, "sub", "called"));
    },
  },
  {
    title: "a script with another interpreter in the place of its own",
    prepare: (project) => {
      copyFileSync("/usr/bin/dash", join(project, "reader"));
      program(join(project, "sub", "called"), "echo benign", join(project, "reader"));
    },
    swap: (project) => {
      rmSync(join(project, "reader"));
      copyFileSync("/usr/bin/tail", join(project, "reader"));
    },
  },
  {
    title: "a script with another folder in the place of its own",
    prepare: (project) => program(join(project, "sub", "called"), "echo benign"),
    swap: (project) => {
      renameSync(join(project, "sub"), join(project, "moved"));
      mkdirSync(join(project, "sub"));
      program(join(project, "sub", "called"), "echo evil");
    },
  },
];

const askAlways = { defaultDecision: "prompt" } as const;

for (const { title, prepare, swap } of swaps) {
  forBoth(`${title} while it is asked about does not run inside`, async (who) => {
    const stage = makeStage(who, askAlways);
    mkdirSync(join(stage.project, "sub"));
    prepare(stage.project);
    const script = "sub/called; echo status $?";
    const answer = (isHostile: boolean): Promise<Outcome> =>
      stage.run(script, ({ file }) => {
        if (isHostile && file === join(stage.project, "sub", "called")) swap(stage.project);
        return yes;
      });
    const benign = await answer(false);
    assert.deepEqual([benign.output, benign.changed], ["benign\nstatus 0\n", 0]);
    const hostile = await answer(true);
    assert.match(hostile.output, who === "kernel" ? /Permission denied\nstatus 126\n$/ : /changed .*\nstatus 1\n$/);
    assert.doesNotMatch(hostile.output, /^evil|^benign|^echo/m);
    assert.equal(hostile.changed, 1);
  });
}

/** Executes what stands in memory that it shares with its parent; that writes something else there when it is told to. */
const memoryWriter = `
import ctypes, mmap, os, sys, time
part, new = sys.argv[1].encode(), sys.argv[2].encode()
shared = mmap.mmap(-1, 4096)
words = {b"file": (0, b"/bin/echo"), b"word": (256, b"benign"), b"variable": (512, b"NAME=benign")}
for at, text in words.values(): shared[at:at + len(text) + 1] = text + b"\\0"
base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
child = os.fork()
if child == 0:
    argv = (ctypes.c_void_p * 3)(base + 0, base + 256, None)
    env = (ctypes.c_void_p * 2)(base + 512, None)
    ctypes.CDLL(None, use_errno=True).execve(ctypes.c_void_p(base), argv, env)
    os.write(1, b"refused %d\\n" % ctypes.get_errno())
    os._exit(0)
while not os.path.exists("go"): time.sleep(0.01)
at = words[part][0]
shared[at:at + len(new) + 1] = new + b"\\0"
open("swapped", "w").close()
os.waitpid(child, 0)
`;

for (const [part, text] of [
  ["file", "/bin/uname"],
  ["word", "evil"],
  ["variable", "NAME=evil"],
] as const) {
  test(`memory with the ${part} of a program that is written while it is asked about: it does not run`, async () => {
    const stage = makeStage("kernel", askAlways);
    const { project } = stage;
    writeFileSync(join(project, "writer.py"), memoryWriter);
    const answer = async (word: string): Promise<Outcome> => {
      for (const name of ["go", "swapped"]) rmSync(join(project, name), { force: true });
      return await stage.run(`python3 writer.py ${part} ${word}`, async ({ argv }) => {
        if (argv[0] !== "/bin/echo") return yes;
        writeFileSync(join(project, "go"), "");
        const deadline = Date.now() + 30_000;
        while (!existsSync(join(project, "swapped")) && Date.now() < deadline) await setTimeout(10);
        return yes;
      });
    };
    const hostile = await answer(text);
    assert.deepEqual([hostile.output, hostile.changed], ["refused 13\n", 1]);
    // The control: the same is written there, which is no change.
    const same = { file: "/bin/echo", word: "benign", variable: "NAME=benign" }[part];
    const benign = await answer(same);
    assert.deepEqual([benign.output, benign.changed], ["benign\n", 0]);
  });
}
