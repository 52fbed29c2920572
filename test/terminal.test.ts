/** At a terminal, a person cannot tell Sallyport from the plain thing: the same keys give the same transcript, byte for byte but
 *  for process ids and the terminal's name. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { noPatchedBash, patchedBash } from "../packages/shell-escalation/test/patched-bash.ts";
import { executable, Place } from "./fidelity/place.ts";
import { missingTools } from "./support/needed-tools.ts";
import { aroundSallyport, inTheShell, prompt } from "./terminal/keys.ts";
import type { Step } from "./terminal/keys.ts";
import { Terminal } from "./terminal/terminal.ts";

const searchPath = "/usr/local/bin:/usr/bin:/bin";
const size = { rows: 24, columns: 80 };
const terminalVariables = ["PS1", "INPUTRC", "TERM"];
const programsUnderTest = ["show-signals", "cat", "stty", "tty", "head", "less", "vim.tiny", "top", "ssh-keygen"];

interface Mode {
  name: string;
  /** Null: without Sallyport. */
  options: string[] | null;
  escalated: string[];
  /** What is escalated gets a sandbox of its own. */
  bounded?: true;
}

const plain: Mode = { name: "plain", options: null, escalated: [] };
const inside: Mode = { name: "inside", options: [], escalated: [] };
const outside: Mode = { name: "outside", options: [], escalated: programsUnderTest };
const inBounds: Mode = { ...outside, name: "outside, in bounds", bounded: true };
const shellOutside: Mode = {
  name: "the shell itself outside",
  options: [],
  escalated: ["bash", "cat", "show-signals"],
};
const ownPtyInside: Mode = { name: "-t, inside", options: ["-t"], escalated: [] };
const ownPtyOutside: Mode = { name: "-t, outside", options: ["-t"], escalated: programsUnderTest };
const ownPtyInBounds: Mode = { ...ownPtyOutside, name: "-t, outside, in bounds", bounded: true };

const place = new Place();
after(() => place.remove());
prepare();
const bashOptions = ["--interceptor", "bash", "--shell", join(place.base, "shell", "bash")];
const bashInside: Mode = { name: "inside, with a patched Bash", options: bashOptions, escalated: [] };
const bashOutside: Mode = { name: "outside, with a patched Bash", options: bashOptions, escalated: programsUnderTest };
const bashInBounds: Mode = { ...bashOutside, name: "outside, in bounds, with a patched Bash", bounded: true };

function prepare(): void {
  const source = join(import.meta.dirname, "terminal", "programs", "show-signals.c");
  execFileSync("cc", ["-O1", "-o", join(place.bin, "show-signals"), source]);
  writeFileSync(join(place.project, "ready"), "ready\n");
  place.file("inputrc", "set enable-bracketed-paste off\n");
  execFileSync("mkfifo", [join(place.project, "fifo")]);
  if (noPatchedBash !== false) return;
  mkdirSync(join(place.base, "shell"));
  copyFileSync(patchedBash, join(place.base, "shell", "bash"));
}

/** Makes `run` what the mode says, and opens the caller's shell. */
async function openShell(mode: Mode): Promise<Terminal> {
  const own = (name: string): string => (name === "show-signals" ? join(place.bin, name) : name);
  const env = JSON.stringify(terminalVariables);
  const bounds = mode.bounded === true ? `, escalate_with = {"write": [${JSON.stringify(place.project)}]}` : "";
  const rules = mode.escalated.map(
    (name) => `prefix_rule([${JSON.stringify(own(name))}], escalate = True, env = ${env}${bounds})`,
  );
  const rulesFile = place.rules(`${rules.join("\n")}\n`);
  const words = mode.options === null ? "" : `${executable} run --rules ${rulesFile} ${mode.options.join(" ")} --`;
  writeFileSync(join(place.bin, "run"), `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(join(place.bin, "run"), 0o755);
  return await Terminal.open(["/bin/bash", "--norc", "--noprofile", "-i"], {
    cwd: place.project,
    env: {
      PATH: `${place.bin}:${searchPath}`,
      HOME: place.user,
      SALLYPORT_HOME: place.home,
      LANG: "C.UTF-8",
      TERM: "xterm",
      PS1: "[$?]$ ",
      INPUTRC: join(place.base, "inputrc"),
    },
    ...size,
  });
}

async function press(terminal: Terminal, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    await terminal.waitFor(step.after);
    if (step.resize !== undefined) terminal.resize(step.resize.rows, step.resize.columns);
    if (step.type !== undefined) terminal.type(step.type);
  }
}

async function transcript(mode: Mode, steps: readonly Step[]): Promise<string> {
  const terminal = await openShell(mode);
  try {
    await press(terminal, [...steps, { after: prompt, type: "exit 5\r" }]);
    assert.equal(await terminal.end(), 5);
  } finally {
    await terminal.close();
  }
  return (
    terminal.said
      .replaceAll(/^\[1\] \d+\r$/gm, "[1] PID\r")
      .replaceAll(/\/dev\/pts\/\d+/g, "/dev/pts/N")
      .replaceAll(/\r\n/g, "\n")
      // A shell says this before a prompt, or not at all when it was waiting: which of the two is a matter of moments.
      .replaceAll(/^\[1\]\+ +Done .*\n/gm, "")
      // And this when the job has stopped before it is waited for.
      .replaceAll(/^bash: warning: wait_for_job: .*\n/gm, "")
  );
}

/** As `expected`, in one of a few tries: what a shell says beside its programs' output also depends, plain too, on who runs first where
 *  keys, stops and ends meet. */
async function equals(expected: string, said: () => Promise<string>): Promise<void> {
  for (let tries = 3; tries > 1; tries -= 1) if ((await said().catch(() => null)) === expected) return;
  assert.equal(await said(), expected);
}

/** In the wall's own /dev the terminal has another name (docs/fidelity.md). */
function expectedIn(mode: Mode, said: string): string {
  return mode.bounded !== true && (mode.escalated.includes("tty") || mode.escalated.includes("bash"))
    ? said
    : said.replace("/dev/pts/N", "/dev/console");
}

describe("an interactive shell under the wall", () => {
  const keys = [{ after: prompt, type: "run bash --norc --noprofile -i\r" }, ...inTheShell];
  const expected = transcript(plain, keys);
  expected.catch(() => undefined); // told by each test
  const kernel = [inside, outside, inBounds, shellOutside, ownPtyInside, ownPtyOutside, ownPtyInBounds];
  for (const mode of [...kernel, bashInside, bashOutside, bashInBounds]) {
    const isBash = mode.options === bashOptions;
    test(mode.name, { skip: isBash && noPatchedBash }, async () => {
      const said = await expected;
      assert.match(said, /got WINCH 30 90\n/);
      await equals(expectedIn(mode, said), () => transcript(mode, keys));
    });
  }
});

describe("the caller's shell", () => {
  const expected = transcript(plain, aroundSallyport);
  expected.catch(() => undefined); // told by each test
  for (const mode of [inside, outside, inBounds, bashInside, bashOutside, bashInBounds]) {
    const isBash = mode.options === bashOptions;
    test(mode.name, { skip: isBash && noPatchedBash }, async () => {
      const said = await expected;
      assert.match(said, /Stopped +run cat\n/);
      await equals(said, () => transcript(mode, aroundSallyport));
    });
  }
});

/** Programs that take the whole screen, or ask at the terminal whatever their descriptors are. Their screens depend on how fast they are
 *  read, so each has to come up, obey its keys, and end as it should. */
const screens: { name: string; steps: Step[]; left?: { file: string; text: string } }[] = [
  {
    name: "less",
    steps: [
      { after: prompt, type: "run less long\r" },
      { after: /line 23\b/, type: "G" },
      { after: /line 500\b/, type: "g" },
      { after: /line 9\b/, type: "q" },
      { after: prompt },
    ],
  },
  {
    name: "vim.tiny",
    steps: [
      { after: prompt, type: "run vim.tiny -u NONE -n written\r" },
      { after: /written/, type: "ihello\u001B" },
      { after: /hello/, type: ":wq\r" },
      { after: prompt },
    ],
    left: { file: "written", text: "hello\n" },
  },
  {
    name: "top",
    steps: [{ after: prompt, type: "run top\r" }, { after: /load average/, type: "q" }, { after: prompt }],
  },
  {
    // What ssh asks for a password with.
    name: "ssh-keygen",
    steps: [
      { after: prompt, type: "run ssh-keygen -y -f key\r" },
      { after: /passphrase.*: /, type: "secret\r" },
      { after: /ssh-ed25519 \S+ .*\r\n\[0\]\$ $/ },
    ],
  },
];

describe("programs that take the screen", () => {
  for (const { name, steps, left } of screens) {
    test(name, { skip: missingTools([name], searchPath) }, async () => {
      const lines = Array.from({ length: 500 }, (_, at) => `line ${at + 1}\n`);
      writeFileSync(join(place.project, "long"), lines.join(""));
      if (name === "ssh-keygen")
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", join(place.project, "key")]);
      for (const mode of [plain, inside, outside, inBounds, ownPtyInside, ownPtyOutside]) {
        const terminal = await openShell(mode);
        try {
          await press(terminal, [...steps, { after: /^/, type: "exit 5\r" }]);
          assert.equal(await terminal.end(), 5, mode.name);
          assert.doesNotMatch(terminal.said, /secret/, mode.name);
        } finally {
          await terminal.close();
        }
        if (left === undefined) continue;
        assert.equal(readFileSync(join(place.project, left.file), "utf8"), left.text, mode.name);
        rmSync(join(place.project, left.file));
      }
    });
  }
});

/** -t where there is no terminal. */
describe("-t without a terminal", () => {
  const run = (words: string[], input: string): { status: number | null; stdout: string; stderr: string } => {
    const env = { PATH: searchPath, HOME: place.user, SALLYPORT_HOME: place.home, LANG: "C.UTF-8", TERM: "xterm" };
    const options = { cwd: place.project, env, input, encoding: "utf8", timeout: 60_000, maxBuffer: 2 ** 24 } as const;
    const { status, stdout, stderr } = spawnSync(executable, ["run", ...words], options);
    return { status, stdout, stderr };
  };

  test("the command has one, of the usual size", () => {
    const script = "test -t 0 && test -t 1 && test -t 2 && stty size; exit 3";
    assert.deepEqual(run(["-t", "-c", script], ""), { status: 3, stdout: "24 80\r\n", stderr: "" });
    assert.deepEqual(run(["-c", script], ""), { status: 3, stdout: "", stderr: "" });
  });

  test("input is typed, and its end is a key", () => {
    const echoed = "a\r\nb".concat("a\r\nb");
    const { status, stdout } = run(["-t", "--", "cat"], "a\nb");
    assert.deepEqual([status, [...stdout].toSorted().join("")], [0, [...echoed].toSorted().join("")]);
  });

  test("all output arrives, however much", () => {
    const { status, stdout } = run(["-t", "--", "seq", "200000"], "");
    const expected = Array.from({ length: 200_000 }, (_, at) => `${at + 1}\r\n`).join("");
    assert.equal(status, 0);
    assert.ok(stdout === expected, `${stdout.length} characters, expected ${expected.length}`);
  });

  test("a reader that goes away ends the command", () => {
    const script = `"$0" run -t -- yes | head -1; echo "\${PIPESTATUS[0]}"`;
    const env = { PATH: searchPath, HOME: place.user, SALLYPORT_HOME: place.home };
    const options = { cwd: place.project, env, encoding: "utf8", timeout: 60_000, input: "" } as const;
    const { stdout } = spawnSync("bash", ["-c", script, executable], options);
    assert.equal(stdout, "y\r\n129\n");
  });
});

test("-t leaves the caller's terminal as it was", async () => {
  const terminal = await openShell(ownPtyInside);
  try {
    await press(terminal, [
      { after: prompt, type: "before=$(stty -g); run cat ready -\r" },
      { after: /ready\r\n/, type: "\u0003" },
      { after: prompt, type: '[ "$(stty -g)" = "$before" ]; echo same $?\r' },
      { after: /same 0\r\n/ },
    ]);
  } finally {
    await terminal.close();
  }
});

test("-t leaves the caller's terminal as it was when Node is killed", async () => {
  const terminal = await openShell({ ...ownPtyInside, options: ["-t", "--sandbox", "danger-full-access"] });
  // Above the command: init, broker, Node.
  const parentOf = (pid: string): string => `$(ps -o ppid= -p ${pid})`;
  place.file("project/kill-node", `kill -9 ${parentOf(parentOf("$PPID"))}; sleep 100`);
  // Not the interactive shell, which repairs the modes itself.
  const script = `before=$(stty -g); run sh kill-node; until [ "$(stty -g)" = "$before" ]; do :; done; echo same`;
  try {
    await press(terminal, [{ after: prompt, type: `sh -c '${script}'\r` }, { after: /\nsame\r\n/ }]);
  } finally {
    await terminal.close();
  }
});
