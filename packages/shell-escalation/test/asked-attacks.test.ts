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
import type { ExecRecord } from "@sallyport/protocol";
import { loadRules, openApprovals } from "@sallyport/rules-store";
import { textToDisplay } from "@sallyport/supervisor";
import type { ExecAnswer, ExecQuestion } from "../src/decision/index.ts";
import { runGuarded } from "../src/run-guarded.ts";

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
  questions: ExecQuestion[];
}

const prompt = 'prefix_rule(["tool"], "prompt")\n';

function makeStage(): Stage {
  const base = realpathSync(mkdtempSync(join(existsSync(cacheHome) ? cacheHome : tmpdir(), "asked-attacks-")));
  after(() => rmSync(base, { recursive: true, force: true }));
  for (const folder of ["project", "home", "bin", "elsewhere"]) mkdirSync(join(base, folder), { mode: 0o700 });
  const [project, home, tool] = [join(base, "project"), join(base, "home"), join(base, "bin", "tool")];
  copyFileSync("/usr/bin/dash", tool);
  const approvals = openApprovals({ home, onWarning: assert.fail });
  const run: Stage["run"] = async (script, ask, rules = prompt) => {
    const file = join(base, "test.rules");
    writeFileSync(file, rules, { mode: 0o600 });
    const chunks: Buffer[] = [];
    const records = new Map<string, ExecRecord>();
    const questions: ExecQuestion[] = [];
    await runGuarded({
      argv: ["/bin/bash", "-c", script],
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
      interceptor: "kernel",
      approvals,
      passSignals: false,
      onOutput: (chunk) => void chunks.push(Buffer.from(chunk)),
      onRecord: (record) => void records.set(record.id, record),
      ask: async (question) => {
        questions.push(question);
        return await ask(question);
      },
    });
    const decisions = [...records.values()].filter(({ argv }) => argv[0] === "tool").map(({ decision }) => decision);
    return { output: Buffer.concat(chunks).toString(), decisions, questions };
  };
  return { base, project, tool, run };
}

/** A program that says who it is and writes where only what runs outside can. */
const telltale = `'echo "$0 $(pwd)" >>$BASE/elsewhere/log' told`;

function log({ base }: Stage): string {
  const path = join(base, "elsewhere", "log");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

test("a program that is replaced while it is asked about: the judged one runs, and the next start asks again", async () => {
  const stage = makeStage();
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
});

test("a working folder that is moved while it is asked about, with a link in its place: nothing runs in the other one", async () => {
  const stage = makeStage();
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
});

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
  const rules = 'prefix_rule(["tool"], "prompt", env = ["PLACE"])\n';
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
