/** What can't be done as asked is one clear line on stderr, with the right exit status, and nothing runs. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, linkSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Place, executable, ordinaryCaller, root } from "./fidelity/place.ts";
import { missingTools } from "./support/needed-tools.ts";

const skip = missingTools(["bwrap", "setpriv"]);

interface Row {
  title: string;
  /** Words after `run`; `-c` with the marker's command is added unless `command` says otherwise. */
  words?(place: Place): string[];
  command?: string[];
  env?(place: Place): NodeJS.ProcessEnv;
  cwd?(place: Place): string;
  status?: number;
  /** The whole line, without its `sallyport: ` and end; `BASE` stands for the place's folder. */
  says: string | RegExp;
}

const goodRule = 'prefix_rule(["true"])\n';
const marker = ["-c", "touch ran"];

const commandLine: Row[] = [
  { title: "an unknown option", words: () => ["--bogus"], says: /^Unknown option "--bogus"/ },
  { title: "an unknown short option", words: () => ["-x"], says: /^Unknown option "-x"/ },
  { title: "no program", command: [], says: /^Nothing to run, expected PROGRAM or -c SCRIPT/ },
  { title: "no program behind --", command: ["--"], says: /^Nothing to run, expected PROGRAM or -c SCRIPT/ },
  {
    title: "both -c and a program",
    command: [...marker, "--", "touch", "ran"],
    says: /^Both -c and the program "touch" are given, expected one of them/,
  },
  { title: "-c without a script", command: ["-c"], says: /^Option -c has no value, expected SCRIPT/ },
  { title: "an empty program name", command: ["--", ""], says: /^The program's name is empty/ },
  {
    title: "a flag with a value",
    words: () => ["--network=yes"],
    says: /^Option --network takes no value, found "yes"/,
  },
  {
    title: "a wall that there is not",
    words: () => ["--wall", "brick"],
    says: /^Option --wall has the value "brick", expected auto, bubblewrap, landlock/,
  },
  {
    title: "a sandbox that there is not",
    words: () => ["--sandbox", "none"],
    says: /^Option --sandbox has the value "none", expected workspace-write, /,
  },
  {
    title: "rules without an interceptor",
    words: (place) => ["--interceptor", "none", "--rules", place.rules(goodRule)],
    says: /^Option --rules needs an interceptor/,
  },
  {
    title: "a patched shell that is not installed",
    words: () => ["--interceptor", "bash"],
    says: /^No patched shell is installed in ".*": run sallyport shell build/,
  },
  ...["0", "-1", "x", "1.5", "", "99999999"].map((value) => ({
    title: `--max-procs "${value}"`,
    words: () => ["--max-procs", value],
    says: new RegExp(`^Option --max-procs has the value "${value}", expected a whole number from 1 to \\d+`),
  })),
  ...["0", "-1", "1e3", "x", "", "9999999999"].map((value) => ({
    title: `--timeout "${value}"`,
    words: () => ["--timeout", value],
    says: new RegExp(`^Option --timeout has the value "${value}", expected seconds from 0\\.001 to \\d+`),
  })),
  {
    title: "a program that is not found",
    command: ["--", "nosuchprogram"],
    status: 127,
    says: "nosuchprogram: command not found",
  },
  {
    title: "a path that is not there",
    command: ["--", "./nosuch"],
    status: 127,
    says: "./nosuch: No such file or directory",
  },
  { title: "a folder as program", command: ["--", "/usr/lib"], status: 126, says: "/usr/lib: Is a directory" },
  {
    title: "a program that may not be executed",
    command: ["--", "../plain"],
    status: 126,
    says: "../plain: Permission denied",
  },
  {
    title: "a shell that is not found",
    words: () => ["--shell", "/no/shell"],
    status: 127,
    says: "/no/shell: No such file or directory",
  },
];

const ruleFiles: Row[] = [
  {
    title: "a rule file that is missing",
    words: () => ["--rules", "/nowhere.rules"],
    says: "/nowhere.rules:1:1: the file cannot be read (ENOENT), expected a file that you may read",
  },
  {
    title: "a rule file that may not be read",
    words: (place) => ["--rules", place.file("r.rules", goodRule, 0)],
    says: "BASE/r.rules:1:1: the file cannot be read (EACCES), expected a file that you may read",
  },
  {
    title: "a rule file with a wrong value",
    words: (place) => ["--rules", place.rules('\nprefix_rule(pattern = ["a"], decision = "maybe")\n')],
    says: 'BASE/test.rules:2:41: invalid decision: "maybe", expected "allow", "prompt" or "forbidden"',
  },
  {
    title: "a rule file that ends too early",
    words: (place) => ["--rules", place.rules('prefix_rule(["a"]')],
    says: /^BASE\/test\.rules:1:\d+: .*expected/,
  },
  {
    title: "a rule file with another language",
    words: (place) => ["--rules", place.rules("import os\n")],
    says: /^BASE\/test\.rules:1:\d+: /,
  },
  {
    title: "a rule file that is not UTF-8",
    words: (place) => ["--rules", binaryRules(place)],
    says: /^BASE\/binary\.rules.*UTF-8/,
  },
  {
    title: "a rule whose example does not match",
    words: (place) => ["--rules", place.rules('prefix_rule(["a"], match = ["b"])\n')],
    says: /^BASE\/test\.rules:1:\d+: /,
  },
  {
    title: "a rule file in a writable folder",
    words: (place) => ["--rules", place.file("project/own.rules", goodRule, 0o600)],
    says: /project/,
  },
  {
    title: "a rule file that others may write",
    words: (place) => ["--rules", place.file("open.rules", goodRule, 0o666)],
    says: /^BASE\/open\.rules.*others/,
  },
  {
    title: "a folder as rule file",
    words: (place) => ["--rules", place.folder("folder.rules")],
    says: /^BASE\/folder\.rules/,
  },
  {
    title: "a broken rule file in the home",
    words: (place) => (
      place.folder("home/rules", 0o700),
      place.file("home/rules/a.rules", "prefix_rule()\n", 0o600),
      []
    ),
    says: /^BASE\/home\/rules\/a\.rules:1:\d+: /,
  },
  {
    title: "rules in the home that others may write",
    words: (place) => (place.folder("home/rules", 0o777), place.file("home/rules/a.rules", goodRule, 0o600), []),
    says: /^BASE\/home\/rules.*others/,
  },
];

const walls: Row[] = [
  {
    title: "--wall bubblewrap without bwrap",
    words: () => ["--wall", "bubblewrap"],
    env: withoutBwrap,
    command: ["--", "/usr/bin/touch", "ran"],
    says: /bwrap is not on the PATH.*install bubblewrap/,
  },
  {
    title: "--wall bubblewrap with a bwrap that fails",
    words: () => ["--wall", "bubblewrap"],
    env: (place) => (place.file("bin/bwrap", "#!/bin/sh\necho no namespaces here >&2\nexit 1\n", 0o755), {}),
    says: /bwrap can't build the namespaces: .*no namespaces here/,
  },
  {
    title: "a bwrap that others may write",
    words: () => ["--wall", "bubblewrap"],
    env: (place) => (place.file("bin/bwrap", "#!/bin/sh\n", 0o777), {}),
    says: /bwrap/,
  },
  {
    title: "a bwrap that says yes and builds nothing",
    words: () => ["--wall", "bubblewrap"],
    env: (place) => (place.file("bin/bwrap", "#!/bin/sh\nexit 0\n", 0o755), {}),
    says: /./,
  },
  { title: "the root folder as working folder", cwd: () => "/", says: /^Writable folder "\/"/ },
  { title: "the home folder as working folder", cwd: (place) => place.user, says: /^Writable folder "BASE\/user"/ },
  { title: "a folder above the home folder", cwd: (place) => place.base, says: /^Writable folder "BASE"/ },
  { title: "Sallyport's own program as working folder", cwd: () => root, says: /^Writable folder/ },
  { title: "/proc as writable folder", words: () => ["--writable", "/proc"], says: /^Writable folder "\/proc"/ },
  {
    title: "a writable folder that is missing",
    words: () => ["--writable", "nowhere"],
    says: /^Writable folder "BASE\/project\/nowhere"/,
  },
  {
    title: "a file as writable folder",
    words: (place) => ["--writable", place.file("plain-file", "")],
    says: /^Writable folder "BASE\/plain-file"/,
  },
  {
    title: "a protected name that is a symlink",
    words: (place) => (symlinkSync("elsewhere", join(place.project, ".claude")), []),
    says: /\.claude/,
  },
];

const homes: Row[] = [
  {
    title: "a home that is writable from inside",
    env: (place) => ({ SALLYPORT_HOME: place.folder("project/home", 0o700) }),
    says: /home/,
  },
  {
    title: "a home that the group may write",
    env: (place) => (chmodSync(place.home, 0o770), {}),
    says: 'Home "BASE/home" is refused: others may write it (mode 770), expected 700; run chmod 700 on it',
  },
  {
    title: "a home that is relative",
    env: () => ({ SALLYPORT_HOME: "home" }),
    says: 'Home "home" is refused: SALLYPORT_HOME is relative, expected an absolute path',
  },
  {
    title: "a home that is a file",
    env: (place) => ({ SALLYPORT_HOME: place.file("file-home", "") }),
    says: /^Home "BASE\/file-home" is refused: it is not a folder/,
  },
  {
    title: "a home that can't be made",
    env: () => ({ SALLYPORT_HOME: "/proc/home" }),
    says: /^Home "\/proc\/home" is refused: it can't be created/,
  },
  { title: "a read-only home", env: () => ({ SALLYPORT_HOME: "/sys/kernel" }), says: /^Home "\/sys\/kernel" / },
];

const journals: Row[] = [
  { title: "a journal in the writable folder", words: () => ["--journal", "journal"], says: /journal/ },
  {
    title: "a journal that is a symlink",
    words: (place) => (
      symlinkSync(place.file("target", ""), join(place.home, "link")),
      ["--journal", join(place.home, "link")]
    ),
    says: /^Journal "BASE\/home\/link" is refused: it is a symbolic link/,
  },
  {
    title: "a journal with a second name",
    words: (place) => (
      linkSync(place.file("one", "", 0o600), join(place.base, "two")),
      ["--journal", join(place.base, "two")]
    ),
    says: /^Journal "BASE\/two" is refused: it has 2 hard links, expected 1/,
  },
  {
    title: "a journal that others may write",
    words: (place) => ["--journal", place.file("open", "", 0o666)],
    says: /^Journal "BASE\/open" is refused: others may write it \(mode 666\), expected 600/,
  },
  {
    title: "a journal that is a folder",
    words: (place) => ["--journal", place.bin],
    says: /^Journal "BASE\/bin" is refused: it is a folder/,
  },
  {
    title: "a journal that is a pipe",
    words: (place) => (makePipe(place), ["--journal", join(place.base, "pipe")]),
    says: /^Journal "BASE\/pipe" is refused: it is not a regular file/,
  },
  {
    title: "a journal whose folder is missing",
    words: () => ["--journal", "/nowhere/journal"],
    says: 'Journal "/nowhere/journal" is refused: its folder does not exist; create the folder first',
  },
  {
    title: "a journal in a read-only place",
    words: () => ["--journal", "/proc/journal"],
    says: /^Journal "\/proc\/journal" is refused: /,
  },
  {
    title: "a summary that is a symlink",
    words: (place) => (symlinkSync("x", join(place.base, "link")), [`--json=${join(place.base, "link")}`]),
    says: /^Summary file "BASE\/link" can't be written/,
  },
];

function makePlace(): Place {
  const place = new Place(ordinaryCaller);
  after(() => place.remove());
  return place;
}

function withoutBwrap(place: Place): NodeJS.ProcessEnv {
  for (const name of ["bash", "readlink"]) symlinkSync(`/usr/bin/${name}`, join(place.bin, name));
  return { PATH: place.bin };
}

function makePipe(place: Place): void {
  const [file, ...args] = [...place.caller.prefix, "/usr/bin/mkfifo", "-m", "600", join(place.base, "pipe")];
  assert.equal(spawnSync(file, args).status, 0);
}

function binaryRules(place: Place): string {
  const path = place.file("binary.rules", "", 0o600);
  writeFileSync(path, Buffer.from([0x23, 0xff, 0x0a]));
  return path;
}

const groups = {
  "the command line": commandLine,
  rules: ruleFiles,
  "the wall": walls,
  "the home": homes,
  "the journal": journals,
};
for (const [name, rows] of Object.entries(groups)) {
  describe(name, { skip, concurrency: 2 }, () => {
    for (const row of rows) test(`${row.title}: one line, and nothing runs`, () => check(row));
  });
}

function check(row: Row): void {
  const place = new Place(ordinaryCaller);
  try {
    place.file("plain", "text");
    const words = row.words?.(place) ?? [];
    const cwd = row.cwd?.(place) ?? place.project;
    const env = row.env?.(place) ?? {};
    const ended = place.run([...words, ...(row.command ?? marker)], { cwd, env });
    const text = ended.stderr.replaceAll(place.base, "BASE");
    assert.deepEqual([ended.status, ended.stdout, existsSync(join(cwd, "ran"))], [row.status ?? 125, "", false], text);
    assert.match(text, /^sallyport: [^\n]+\n$/);
    const line = text.slice("sallyport: ".length, -1);
    if (typeof row.says === "string") assert.equal(line, row.says);
    else assert.match(line, row.says);
  } finally {
    place.remove();
  }
}

test("the same command with good input leaves its marker", { skip }, () => {
  const place = makePlace();
  const words = ["--rules", place.rules(goodRule), "--journal", join(place.home, "journal"), "--timeout", "20"];
  const ended = place.run([...words, ...marker]);
  assert.deepEqual(
    [ended.status, ended.stdout, ended.stderr, existsSync(join(place.project, "ran"))],
    [0, "", "", true],
  );
});

test("a journal on a full disk: the command is denied, and nothing runs", { skip }, () => {
  const place = makePlace();
  const ended = place.run(["--journal", "/dev/full", ...marker]);
  assert.equal(
    ended.stderr,
    "Execution denied: the journal can't be written\n" +
      `sallyport: Journal "/dev/full" can't be written (ENOSPC), so further programs were denied; make room or choose another file with --journal\n`,
  );
  assert.deepEqual([ended.status, ended.stdout, existsSync(join(place.project, "ran"))], [125, "", false]);
});

test("--wall auto without bwrap says what is weaker, and runs", { skip }, () => {
  const place = makePlace();
  const ended = place.run(["--", "/usr/bin/touch", "ran"], { env: withoutBwrap(place) });
  assert.match(ended.stderr, /^sallyport: weaker wall: [^\n]+\n$/);
  assert.deepEqual([ended.status, existsSync(join(place.project, "ran"))], [0, true]);
});

/** A bubblewrap that fails `times` times when it builds a wall for a command, and works after that. The trial run works. */
function failingBwrap(place: Place, times: number): NodeJS.ProcessEnv {
  place.file(
    "bin/bwrap",
    `#!/bin/sh
case "$*" in *--version*) exec /usr/bin/bwrap "$@" ;; esac
echo x >>"${place.user}/attempts"
[ "$(wc -l <"${place.user}/attempts")" -gt ${times} ] || { echo "bwrap: a folder has vanished" >&2; exit 1; }
exec /usr/bin/bwrap "$@"
`,
    0o755,
  );
  return {};
}

test(
  "a wall that fails once is planned once more: a folder that was to be masked may vanish meanwhile",
  { skip },
  () => {
    const place = makePlace();
    const ended = place.run(marker, { env: failingBwrap(place, 1) });
    assert.deepEqual([ended.status, ended.stderr, existsSync(join(place.project, "ran"))], [0, "", true]);
  },
);

test("a wall that fails twice is told in bubblewrap's words, and nothing runs", { skip }, () => {
  const place = makePlace();
  const ended = place.run(marker, { env: failingBwrap(place, 2) });
  assert.equal(ended.stderr, "sallyport: The wall could not be built: bwrap: a folder has vanished\n");
  assert.deepEqual([ended.status, existsSync(join(place.project, "ran"))], [125, false]);
});

test("not built: one line that says what to run", () => {
  const place = makePlace();
  const copy = join(place.folder("cli/bin"), "sallyport");
  copyFileSync(executable, copy);
  chmodSync(copy, 0o755);
  const ended = spawnSync(copy, ["run", "--", "touch", "ran"], { cwd: place.project, encoding: "utf8" });
  assert.equal(
    ended.stderr,
    `sallyport: not built yet: "${place.base}/cli/dist/main.js" is missing; run npm run build\n`,
  );
  assert.deepEqual([ended.status, existsSync(join(place.project, "ran"))], [125, false]);
});
