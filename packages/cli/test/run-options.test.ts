import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunArguments } from "../src/run-options.ts";

const defaults = {
  argv: ["ls"],
  interceptor: "auto",
  shell: null,
  execveWrapper: null,
  rules: [],
  useDiscoveredRules: true,
  sandbox: "workspace-write",
  writable: [],
  network: false,
  denyRead: [],
  allowGitInit: false,
  sockets: [],
  wall: "auto",
  ask: null,
  pty: false,
  maxProcesses: null,
  timeoutMs: null,
  journal: null,
  tree: false,
  json: { kind: "none" },
};

test("everything has a default", () => {
  assert.deepEqual(parseRunArguments(["ls"]), defaults);
});

test("every option is understood", () => {
  const words =
    "--interceptor bash --shell b --execve-wrapper x --rules a --rules=b --no-rules --sandbox read-only --writable w --network --deny-read d --allow-git-init " +
    "--socket s --wall landlock --ask never -t --max-procs 10 --timeout 1.5 --journal j --tree --json=out -- ls";
  assert.deepEqual(parseRunArguments(words.split(" ")), {
    argv: ["ls"],
    interceptor: "bash",
    shell: "b",
    execveWrapper: "x",
    rules: ["a", "b"],
    useDiscoveredRules: false,
    sandbox: "read-only",
    writable: ["w"],
    network: true,
    denyRead: ["d"],
    allowGitInit: true,
    sockets: ["s"],
    wall: "landlock",
    ask: "never",
    pty: true,
    maxProcesses: 10,
    timeoutMs: 1500,
    journal: "j",
    tree: true,
    json: { kind: "file", file: "out" },
  });
});

test("options end at the program, whose own options are its own", () => {
  const odd = { base64: "/w==" };
  assert.deepEqual(parseRunArguments(["--tree", "ls", "--tree", "--", odd]), {
    ...defaults,
    tree: true,
    argv: ["ls", "--tree", "--", odd],
  });
  assert.deepEqual(parseRunArguments(["--", "--odd-name"]), { ...defaults, argv: ["--odd-name"] });
  assert.deepEqual(parseRunArguments(["--json", "ls"]), { ...defaults, json: { kind: "stderr" } });
});

test("-c runs the shell, under its own name", () => {
  assert.deepEqual(parseRunArguments(["-c", "echo hi"])?.argv, ["bash", "-c", "echo hi"]);
  assert.deepEqual(parseRunArguments(["-c", "-x", "--shell", "/bin/zsh", "--login"])?.argv, [
    "/bin/zsh",
    "-l",
    "-c",
    "-x",
  ]);
  const script = { base64: "/w==" };
  assert.deepEqual(parseRunArguments(["-c", script])?.argv, ["bash", "-c", script]);
});

test("help and version are asked for before the program only", () => {
  assert.deepEqual([parseRunArguments(["-h"]), parseRunArguments(["--version"])], [null, null]);
  assert.deepEqual(parseRunArguments(["ls", "--help"])?.argv, ["ls", "--help"]);
});

const refused: [words: (string | { base64: string })[], message: RegExp][] = [
  [[], /^Nothing to run, expected PROGRAM or -c SCRIPT; see sallyport run --help$/],
  [["--"], /^Nothing to run/],
  [[""], /name is empty/],
  [["--bogus", "ls"], /^Unknown option "--bogus"/],
  [["-x", "ls"], /^Unknown option "-x"/],
  [["--network=yes", "ls"], /^Option --network takes no value, found "yes"/],
  [["--rules"], /^Option --rules has no value, expected FILE/],
  [["-c", "a", "b"], /^Both -c and the program "b" are given/],
  [["--login", "ls"], /^Option --login needs a script/],
  [["--shell", "zsh", "ls"], /^Option --shell needs a script/],
  [
    ["--sandbox", "none", "ls"],
    /^Option --sandbox has the value "none", expected workspace-write, read-only, danger-full-access/,
  ],
  [["--wall", "brick", "ls"], /expected auto, bubblewrap, landlock/],
  [["--ask", "always", "ls"], /expected on-request, never/],
  [["--timeout", "0", "ls"], /expected seconds from/],
  [["--timeout", "1e3", "ls"], /expected seconds from/],
  [["--timeout", "9999999", "ls"], /expected seconds from/],
  [["--max-procs", "-1", "ls"], /expected a whole number/],
  [["--max-procs", "1.5", "ls"], /expected a whole number/],
  [["--interceptor", "none", "--journal", "j", "ls"], /^Option --journal needs an interceptor/],
  [["--interceptor", "none", "--rules", "r", "ls"], /^Option --rules needs an interceptor/],
  [["--interceptor", "none", "--tree", "ls"], /^Option --tree needs an interceptor/],
  [["--interceptor", "kernel", "--execve-wrapper", "w", "ls"], /^Option --execve-wrapper needs --interceptor bash/],
  [["--journal", { base64: "/w==" }, "ls"], /^The value of --journal is not UTF-8/],
];
for (const [words, message] of refused) {
  test(`refuses ${JSON.stringify(words)}`, () => {
    assert.throws(() => parseRunArguments(words), { code: "USAGE", message });
  });
}

test("with --interceptor bash, the patched shell is what bash stands for", () => {
  const words = ["--interceptor", "bash", "--shell", "/s/bash", "--login", "-c", "x"];
  const { argv, shell } = parseRunArguments(words) ?? {};
  assert.deepEqual([argv, shell], [["bash", "-l", "-c", "x"], "/s/bash"]);
});
