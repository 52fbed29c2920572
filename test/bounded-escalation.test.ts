// Attacks from inside a bounded escalation (`escalate_with`): the program is an obedient one, told what to do by hostile code inside.
// The negative control is the same rule without its bounds, with which the attack works.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { AttackPlace, callers, executable } from "./support/attack-place.ts";
import type { Ended, JournalRecord } from "./support/attack-place.ts";
import { noPatchedBash, patchedBash } from "../packages/shell-escalation/test/patched-bash.ts";
import { compileAttack } from "./support/compiled-attacks.ts";
import { missingTools } from "./support/needed-tools.ts";

type Interceptor = "kernel" | "bash";

function attack(
  title: string,
  body: (stage: Stage, t: TestContext) => void | Promise<void>,
  interceptors: readonly Interceptor[] = ["kernel", "bash"],
): void {
  const missing = missingTools(["bwrap", "cc", "dash", "python3"]);
  for (const interceptor of interceptors)
    for (const caller of callers) {
      const skip = interceptor === "bash" && noPatchedBash !== false ? noPatchedBash : missing;
      const name = `${title} (${caller.name}${interceptor === "bash" ? ", patched Bash" : ""})`;
      test(name, { skip }, (t) => body(new Stage(new AttackPlace(caller, { visible: true }), interceptor), t));
    }
}

/** A shell by another name, which the rules take for an ordinary program, and a folder outside that it may write. */
class Stage {
  readonly place: AttackPlace;
  readonly out: string;
  readonly elsewhere: string;
  /** Options of every run. */
  readonly options: readonly string[];

  constructor(place: AttackPlace, interceptor: Interceptor) {
    this.place = place;
    this.options = [];
    if (interceptor === "bash") {
      place.folder("shell");
      this.options = ["--interceptor", "bash", "--shell", place.copy(patchedBash, "shell/bash")];
    }
    place.copy("/usr/bin/dash", "bin/tool");
    this.out = place.folder("out");
    this.elsewhere = place.folder("elsewhere");
  }

  /** Runs `tool -c script` from inside, by a rule with these bounds, in Python's words; null: without bounds. */
  tell(script: string, bounds: string | null, options: TellOptions = {}): Told {
    const limits = bounds === null ? "" : `, escalate_with = ${bounds}`;
    const rules = this.place.rules(`prefix_rule(["tool"], escalate = True${limits})\n${options.rules ?? ""}`);
    const inside = `${options.before ?? ""}\ntool -c "$TOLD" one two; echo "status $?"`;
    const words = [...this.options, "--rules", rules, ...(options.words ?? []), "--", "bash", "-c", inside];
    const ended = this.place.recorded(words, { env: { TOLD: script, ...options.env } });
    const tool = ended.records.find(({ file }) => file === join(this.place.bin, "tool"));
    return { ...ended, tool };
  }

  get bounds(): string {
    return `{"write": ["${this.out}"]}`;
  }
}

interface TellOptions {
  before?: string;
  words?: string[];
  rules?: string;
  env?: NodeJS.ProcessEnv;
}

type Told = Ended & { records: JournalRecord[]; tool: JournalRecord | undefined };

/** Decision and reason without the rule's place. */
function decided({ tool }: Told): string {
  return `${tool?.decision}: ${tool?.reason.text.replace(/^rule .* at \S+:1 /, "")}`;
}

const inBounds = "escalate: allows it, in a sandbox of its own";
const keptInside = "run: allows it, but it is kept inside: ";

attack("bounds: what the rule names is written, and nothing else", (stage) => {
  const { out, elsewhere, place } = stage;
  const name = basename(place.base); // that nothing has on the host
  const script = `echo "$0 $1"; pwd; for f in ${out}/a ${elsewhere}/a ${place.project}/a ${place.user}/a /etc/sallyport-a /tmp/${name} /dev/shm/a; do
      (echo x >"$f") 2>/dev/null && echo "wrote $f"; done; (echo x >/dev/null) && echo "wrote /dev/null"; exit 7`;
  const told = stage.tell(script, stage.bounds);
  assert.equal(decided(told), inBounds);
  assert.deepEqual(told.stdout.trimEnd().split("\n"), [
    "one two",
    place.project,
    `wrote ${out}/a`,
    `wrote /tmp/${name}`,
    "wrote /dev/shm/a",
    "wrote /dev/null",
    "status 7",
  ]);
  assert.equal(readFileSync(join(out, "a"), "utf8"), "x\n");
  // Its /tmp is nobody else's: neither the host's nor the next one's.
  assert.equal(existsSync(join("/tmp", name)), false);
  assert.equal(stage.tell(`cat /tmp/${name}; echo $?`, stage.bounds).stdout, "1\nstatus 0\n");
  const control = stage.tell(`echo x >${elsewhere}/a && echo wrote`, null);
  assert.equal(control.stdout, "wrote\nstatus 0\n");
});

attack("bounds: nothing but /tmp and /dev is written by a rule that names nothing", (stage) => {
  const told = stage.tell(`echo x >${stage.out}/a; echo x >/tmp/a && echo temporary`, "{}");
  assert.equal(decided(told), inBounds);
  assert.equal(told.stdout, "temporary\nstatus 0\n");
  assert.equal(existsSync(join(stage.out, "a")), false);
});

attack("bounds: files outside keep mode, owner, dates and links", (stage) => {
  const file = stage.place.file("elsewhere/kept", "kept");
  const script = `for word in "chmod 777" "chown 1000:1000" "touch -d 2001-01-01" "truncate -s 0" "ln -sf x" "rm -f"; do $word ${file} 2>/dev/null && echo "$word"; done; mv ${file} ${file}-2 2>/dev/null && echo mv; true`;
  assert.equal(stage.tell(script, stage.bounds).stdout, "status 0\n");
  assert.equal(readFileSync(file, "utf8"), "kept");
  assert.match(stage.tell(script, null).stdout, /chmod 777\n/);
});

attack("bounds: what is denied stays unread, and `read` lifts just what it names", (stage) => {
  const { place } = stage;
  place.folder("user/.ssh", 0o700);
  const key = place.file("user/.ssh/id", "a key\n", 0o600);
  const hosts = place.file("user/.ssh/known_hosts", "hosts\n", 0o600);
  const secret = place.file("elsewhere/secret", "a secret\n");
  const words = ["--deny-read", secret];
  const script = `cat ${key} ${hosts} ${secret} 2>/dev/null; (echo x >${hosts}) 2>/dev/null && echo wrote; ls ${place.home} | wc -l`;
  const read = (...paths: string[]): string =>
    stage.tell(script, `{"read": ${JSON.stringify(paths)}}`, { words }).stdout.replace("status 0\n", "");
  assert.equal(read(), "0\n");
  assert.equal(read(hosts), "hosts\n0\n");
  assert.equal(read(secret, key), "a key\na secret\n0\n");
  // Sallyport's home is not to be had, be it named or be all around it.
  assert.equal(read("/"), "a key\nhosts\na secret\n0\n");
  const home = stage.tell(script, `{"read": ["${place.home}/sallyport.db"]}`, { words });
  assert.match(decided(home), /^run: .*kept inside: (the read path .* does not exist|.*Sallyport's home)/);
  // The negative control: the file is there to be read.
  assert.equal(place.plain(["cat", key]).stdout, "a key\n");
});

attack("bounds: the network is there only if the rule says so", async (stage, t) => {
  const server = createServer((_request, response) => response.end("reached"));
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const code = `import socket; s = socket.create_connection(("127.0.0.1", ${address.port}), 3); print("reached")`;
  const script = `python3 -c '${code}' 2>/dev/null`;
  assert.equal(stage.tell(script, '{"network": False}', { words: ["--network"] }).stdout, "status 1\n");
  assert.equal(stage.tell(script, '{"network": True}').stdout, "reached\nstatus 0\n");
});

attack("bounds: variables get in by name, those of the loader never", (stage) => {
  const before = "export WANTED=1 UNWANTED=2 LD_LIBRARY_PATH=$PWD TMPDIR=$PWD";
  const script = 'echo "$WANTED-$UNWANTED-$LD_LIBRARY_PATH-$TMPDIR"';
  assert.equal(stage.tell(script, '{"env": ["WANTED"]}', { before }).stdout, "1---\nstatus 0\n");
  assert.equal(stage.tell(script, "{}", { before }).stdout, "---\nstatus 0\n");
  const env = { TMPDIR: stage.place.folder("user/own-temporary") };
  assert.equal(stage.tell('echo "$TMPDIR"', "{}", { env }).stdout, "/tmp\nstatus 0\n");
});

attack("bounds: no process outside is seen, and none can be killed", (stage) => {
  const seen = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done | grep -c '^sleeper '";
  const sleeper = `bash -c 'exec -a sleeper sleep 30' & sleeper=$!; trap 'kill $sleeper' EXIT`;
  const before = `${sleeper}; while ! grep -q ^sleeper /proc/$sleeper/cmdline; do :; done`;
  const told = stage.tell(`${seen}; kill -0 ${process.pid} && echo killed; kill -9 -1; echo alive`, stage.bounds, {
    before,
  });
  assert.equal(told.stdout, "0\nalive\nstatus 0\n");
  assert.notEqual(stage.tell(seen, null, { before }).stdout, "0\nstatus 1\n");
});

attack("bounds: inherited descriptors lead nowhere else", (stage) => {
  const { place, out } = stage;
  const script = `cd /proc/self/fd/9/../elsewhere 2>/dev/null && echo x >x; cd /proc/self/fd/9 2>/dev/null && echo x >x;
    (echo x >/proc/self/fd/9/y) 2>/dev/null && echo "wrote by the folder"; echo given >&8; cat <&7`;
  const before = `exec 9<${place.project} 8>>log 7</etc/hostname`;
  const told = stage.tell(script, stage.bounds, { before });
  // Files that the caller has open it hands over, open as they are.
  assert.equal(told.stdout, `${readFileSync("/etc/hostname", "latin1")}status 0\n`);
  assert.equal(readFileSync(join(place.project, "log"), "utf8"), "given\n");
  assert.deepEqual([existsSync(join(place.project, "x")), existsSync(join(place.project, "y"))], [false, false]);
  assert.equal(existsSync(join(stage.elsewhere, "x")), false);
  assert.equal(existsSync(join(out, "x")), false);
  const control = stage.tell("echo x >/proc/self/fd/9/y && echo wrote", null, { before });
  assert.equal(control.stdout, "wrote\nstatus 0\n");
});

attack("bounds: no mounts, namespaces or capabilities lead out", (stage) => {
  const program = stage.place.copy(compileAttack("refused-calls"), "bin/refused-calls");
  const show = "grep CapBnd /proc/self/status";
  const [capabilities, ...lines] = stage
    .tell(`${show}; exec ${program}`, stage.bounds, { before: show })
    .stdout.trimEnd()
    .split("\n");
  // The first line is the command's own, the second the bounded program's.
  assert.equal(lines.shift(), capabilities);
  lines.pop();
  assert.ok(lines.length > 40);
  assert.deepEqual(
    lines.filter((line) => !/ (EPERM|ENOSYS|SIGSYS)$/.test(line)),
    [],
  );
});

attack("bounds: a write path that can be bent, or is not there, keeps the program inside", (stage) => {
  const { place, elsewhere } = stage;
  const below = place.folder("project/below");
  const link = join(place.base, "link");
  symlinkSync(stage.out, link);
  const why = (...paths: string[]): string => decided(stage.tell("exit 0", `{"write": ${JSON.stringify(paths)}}`));
  assert.equal(
    why(below),
    `${keptInside}the way to the write path "${below}" of the rule leads through "${place.project}", which can be written from inside`,
  );
  assert.equal(
    why(join(place.base, "missing")),
    `${keptInside}the write path "${place.base}/missing" of the rule does not exist`,
  );
  assert.match(
    why("/"),
    /^run: .*kept inside: its sandbox can't be made: Writable folder "\/" is the whole file system/,
  );
  // What can't be bent from inside: a link outside, and the working folder as a whole.
  const throughLink = stage.tell(
    `echo x >${link}/b && echo x >b && echo wrote`,
    `{"write": ["${link}", "${place.project}"]}`,
  );
  assert.equal(throughLink.stdout, "wrote\nstatus 0\n");
  assert.deepEqual([existsSync(join(stage.out, "b")), existsSync(join(place.project, "b"))], [true, true]);
  // The attack that this is about: the folder becomes a link just before.
  const before = `rmdir below; ln -s ${elsewhere} below`;
  const bent = stage.tell("echo x >below/c", `{"write": ["${below}"]}`, { before });
  assert.equal(bent.tool?.decision, "run");
  assert.equal(existsSync(join(elsewhere, "c")), false);
});

attack("bounds: a working folder that becomes a link on the way shows nothing that is denied", (stage) => {
  const { place } = stage;
  place.folder("user/.ssh", 0o700);
  place.file("user/.ssh/id", "a key\n", 0o600);
  const before = `mkdir work; cd work; mv ../work ../moved; ln -s ${place.user}/.ssh ../work`;
  const told = stage.tell("cat id; ls; echo in $(pwd)", stage.bounds, { before });
  assert.doesNotMatch(told.stdout, /a key/);
  assert.equal(told.stdout, `in ${place.project}/moved\nstatus 0\n`);
});

attack("bounds: git's hooks and settings in a write path stay as they are", (stage) => {
  const { place } = stage;
  mkdirSync(join(stage.out, ".git", "hooks"), { recursive: true });
  writeFileSync(join(stage.out, ".git", "config"), "");
  if (place.caller.uid !== process.geteuid?.()) place.plain(["true"]);
  const script = `cd ${stage.out}; echo x >.git/hooks/post-commit; echo x >>.git/config; mkdir .vscode; mv .git other; echo x >free && ls -A`;
  const told = stage.tell(script, stage.bounds);
  assert.equal(existsSync(join(stage.out, ".git", "hooks", "post-commit")), false);
  assert.equal(readFileSync(join(stage.out, ".git", "config"), "utf8"), "");
  assert.match(told.stdout, /^free$/m);
});

attack(
  "bounds: below it rules hold, and none widens it",
  (stage) => {
    const { place, elsewhere } = stage;
    place.copy("/usr/bin/dash", "bin/wide");
    place.copy("/usr/bin/true", "bin/never");
    const rules =
      'prefix_rule(["wide"], escalate = True)\nprefix_rule(["never"], "forbidden", justification = "not this one")\n';
    const script = `wide -c 'echo x >${elsewhere}/n'; echo $?; never; echo $?`;
    const told = stage.tell(script, stage.bounds, { rules });
    assert.equal(told.stdout, "2\n1\nstatus 0\n");
    assert.match(told.stderr, /Execution denied: not this one/);
    assert.equal(existsSync(join(elsewhere, "n")), false);
    const nested = told.records.find(({ file }) => file === join(place.bin, "wide"));
    assert.deepEqual([nested?.decision, nested?.outside], ["run", true]);
    assert.match(nested?.reason.text ?? "", /allows it; it goes on inside the bounded sandbox$/);
    // The negative control: by itself the rule is a wide one.
    const wide = place.recorded([
      "--rules",
      join(place.base, "test.rules"),
      "--",
      "wide",
      "-c",
      `echo x >${elsewhere}/n`,
    ]);
    assert.equal(existsSync(join(elsewhere, "n")), true, wide.stderr);
  },
  ["kernel"],
);

attack(
  "bounds: below it nobody asks where a patched shell intercepts, and none widens it",
  (stage) => {
    const { place, elsewhere } = stage;
    place.copy("/usr/bin/dash", "bin/wide");
    const script = `wide -c 'echo x >${elsewhere}/n'; echo $?`;
    const told = stage.tell(script, stage.bounds, { rules: 'prefix_rule(["wide"], escalate = True)\n' });
    assert.equal(decided(told), inBounds);
    assert.equal(told.stdout, "2\nstatus 0\n");
    assert.equal(existsSync(join(elsewhere, "n")), false);
  },
  ["bash"],
);

attack("bounds: of two rules the one with bounds counts", (stage) => {
  const rules = 'prefix_rule(["tool", "-c"], escalate = True)\n';
  const told = stage.tell(`echo x >${stage.elsewhere}/t && echo wrote`, stage.bounds, { rules });
  assert.equal(decided(told), inBounds);
  assert.doesNotMatch(told.stdout, /wrote/);
});

attack("bounds: no other wall keeps them, so the program stays inside", (stage) => {
  const bounds = '{"env": ["A"]}';
  const weak = stage.tell(`echo x >${stage.elsewhere}/w`, bounds, { words: ["--wall", "landlock"] });
  assert.equal(decided(weak), `${keptInside}the rule bounds the escalation, which needs the bubblewrap wall`);
  assert.equal(existsSync(join(stage.elsewhere, "w")), false);
  const none = stage.tell("exit 0", bounds, { words: ["--sandbox", "danger-full-access"] });
  assert.equal(decided(none), "run: allows it; there is no wall to leave");
});

attack("bounds: nothing of it is left behind, also after a kill", (stage) => {
  const { place } = stage;
  const told = stage.tell("sleep 60 & sleep 60 & echo started", stage.bounds);
  assert.equal(told.stdout, "started\nstatus 0\n");
  const killed = stage.tell("kill -9 $$", stage.bounds);
  assert.equal(killed.stdout, "status 137\n");
  const timed = place.plain([
    executable,
    "run",
    ...stage.options,
    "--timeout",
    "1",
    "--rules",
    join(place.base, "test.rules"),
    "--",
    "tool",
    "-c",
    "sleep 60",
  ]);
  assert.equal(timed.status, 124, timed.stderr);
  assert.deepEqual(processesNaming(place.base), []);
  // Each start notes in the home what it has made on the host, and takes the note away with it.
  assert.deepEqual(readdirSync(join(place.home, "placeholders")), []);
});

function processesNaming(text: string): string[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ");
      return words.includes(text) ? [words] : [];
    } catch {
      return []; // not a process, or gone
    }
  });
}
