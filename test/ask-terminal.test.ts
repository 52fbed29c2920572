/** Asked at the terminal: each answer, what everything does meanwhile, and how it goes on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { noPatchedBash, patchedBash } from "../packages/shell-escalation/test/patched-bash.ts";
import { callers, executable, ordinaryCaller, Place, root } from "./fidelity/place.ts";
import type { Caller } from "./fidelity/place.ts";
import { Terminal } from "./terminal/terminal.ts";

const searchPath = "/usr/local/bin:/usr/bin:/bin";
// What stands behind them is the echo of what a terminal has typed by itself meanwhile.
const asked = /Sallyport asks: may this program run\?[^]*Your choice: [^\r\n]*$/;
const again = /Not understood\. Type one of [^:]*: [^\r\n]*$/;
const ctrlC = "\u0003";
const ctrlD = "\u0004";
const node = [process.execPath, "--conditions=sallyport-source"];

const firstCaller = callers[0] ?? ordinaryCaller;

const places = new Map<Caller, Place>(callers.map((caller) => [caller, new Place(caller)]));
after(() => {
  for (const place of places.values()) place.remove();
});

interface Asking {
  rules?: string;
  options?: string[];
  caller?: Caller;
  term?: string;
  /** In place of the sallyport command. */
  program?: string[];
  /** Of the terminal; default 40 and 100. */
  rows?: number;
  columns?: number;
}

function placeOf(caller: Caller): Place {
  const place = places.get(caller);
  assert.ok(place !== undefined);
  return place;
}

/** `sallyport run` on a terminal, with bash and a script. */
async function open(script: string, asking: Asking = {}): Promise<Terminal> {
  const { caller = firstCaller, options = [], rules = 'prefix_rule(["id"], decision = "prompt")\n' } = asking;
  const place = placeOf(caller);
  const words = asking.program ?? [executable, "run"];
  const rulesFile = place.rules(rules);
  const [file, ...args] = [...caller.prefix, ...words, "--rules", rulesFile, ...options, "-c", script];
  return await Terminal.open([file.startsWith("/") ? file : `/usr/bin/${file}`, ...args], {
    cwd: place.project,
    env: {
      PATH: `${place.bin}:${searchPath}`,
      HOME: place.user,
      SALLYPORT_HOME: place.home,
      LANG: "C.UTF-8",
      TERM: asking.term ?? "xterm",
    },
    rows: asking.rows ?? 40,
    columns: asking.columns ?? 100,
  });
}

/** False: no question came in time. */
async function isAsked(terminal: Terminal): Promise<boolean> {
  return await terminal.waitFor(asked).then(
    () => true,
    () => false,
  );
}

/** Runs it with these answers; what was said in the end, and the exit status. */
async function answer(
  script: string,
  keys: string[],
  asking: Asking = {},
): Promise<{ said: string; status: number | null }> {
  const terminal = await open(script, asking);
  try {
    for (const key of keys) {
      await terminal.waitFor(asked);
      terminal.type(key);
    }
    const status = await terminal.end();
    return { said: terminal.said, status };
  } finally {
    await terminal.close();
  }
}

const questionBegins = "\u0018";
const questionEnds = "\u001B[?1049l";

/** Without the questions: each stands on a screen of its own. */
function outsideQuestions(said: string): string {
  const [before = "", ...questions] = said.split(questionBegins);
  const after = questions.map((text) => text.slice(text.indexOf(questionEnds) + questionEnds.length));
  return [before, ...after].join("").replaceAll("\r\n", "\n");
}

function count(said: string): number {
  return said.split("Sallyport asks:").length - 1;
}

describe("what can be answered", () => {
  test("yes, this once: the next one is asked about again", async () => {
    const { said, status } = await answer("id -u; id -u; echo end", ["y\r", "y\r"]);
    const uid = firstCaller.uid;
    assert.deepEqual([outsideQuestions(said), count(said), status], [`${uid}\n${uid}\nend\n`, 2, 0]);
  });

  test("yes, until this command has ended", async () => {
    const { said, status } = await answer("id -u; id -u; id -u; echo end", ["s\r"]);
    const uid = firstCaller.uid;
    assert.deepEqual([outsideQuestions(said), count(said), status], [`${uid}\n${uid}\n${uid}\nend\n`, 1, 0]);
    // Not beyond it.
    assert.equal(count((await answer("id -u", ["n\r"])).said), 1);
  });

  test("yes, always: kept as it was proposed, and never asked again", async () => {
    const rules = 'prefix_rule(["uname"], decision = "prompt")\n';
    const first = await answer("uname; uname", ["a\r"], { rules });
    assert.deepEqual([outsideQuestions(first.said), count(first.said)], ["Linux\nLinux\n", 1]);
    const second = await answer("uname", [], { rules });
    assert.deepEqual([second.said, second.status], ["Linux\r\n", 0]);
    // The narrowest is what "a" means.
    const other = await answer("uname -s", ["n\r"], { rules });
    assert.equal(count(other.said), 1);
    const kept = readFileSync(join(placeOf(firstCaller).home, "approvals.rules"), "utf8");
    assert.match(kept, /"uname"/);
  });

  test("no", async () => {
    const { said, status } = await answer("id -u; echo $?", ["n\r"]);
    assert.match(outsideQuestions(said), /^Execution denied: .*: the user said no\n1\n$/);
    assert.equal(status, 0);
  });

  test("no, and the agent is told why", async () => {
    const terminal = await open("id -u 2> said; echo $?");
    try {
      await terminal.waitFor(asked);
      terminal.type("t\r");
      await terminal.waitFor(/Tell the agent: $/);
      terminal.type("use whoami instead\r");
      assert.equal(await terminal.end(), 0);
    } finally {
      await terminal.close();
    }
    const told = readFileSync(join(placeOf(firstCaller).project, "said"), "utf8");
    assert.match(told, /^Execution denied: .*: the user said no: use whoami instead\n$/);
  });

  test("anything else is asked again, and Ctrl-D is no", async () => {
    const terminal = await open("id -u; echo $?");
    try {
      await terminal.waitFor(asked);
      for (const line of ["\r", "yes\r", "yn\r", "\u001B[5;7Ry\r", "y y\r", "0\r", "9\r"]) {
        terminal.type(line);
        await terminal.waitFor(again);
      }
      terminal.type(ctrlD);
      assert.equal(await terminal.end(), 0);
      assert.match(outsideQuestions(terminal.said), /^Execution denied: .*: the terminal gave no answer\n1\n$/);
    } finally {
      await terminal.close();
    }
  });

  test("everything can be viewed in full, page by page", async () => {
    const last = `last ${"x".repeat(300)} of all`;
    const terminal = await open(`id $(seq 1 100) "${last}"; echo $?`);
    try {
      await terminal.waitFor(asked);
      assert.match(terminal.said, /\(of 102 arguments not all are shown; v shows them\)/);
      assert.doesNotMatch(terminal.said, /of all/);
      terminal.type("v\r");
      for (let page = 1; page <= 3; page += 1) {
        await terminal.waitFor(/Enter: (more, q: )?back to the question $/);
        terminal.type("\r");
      }
      await terminal.waitFor(asked);
      assert.ok(terminal.said.replaceAll(/\r\n {12}/g, "").includes(last));
      terminal.type("n\r");
      assert.equal(await terminal.end(), 0);
    } finally {
      await terminal.close();
    }
  });
});

/** The processes with these words on their command line. */
function processesOf(...words: string[]): number[] {
  const line = `${words.join("\0")}\0`;
  return readdirSync("/proc").flatMap((name) => (read(`/proc/${name}/cmdline`) === line ? [Number(name)] : []));
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // gone meanwhile
  }
}

/** Sallyport's own processes that run this script. */
function nodesWith(script: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    const words = read(`/proc/${name}/cmdline`).split("\0");
    return words[0]?.endsWith("/node") === true && words.includes(script) ? [Number(name)] : [];
  });
}

function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** T: stopped by a signal. */
function stateOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  return stat.charAt(stat.lastIndexOf(")") + 2);
}

async function eventually(holds: () => boolean): Promise<void> {
  const until = performance.now() + 60_000;
  while (!holds()) {
    assert.ok(performance.now() < until, `never came true: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const hasGroups = existsSync("/sys/fs/cgroup/cgroup.procs") || existsSync("/sys/fs/cgroup/unified");

/** Each counts in a file as fast as it can: in the background, in a session of its own, and outside of the sandbox. */
const counted = ["counted-1", "counted-2", "counted-3"];
const counters = `
  sh -c 'while :; do echo; done' >> counted-1 &
  setsid sh -c 'while :; do echo; done' >> counted-2 &
  count >> counted-3 &
  until [ -s counted-1 ] && [ -s counted-2 ] && [ -s counted-3 ]; do :; done
  id -u
  for file in counted-*; do
    size=$(stat -c %s $file)
    until [ "$(stat -c %s $file)" -gt $size ]; do :; done
  done
  kill %1 %3; echo end`;

describe("while it is asked", () => {
  for (const caller of callers) {
    test(`nothing of the tree runs, and all goes on afterwards (${caller.name})`, async () => {
      const place = placeOf(caller);
      place.file("bin/count", "#!/bin/sh\nwhile :; do echo; done\n", 0o755);
      const rules = `prefix_rule(["id"], decision = "prompt")\nprefix_rule(["count"], escalate = True)\n`;
      const journal = join(place.base, "journal");
      const sizes = (): number[] => counted.map((name) => read(join(place.project, name)).length);
      const terminal = await open(counters, { caller, rules, options: ["--journal", journal] });
      try {
        await terminal.waitFor(asked);
        assert.match(read(journal), /"decision":"escalate"/);
        const before = sizes();
        // Long enough for many thousand lines.
        const until = performance.now() + 200;
        await eventually(() => performance.now() > until);
        assert.deepEqual(sizes(), before);
        terminal.type("y\r");
        assert.equal(await terminal.end(), 0);
        assert.match(outsideQuestions(terminal.said), new RegExp(`${caller.uid}\n[^]*end\n$`));
      } finally {
        await terminal.close();
        for (const name of counted) rmSync(join(place.project, name), { force: true });
      }
    });
  }

  test("a process that had stopped by itself stays stopped, and the others go on", async () => {
    // As an ordinary user without a cgroup of its own, so that it is done with signals.
    const caller = ordinaryCaller;
    const script = `
      sleep 987 & until grep -q sleep /proc/$!/comm; do :; done; a=$!; kill -STOP $a
      sleep 986 & until grep -q sleep /proc/$!/comm; do :; done; b=$!
      id -u; echo status $?; echo ready; read x; kill -9 $a $b`;
    const terminal = await open(script, { caller });
    try {
      await terminal.waitFor(asked);
      const [own] = processesOf("sleep", "987");
      const [other] = processesOf("sleep", "986");
      assert.ok(own !== undefined && other !== undefined);
      assert.deepEqual([stateOf(own), stateOf(other)], ["T", "T"]);
      terminal.type("y\r");
      await terminal.waitFor(/1000\r\nstatus 0\r\nready\r\n/);
      assert.deepEqual([stateOf(own), stateOf(other)], ["T", "S"]);
      terminal.type("\r");
      assert.equal(await terminal.end(), 0);
    } finally {
      await terminal.close();
    }
  });

  test(
    "with a cgroup nobody gets a signal",
    { skip: !hasGroups || firstCaller.uid !== 0 ? "no cgroup to write" : false },
    async () => {
      const terminal = await open("sleep 985 & until grep -q sleep /proc/$!/comm; do :; done; id -u; kill %1");
      try {
        await terminal.waitFor(asked);
        const [pid] = processesOf("sleep", "985");
        assert.ok(pid !== undefined);
        assert.notEqual(stateOf(pid), "T");
        terminal.type("y\r");
        assert.equal(await terminal.end(), 0);
      } finally {
        await terminal.close();
      }
    },
  );

  test("the time limit does not run", async () => {
    const terminal = await open("id -u; echo end", { options: ["--timeout", "1"] });
    try {
      await terminal.waitFor(asked);
      const until = performance.now() + 1200;
      await eventually(() => performance.now() > until);
      terminal.type("y\r");
      assert.equal(await terminal.end(), 0);
      assert.match(outsideQuestions(terminal.said), /end\n$/);
      // It runs before and after.
      const { status } = await answer("id -u; sleep 60", ["y\r"], { options: ["--timeout", "1"] });
      assert.equal(status, 124);
    } finally {
      await terminal.close();
    }
  });

  test("several are asked one after the other, and a yes that is kept answers the rest", async () => {
    const script = "id -u & id -u & whoami & wait; echo end";
    const rules = 'prefix_rule(["id"], decision = "prompt")\nprefix_rule(["whoami"], decision = "prompt")\n';
    const each = await answer(script, ["y\r", "n\r", "y\r"], { rules });
    assert.equal(count(each.said), 3);
    assert.equal(outsideQuestions(each.said).split("the user said no").length, 2);
    const kept = await answer("id -u & id -u & id -u & id -u & wait; echo end", ["s\r"], { rules });
    assert.equal(count(kept.said), 1);
    assert.equal(outsideQuestions(kept.said), `${`${firstCaller.uid}\n`.repeat(4)}end\n`);
  });

  test("a question whose program is gone is withdrawn", async () => {
    const terminal = await open("id -u & echo end; wait");
    try {
      await terminal.waitFor(asked);
      const shells = processesOf("bash", "-c", "id -u & echo end; wait");
      // The one that waits in its exec is the other's child.
      const waiting = shells.filter((pid) => shells.includes(parentOf(pid)));
      assert.equal(waiting.length, 1);
      for (const pid of waiting) process.kill(pid, "SIGKILL");
      assert.equal(await terminal.end(), 0);
      assert.match(outsideQuestions(terminal.said), /^end\n.*Killed +id -u\n$/);
    } finally {
      await terminal.close();
    }
  });

  for (const [name, key] of [
    ["Ctrl-C", ctrlC],
    ["Ctrl-\\", "\u001C"],
  ] as const) {
    test(`${name} denies and interrupts, whatever was typed before it`, async () => {
      const terminal = await open("id -u; echo not reached");
      try {
        await terminal.waitFor(asked);
        terminal.type(`y${key}`);
        assert.equal(await terminal.end(), null); // SIGINT
        assert.match(outsideQuestions(terminal.said), /^Execution denied: .*: the user interrupted the question\n$/);
      } finally {
        await terminal.close();
      }
    });
  }

  test("when Node is killed, the terminal is put back and all that stood still has ended", async () => {
    const script = 'before=$(stty -g); "$0" run "$@"; until [ "$(stty -g)" = "$before" ]; do :; done; echo same';
    const terminal = await open("sleep 984 & id -u", { program: ["/bin/bash", "-c", script, executable] });
    try {
      await terminal.waitFor(asked);
      const [pid] = nodesWith("sleep 984 & id -u");
      assert.ok(pid !== undefined);
      process.kill(pid, "SIGKILL");
      await terminal.waitFor(/\[\?1049l[^]*same\r\n/);
      await eventually(() => processesOf("sleep", "984").length === 0);
    } finally {
      await terminal.close();
    }
  });

  test("when the broker is killed, Sallyport leaves the question's screen, says so there, and all has ended", async () => {
    const script = 'before=$(stty -g); "$0" run "$@"; [ "$(stty -g)" = "$before" ] && echo same';
    const terminal = await open("sleep 985 & id -u", { program: ["/bin/bash", "-c", script, executable] });
    try {
      await terminal.waitFor(asked);
      const [node] = nodesWith("sleep 985 & id -u");
      assert.ok(node !== undefined);
      const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(Number(pid)) === node);
      const broker = children.find((pid) => read(`/proc/${pid}/comm`).startsWith("sallyport-brokr"));
      assert.ok(broker !== undefined);
      process.kill(Number(broker), "SIGKILL");
      await terminal.waitFor(/\[\?1049l[^]*The broker ended with SIGKILL[^]*same\r\n/);
      await eventually(() => processesOf("sleep", "985").length === 0);
    } finally {
      await terminal.close();
    }
  });

  test("a SIGTERM to Sallyport ends the question and the command", async () => {
    const terminal = await open("id -u; echo not reached");
    try {
      await terminal.waitFor(asked);
      const [pid] = nodesWith("id -u; echo not reached");
      assert.ok(pid !== undefined);
      process.kill(pid, "SIGTERM");
      assert.equal(await terminal.end(), 143);
    } finally {
      await terminal.close();
    }
  });

  test("the modes of the terminal come back, and so does its foreground", async () => {
    const script =
      'stty -echo -icanon min 1; before=$(stty -g); id -u; [ "$(stty -g)" = "$before" ]; echo same $?; head -c 1';
    const terminal = await open(script);
    try {
      await terminal.waitFor(asked);
      terminal.type("y\r");
      await terminal.waitFor(/same 0\r\n/);
      terminal.type("z"); // without Enter: raw, and the command may read
      await terminal.waitFor(/z/);
      assert.equal(await terminal.end(), 0);
    } finally {
      await terminal.close();
    }
  });
});

describe("each way to bring a tree to a stand", () => {
  const hold = async (folder: string | null): Promise<unknown> => {
    const place = placeOf(firstCaller);
    const driver = join(root, "test", "terminal", "programs", "hold-tree.ts");
    const [file = "", ...args] = [...node, driver, ...(folder === null ? [] : [folder])];
    const options = { cwd: place.project, env: { PATH: searchPath, TERM: "xterm" }, rows: 24, columns: 80 };
    const terminal = await Terminal.open([file, ...args], options);
    try {
      const said = await terminal.waitFor(/\{.*\}\r\n/);
      assert.equal(await terminal.end(), 0, terminal.said);
      return JSON.parse(said.slice(said.indexOf("{")));
    } finally {
      await terminal.close();
    }
  };
  const freezers = "/sys/fs/cgroup/freezer";
  const noFreezer = existsSync(freezers) && firstCaller.uid === 0 ? false : "no freezer cgroup (v1) to write";

  test("signals", async () => {
    assert.deepEqual(await hold(null), { ran: true, how: "stop", standing: true, stopped: 2, goesOn: true });
  });

  test("the freezer of cgroup version 1", { skip: noFreezer }, async () => {
    const folder = join(freezers, `sallyport-test-${process.pid}`);
    assert.deepEqual(await hold(folder), { ran: true, how: "cgroup", standing: true, stopped: 0, goesOn: true });
    assert.equal(existsSync(folder), false);
  });
});

describe("where it is asked", () => {
  test("with a patched Bash in place of the kernel", { skip: noPatchedBash }, async () => {
    const shell = ["--interceptor", "bash", "--shell", patchedBash];
    const { said, status } = await answer("id -u; id -u; echo end", ["y\r", "n\r"], { options: shell });
    assert.match(
      outsideQuestions(said),
      new RegExp(`^${firstCaller.uid}\nExecution denied: .*: the user said no\nend\n$`),
    );
    assert.equal(status, 0);
  });

  test("with -t at the caller's terminal, not at the command's", async () => {
    const script = "stty -echo; id -u; stty -a | grep -o -e -echo\\ ; echo ready; read x; echo got $x";
    const terminal = await open(script, { options: ["-t"] });
    try {
      await terminal.waitFor(asked);
      terminal.type("y\r");
      await terminal.waitFor(new RegExp(`${firstCaller.uid}\r\n-echo \r\nready\r\n`));
      terminal.type("typed\r");
      await terminal.waitFor(/got typed\r\n/);
      assert.equal(await terminal.end(), 0);
    } finally {
      await terminal.close();
    }
  });

  test("a dumb terminal gets lines", async () => {
    const { said, status } = await answer("id -u", ["y\r"], { term: "dumb" });
    assert.ok(!said.includes("\u001B"));
    assert.match(said, new RegExp(`y\r\n${firstCaller.uid}\r\n$`));
    assert.equal(status, 0);
  });

  test("without a terminal, in the background and with --ask never it is denied", async () => {
    const place = placeOf(firstCaller);
    const rules = place.rules('prefix_rule(["id"], decision = "prompt")\n');
    const alone = place.run(["--rules", rules, "--ask", "on-request", "-c", "id -u"]);
    assert.match(alone.stderr, /^Execution denied: .*nobody was asked: there is no terminal to ask at\n$/);
    const inBackground = ["/bin/bash", "-c", 'set -m; "$0" run "$@" & wait $!', executable];
    const behind = await answer("id -u", [], { program: inBackground });
    assert.match(behind.said, /^Execution denied: .*nobody was asked: the terminal is another job's at the moment\r\n/);
    const never = await answer("id -u", [], { options: ["--ask", "never"] });
    assert.match(never.said, /^Execution denied: .*nobody was asked\r\n$/);
  });

  test("nobody answers in time", async () => {
    const driver = join(root, "test", "terminal", "programs", "ask-briefly.ts");
    const { said, status } = await answer("id -u; echo $?", [], { program: [...node, driver, "400"] });
    assert.match(outsideQuestions(said), /^Execution denied: .*: nobody answered within 0\.4 s\n1\n$/);
    assert.equal(status, 0);
  });
});

/** What terminals answer to what programs print: each is typed as if by the person. */
function terminalAnswers(said: string): string {
  const answers: [asked: string, answer: string][] = [
    ["\u001B[6n", "\u001B[40;100R"],
    ["\u001B[5n", "\u001B[0n"],
    ["\u001B[c", "\u001B[?62;22c"],
    ["\u001B[>c", "\u001B[>41;366;0c"],
    ["\u001B]10;?", "\u001B]10;rgb:0000/0000/0000\u001B\\"],
    // The title, which the job has set to "y".
    ["\u001B[21t", "\u001B]ly\u001B\\"],
    // What a person may have configured as answer to ENQ.
    ["\u0005", "y"],
  ];
  return answers.map(([question, reply]) => reply.repeat(said.split(question).length - 1)).join("");
}

describe("a hostile job never gets a yes", () => {
  before(() => {
    const source = join(root, "test", "terminal", "programs", "hostile-job.c");
    for (const place of places.values())
      execFileSync("cc", ["-O1", "-pthread", "-o", join(place.bin, "hostile-job"), source]);
  });

  for (const caller of callers) {
    for (const options of [[], ["-t"]]) {
      test(`types, paints, asks the terminal, changes its modes (${[caller.name, ...options].join(", ")})`, async () => {
        const place = placeOf(caller);
        const rules = 'prefix_rule(["touch"], decision = "prompt")\n';
        const stolen = join(place.project, "stolen");
        const script = `${join(place.bin, "hostile-job")} touch stolen; echo status $?`;
        for (let attempt = 1; ; attempt += 1) {
          const terminal = await open(`${script}; ${script}`, { rules, options, caller });
          terminal.answers = terminalAnswers;
          try {
            if (await isAsked(terminal)) {
              const until = performance.now() + 1000;
              await eventually(() => performance.now() > until);
              assert.equal(existsSync(stolen), false);
              // Nothing has answered it: it is still there, and takes a person's answer. Late answers of the terminal spoil a line.
              await persist(terminal, "n\r", /status 1\r\n/);
              assert.equal(existsSync(stolen), false);
              if (await isAsked(terminal)) {
                await persist(terminal, "y\r", /status 0\r\n/);
                assert.equal(existsSync(stolen), true);
                assert.equal(await terminal.end(), 0);
                return;
              }
            }
            // On a busy machine it may be denied instead, because not everything stood still. That is no yes either.
            assert.equal(existsSync(stolen), false);
            assert.ok(attempt < 3, "asked in none of three attempts");
          } finally {
            await terminal.close();
            rmSync(stolen, { force: true });
          }
        }
      });
    }
  }

  const manyArguments = "id -u $(seq 1 300)";
  /** What is on the screen when the person has to choose, above the line to type in. */
  const linesOnScreen = async (terminal: Terminal): Promise<string[]> => {
    await terminal.waitFor(/(?:Your choice: |Enter: [^\r\n]+ )$/);
    const { said } = terminal;
    return said
      .slice(said.lastIndexOf("\u001B[2J") + 4)
      .split("\r\n")
      .slice(0, -1);
  };

  test("says that the terminal is larger than it is", async () => {
    const terminal = await open(`stty rows 400 cols 4000; ${manyArguments}`);
    try {
      const lines = await linesOnScreen(terminal);
      assert.equal(lines[0], "Sallyport asks: may this program run?");
      assert.ok(lines.length < 40 && lines.every((line) => line.length <= 100), lines.join("\n"));
      assert.ok(
        lines.some((line) => line.includes("of 302 arguments not all are shown")),
        lines.join("\n"),
      );
      terminal.type("n\r");
      await terminal.waitFor(/the user said no/);
    } finally {
      await terminal.close();
    }
  });

  test("says so of a terminal that has become smaller: then the terminal's own word counts", async () => {
    const terminal = await open(`echo started; read; stty rows 40; ${manyArguments}`);
    terminal.answers = (said) => {
      const about = said.includes("\u001B[c") ? "\u001B[?62;22c" : "";
      return said.includes("\u001B[999;999H\u001B[6n") ? `${about}\u001B[30;100R` : about;
    };
    try {
      // Before that its size would be the one that the terminal has at the start.
      await terminal.waitFor(/started\r\n/);
      terminal.resize(30, 100);
      terminal.type("\r");
      const lines = await linesOnScreen(terminal);
      assert.equal(lines[0], "Sallyport asks: may this program run?");
      assert.equal(lines.length, 28, lines.join("\n"));
      terminal.type("n\r");
      await terminal.waitFor(/the user said no/);
    } finally {
      await terminal.close();
    }
  });

  test("a terminal of few rows and columns shows everything page by page, the choices too", async () => {
    const terminal = await open("id -u", { rows: 6, columns: 20 });
    try {
      let said = "";
      while (!said.includes("Your choice")) {
        const lines = await linesOnScreen(terminal);
        assert.equal(lines.length, 1, lines.join("\n"));
        said = terminal.said.slice(-40);
        if (!said.includes("Your choice")) terminal.type("\r");
      }
      for (const text of ["Sallyport asks", "/usr/bin/id", "yes, this once", "view everything"])
        assert.ok(terminal.said.includes(text), text);
      terminal.type("n\r");
      await terminal.waitFor(/the user said no/);
    } finally {
      await terminal.close();
    }
  });

  test("who forks and ends all the time stands still too, and does not get away", async () => {
    const place = placeOf(ordinaryCaller);
    const chain = join(place.bin, "fork-chain");
    execFileSync("cc", ["-O1", "-o", chain, join(root, "test", "terminal", "programs", "fork-chain.c")]);
    const terminal = await open("fork-chain & sleep 0.1; id -u; kill -9 -1", {
      caller: ordinaryCaller,
    });
    try {
      await terminal.waitFor(asked);
      const links = readdirSync("/proc").filter((name) => read(`/proc/${name}/comm`) === "fork-chain\n");
      assert.ok(links.length > 0);
      assert.deepEqual(new Set(links.map((pid) => stateOf(Number(pid)))), new Set(["T"]));
      terminal.type("n\r");
      await terminal.end();
    } finally {
      await terminal.close();
    }
  });

  test("a key that was pressed for the program does not answer the question that it brings up", async () => {
    const terminal = await open("stty -echo; echo press y; id -u");
    try {
      await terminal.waitFor(/press y/);
      terminal.type("y\r");
      await terminal.waitFor(/\[2J/);
      terminal.type("y\r"); // and once more, when the question comes up
      await terminal.waitFor(asked);
      const until = performance.now() + 300;
      await eventually(() => performance.now() > until);
      assert.doesNotMatch(terminal.said, /^0\r$/m);
      terminal.type("n\r");
      await terminal.waitFor(/the user said no/);
    } finally {
      await terminal.close();
    }
  });
});

/** Types it again whenever it was not understood. */
async function persist(terminal: Terminal, line: string, expected: RegExp): Promise<void> {
  terminal.type(line);
  for (;;) {
    const said = await terminal.waitFor(new RegExp(`${expected.source}|${again.source}`));
    if (!again.test(said)) return;
    terminal.type(line);
  }
}
