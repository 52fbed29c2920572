import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Place } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

const someRules = `host_executable("git", ["/usr/bin/git"])
prefix_rule(["git", ["push", "fetch"]], "forbidden", justification = "the network is for people")
prefix_rule(["git", "status"])
prefix_rule(["/usr/bin/id"], "prompt")
`;

function placeWith(text: string): { place: Place; rules: (...words: string[]) => Ended; file: string } {
  const place = new Place();
  const file = place.rules(text);
  return { place, rules: (...words) => place.call(["rules", ...words]), file };
}

test("rules check prints the peer's JSON and exits with 0 whatever the decision", () => {
  const { rules, file } = placeWith(someRules);
  const check = (...words: string[]): Ended => rules("check", "--rules", file, ...words);
  const forbidden =
    '{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","push"],"decision":"forbidden","justification":"the network is for people"}}],"decision":"forbidden"}\n';
  assert.deepEqual(check("git", "push", "--pretty"), { status: 0, stdout: forbidden, stderr: "" });
  assert.deepEqual(check("--", "git", "push"), { status: 0, stdout: forbidden, stderr: "" });
  assert.deepEqual(check("--unknown"), { status: 0, stdout: '{"matchedRules":[]}\n', stderr: "" });
  assert.equal(check("/usr/bin/git", "status").stdout, '{"matchedRules":[]}\n');
  const resolved = {
    matchedRules: [
      { prefixRuleMatch: { matchedPrefix: ["git", "status"], decision: "allow", resolvedProgram: "/usr/bin/git" } },
    ],
    decision: "allow",
  };
  const pretty = check("--pretty", "--resolve-host-executables", "/usr/bin/git", "status");
  assert.equal(pretty.stdout, `${JSON.stringify(resolved, null, 2)}\n`);
});

test("rules check exits with 1 for bad rules, and shows all of them", () => {
  const { place, rules, file } = placeWith('prefix_rule([])\nprefix_rule(["a"], "no")\n');
  const { status, stdout, stderr } = rules("check", "-r", file, "ls");
  assert.deepEqual([status, stdout], [1, ""]);
  const shown = stderr.replaceAll(place.base, "~").split("\n");
  assert.deepEqual(shown, [
    "sallyport: ~/test.rules:1:13: invalid pattern element: pattern cannot be empty, expected at least the program",
    "    1 | prefix_rule([])",
    "      |             ^^",
    'sallyport: ~/test.rules:2:20: invalid decision: "no", expected "allow", "prompt" or "forbidden"',
    '    2 | prefix_rule(["a"], "no")',
    "      |                    ^^^^",
    "",
  ]);
  assert.equal(rules("check", "-r", join(place.base, "missing.rules"), "ls").status, 1);
});

test("rules check exits with 2 for a wrong command line", () => {
  const { rules, file } = placeWith(someRules);
  const wrong = [["-r", file], ["-r"], ["--pretty", "--pretty", "-r", file, "ls"], ["-r", file, "--"]];
  for (const words of wrong) {
    const { status, stdout, stderr } = rules("check", ...words);
    assert.deepEqual([status, stdout], [2, ""], words.join(" "));
    assert.match(stderr, /^sallyport: .*; see sallyport rules check --help\n$/);
  }
});

test("rules check --as-exec decides on the file that would run", () => {
  const { place, rules, file } = placeWith('prefix_rule(["tool"])\nprefix_rule(["true"], "forbidden")\n');
  writeFileSync(join(place.project, "tool"), "#!/bin/true\n");
  chmodSync(join(place.project, "tool"), 0o755);
  const matched = (...words: string[]): unknown =>
    (JSON.parse(rules("check", ...words).stdout) as { decision?: string }).decision ?? "none";
  // As text the name is the rule's; as a program it is another file of that name, which runs a forbidden one.
  assert.equal(matched("-r", file, "--resolve-host-executables", "./tool"), "allow");
  assert.equal(matched("-r", file, "--as-exec", "./tool"), "forbidden");
  assert.equal(matched("-r", file, "--as-exec", "no-such-program"), "none");
});

test("rules check without --rules uses the home's, and --strict-codex names what Codex refuses", () => {
  const { place, rules } = placeWith("");
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  const file = join(place.home, "rules/a.rules");
  writeFileSync(file, 'prefix_rule(["ls"], exact = True)\n', { mode: 0o600 });
  assert.match(rules("check", "ls").stdout, /"decision":"allow"/);
  assert.deepEqual(rules("check", "--strict-codex", "ls"), {
    status: 1,
    stdout: "",
    stderr: `sallyport: ${file}:1:1: Codex refuses exact, expected parameters that it knows\n`,
  });
});

test("rules list shows every rule, its conditions and its source", () => {
  const text =
    'prefix_rule(["a"], "prompt", justification = "\\x1b[2Jwhy", expires = "2001-01-01")\nprefix_rule(["b", "c"])\n';
  const { rules, file } = placeWith(text);
  assert.equal(
    rules("list", "--rules", file).stdout,
    `prompt    ["a"], EXPIRED 2001-01-01  flag ${file}:1; not used yet\n          \\x1b[2Jwhy\nallow     ["b","c"]  flag ${file}:2; not used yet\n`,
  );
  const listed = JSON.parse(rules("list", "--rules", file, "--json").stdout) as { rules: { program: string }[] };
  assert.deepEqual(
    listed.rules.map(({ program }) => program),
    ["a", "b"],
  );
  assert.equal(rules("list").stdout, "No rules.\n");
});

test("rules explain gives the whole decision without running anything", () => {
  const { place, rules, file } = placeWith(
    'prefix_rule(["touch", "x"], "forbidden", justification = "no")\nprefix_rule(["touch"])\nprefix_rule(["touch"], expires = "2001-01-01")\n',
  );
  const explain = (...words: string[]): string => rules("explain", "--rules", file, ...words).stdout;
  const denied = explain("--", "touch", "x");
  assert.match(denied, /^deny: it does not start\n {2}because {2}no \(rule \["touch","x"\] at /);
  assert.match(denied, /allow \["touch"\] does not count: it expired on 2001-01-01/);
  assert.match(explain("touch", "y"), /^escalate: it runs outside the sandbox\n/);
  assert.match(explain("touch", "y"), /forbidden \["touch","x"\] does not count: the arguments are others/);
  const { decision, rules: opinions } = JSON.parse(explain("--json", "touch", "x")) as {
    decision: string;
    rules: { counts: boolean }[];
  };
  assert.deepEqual([decision, opinions.map(({ counts }) => counts)], ["deny", [true, true, false]]);
  assert.deepEqual(place.call(["rules", "explain", "no-such-program"]).status, 127);
});

test("rules test compares expectations with the rules", () => {
  const { place, rules, file } = placeWith(someRules);
  const expectations = join(place.base, "rules.test");
  writeFileSync(
    expectations,
    "# what agents may do\nforbidden git push 'origin'\n\n  allow /usr/bin/git status\nnone ls\n",
  );
  assert.deepEqual(rules("test", "-r", file, expectations), { status: 0, stdout: "3 of 3 hold\n", stderr: "" });
  writeFileSync(expectations, "allow git push\nnone ls\n");
  assert.deepEqual(rules("test", "-r", file, expectations), {
    status: 1,
    stdout: `${expectations}:1: git push is forbidden, expected allow\n1 of 2 hold\n`,
    stderr: "",
  });
  writeFileSync(expectations, "maybe git push\n");
  assert.deepEqual(rules("test", "-r", file, expectations), {
    status: 125,
    stdout: "",
    stderr: `sallyport: Test file "${expectations}" line 1 starts with "maybe", expected one of allow, prompt, forbidden, none\n`,
  });
});

test("every command below rules tells all problems of broken rules", () => {
  const { place, rules, file } = placeWith("prefix_rule([])\nprefix_rule([1])\n");
  const expectations = join(place.base, "rules.test");
  writeFileSync(expectations, "none ls\n");
  for (const words of [["list"], ["explain", "ls"], ["test", expectations]]) {
    const [command = "", ...rest] = words;
    const { status, stderr } = rules(command, "-r", file, ...rest);
    assert.deepEqual([status, stderr.match(/^sallyport: /gm)?.length], [125, 2], command);
  }
});

const approval =
  'approval(id = "019ab000-0000-7000-8000-00000000beef", pattern = ["git", "push"], file = "/usr/bin/git", cwd = "/home/me", ' +
  'added = "2026-11-23T02:00:00.000Z", origin = {"by": "the user", "for": "pushing is for people", "thread": "t1"})\n';

function keepApprovals(place: Place, text: string = approval): string {
  const path = join(place.home, "approvals.rules");
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test("rules add writes a checked rule, list names who added it, and a second time nothing changes", () => {
  const { place, rules } = placeWith("");
  const path = join(place.home, "rules/default.rules");
  const words = [
    "--decision",
    "forbidden",
    "--justification",
    'no "push"',
    "--match",
    "git push x",
    "--",
    "git",
    "push",
  ];
  const text = 'prefix_rule(["git", "push"], "forbidden", justification = "no \\"push\\"", match = ["git push x"])';
  assert.deepEqual(rules("add", ...words), { status: 0, stdout: `added: ${text}\n  ${path}:2\n`, stderr: "" });
  assert.match(readFileSync(path, "utf8"), /^# added \d{4}-\d{2}-\d{2} by \S+ with sallyport rules add\nprefix_rule\(/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(rules("add", "--json", ...words).stdout), { path, line: 2, isNew: false, text });
  assert.match(rules("check", "git", "push", "now").stdout, /"decision":"forbidden"/);
  assert.match(
    rules("list").stdout,
    /^forbidden \["git","push"\] {2}user .*default\.rules:2, added \d{4}-\d{2}-\d{2} by \S+; not used yet\n/,
  );
});

test("rules add refuses what would not be a rule, and leaves the file as it was", () => {
  const { place, rules } = placeWith("");
  assert.equal(rules("add", "git", "status").status, 0);
  const path = join(place.home, "rules/default.rules");
  const before = readFileSync(path, "utf8");
  for (const [words, expected] of [
    [["--decision", "maybe", "git"], /--decision has the value "maybe"/],
    [["--expires", "soon", "git"], /invalid expires: "soon" is not a day/],
    [["--match", "ls", "git"], /the example "ls" does not match/],
    [["--env", "LD_PRELOAD", "git"], /LD_PRELOAD decides what code is loaded/],
    [["--file", "../x", "git"], /--file has the value "\.\.\/x"/],
    [["git", "push", "--decision", "forbidden"], /Option --decision stands behind the pattern/],
    [["git", "push", "--expires=2027-01-31"], /Option --expires=2027-01-31 stands behind the pattern/],
    [["--decision", "forbidden", "--escalate", "git"], /`escalate` has no meaning in a forbidden rule/],
    [[], /Missing required argument "pattern"/],
  ] as const) {
    const { status, stdout, stderr } = rules("add", ...words);
    assert.deepEqual([status, stdout], [125, ""], words.join(" "));
    assert.match(stderr, expected);
  }
  assert.match(rules("add", "--json", "--", "git", "push", "--exact").stdout, /--exact/);
  writeFileSync(path, before);
  writeFileSync(join(place.home, "rules/z.rules"), "prefix_rule(", { mode: 0o600 });
  assert.match(rules("add", "ls").stderr, /z\.rules:1:13/);
  assert.equal(readFileSync(path, "utf8"), before);
});

test("rules list shows what was approved, by whom, why, and how often it answered", () => {
  const { place, rules } = placeWith("");
  keepApprovals(place);
  writeFileSync(
    join(place.home, "approvals.uses.json"),
    '{"019ab000-0000-7000-8000-00000000beef": {"hits": 3, "lastUsedAt": "2026-11-23T03:00:00.000Z"}}',
  );
  assert.equal(
    rules("list").stdout,
    'approved  ["git","push"] and what follows, /usr/bin/git, in /home/me\n' +
      "          approval 019ab000-0000-7000-8000-00000000beef, 2026-11-23 by the user, thread t1; used 3 times, last 2026-11-23T03:00:00.000Z\n" +
      "          asked because: pushing is for people\n",
  );
  const { approvals } = JSON.parse(rules("list", "--json").stdout) as { approvals: { id: string; hits: number }[] };
  assert.deepEqual(
    approvals.map(({ id, hits }) => [id, hits]),
    [["019ab000-0000-7000-8000-00000000beef", 3]],
  );
});

test("rules revoke takes an approval back by its id, the end of it, or its pattern", () => {
  for (const words of [["019ab000-0000-7000-8000-00000000beef"], ["beef"], ["--", "git", "push"], ["--all"]]) {
    const { place, rules } = placeWith("");
    const path = keepApprovals(place, `# mine\n${approval}`);
    assert.deepEqual(rules("revoke", ...words), {
      status: 0,
      stdout:
        'revoked 019ab000-0000-7000-8000-00000000beef  ["git","push"] and what follows, /usr/bin/git, in /home/me\n',
      stderr: "",
    });
    assert.equal(readFileSync(path, "utf8"), "# mine\n", words.join(" "));
  }
});

test("rules revoke says what it can't find, and what is a rule and no approval", () => {
  const { place, rules } = placeWith("");
  rules("add", "git", "fetch");
  keepApprovals(place);
  for (const [words, expected] of [
    [["f00d"], /No approval "f00d" is kept, expected an id or a pattern; see sallyport rules list/],
    [["git", "fetch"], /there is a rule for it at .*default\.rules:2, which is yours to edit/],
    [[], /Nothing to revoke/],
    [["--all", "beef"], /Nothing to revoke/],
  ] as const) {
    const { status, stderr } = rules("revoke", ...words);
    assert.equal(status, 125);
    assert.match(stderr, expected);
  }
  keepApprovals(place, "approval(1)\n");
  assert.match(rules("revoke", "--all").stderr, /approvals\.rules:1:.*; no approval counts until it is corrected/);
});

test("rules explain tells what would be asked, what a yes means, and which hooks would be asked", () => {
  const { place, rules, file } = placeWith('prefix_rule(["touch"], "prompt", justification = "why touch")\n');
  writeFileSync(
    join(place.home, "hooks.json"),
    '{"hooks": {"PreExec": [{"matcher": "touch", "hooks": [{"type": "command", "command": "true"}]}]}}',
    { mode: 0o600 },
  );
  const { stdout } = rules("explain", "--rules", file, "--", "touch", "y");
  assert.match(
    stdout,
    /^ask: a person is asked; after a yes it runs outside the sandbox\n {2}because {2}why touch \(rule/,
  );
  assert.match(stdout, /\n {2}always {3}\["touch","y"\], \/usr\/bin\/touch, in .*project\n/);
  assert.match(stdout, /\n {2}hook {5}.*:pre_exec:0:0 is not asked: it is not trusted yet\n/);
  const parsed = JSON.parse(rules("explain", "--rules", file, "--json", "touch", "y").stdout) as {
    decision: string;
    afterYes: string;
    hooks: unknown[];
  };
  assert.deepEqual([parsed.decision, parsed.afterYes, parsed.hooks.length], ["ask", "escalate", 1]);
  const touch = realpathSync("/usr/bin/touch");
  keepApprovals(place, `approval(id = "x", pattern = ["touch"], file = "${touch}")\n`);
  assert.match(
    rules("explain", "--rules", file, "touch", "y").stdout,
    /^escalate: .*\n {2}because .*approved by approval x\n/,
  );
  assert.equal(existsSync(join(place.home, "approvals.uses.json")), false, "explaining is no use");
});

test("[policy] default decides on what no rule is about", () => {
  const { place, rules } = placeWith("");
  const explain = (config: string): string => {
    writeFileSync(join(place.home, "config.toml"), config, { mode: 0o600 });
    const { status, stdout, stderr } = rules("explain", "true");
    return status === 0 ? (stdout.split(":")[0] ?? "") : stderr.replaceAll(place.home, "~");
  };
  assert.equal(explain(""), "run");
  assert.equal(explain('[policy]\ndefault = "run"\n'), "run");
  assert.equal(explain('[policy]\ndefault = "prompt"\n'), "ask");
  assert.equal(explain('[policy]\ndefault = "forbidden"\n'), "deny");
  assert.equal(
    explain('[policy]\ndefault = "deny"\n'),
    'sallyport: Policy.default in the configuration is "deny", expected "run", "prompt" or "forbidden"\n',
  );
  assert.match(explain("[policy]\ndefault = \n"), /^sallyport: Configuration "~\/config\.toml" can't be used: /);
});

test("run: what the configuration forbids by default does not start, unless a rule is about it", () => {
  const { place, file } = placeWith('prefix_rule(["true"])\n');
  writeFileSync(join(place.home, "config.toml"), '[policy]\ndefault = "forbidden"\n', { mode: 0o600 });
  const denied = place.run("--rules", file, "--", "/usr/bin/id");
  assert.match(denied.stderr, /no rule matches, and the configuration says default = "forbidden"/);
  assert.equal(denied.stdout, "");
  assert.equal(place.run("--rules", file, "--", "/usr/bin/true").status, 0);
});

test("run: a rule that is added meanwhile counts for the next program, and a broken one is told", async () => {
  const { place } = placeWith("");
  const child = place.start("-c", "while read -r line; do $line; echo $?; done");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const errors: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const say = async (): Promise<string> => {
    child.stdin.write("/usr/bin/true\n");
    const { value } = (await lines.next()) as { value: string };
    return value;
  };
  assert.equal(await say(), "0");
  assert.equal(await say(), "0", "its verdict stands");
  assert.equal(place.call(["rules", "add", "--decision", "forbidden", "true"]).status, 0);
  const deadlineMs = Date.now() + 60_000;
  for (let last = "0"; last !== "1"; last = await say()) assert.ok(Date.now() < deadlineMs, "denied within a minute");
  writeFileSync(join(place.home, "rules/z.rules"), "prefix_rule(", { mode: 0o600 });
  while (
    !/^sallyport: rules: .*z\.rules:1:13: .*; the rules from before the change stay in force$/m.test(errors.join(""))
  ) {
    assert.equal(await say(), "1");
    assert.ok(Date.now() < deadlineMs, "told within a minute");
  }
  child.stdin.end();
  assert.deepEqual(await once(child, "close"), [0, null]);
});

test("run: a kept approval answers where nobody is asked, until it is revoked, also while the command runs", async () => {
  const { place, file } = placeWith('prefix_rule(["true"], "prompt")\n');
  const program = realpathSync("/usr/bin/true");
  keepApprovals(place, `approval(id = "kept", pattern = ["true"], exact = True, file = "${program}")\n`);
  const child = place.start("--ask", "never", "--rules", file, "-c", "while read -r line; do $line; echo $?; done");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const say = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const { value } = (await lines.next()) as { value: string };
    return value;
  };
  assert.equal(await say("/usr/bin/true"), "0");
  assert.equal(await say("/usr/bin/true more"), "1", "the approval is for the call without arguments");
  assert.equal(place.call(["rules", "revoke", "kept"]).status, 0);
  assert.equal(await say("/usr/bin/true"), "1", "the very next one");
  child.stdin.end();
  assert.deepEqual(await once(child, "close"), [0, null]);
});

test("a project's rules count where the project is trusted, and where it is not it is told that they don't", () => {
  const { place, rules } = placeWith("");
  const folder = join(place.project, ".sallyport/rules");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "p.rules"), 'prefix_rule(["true"], "forbidden", justification = "ours")\n', {
    mode: 0o600,
  });
  const config = join(place.home, "config.toml");
  const trust = (level: string): void =>
    writeFileSync(config, `[projects.${JSON.stringify(place.project)}]\ntrust_level = "${level}"\n`, { mode: 0o600 });
  const outcomes = (): unknown[] => {
    const all = [
      place.run("true"),
      rules("list"),
      rules("explain", "true"),
      rules("check", "true"),
      place.run("--no-rules", "true"),
    ];
    return all.map(({ status, stdout, stderr }) => {
      const text = stderr.replaceAll(place.base, "~");
      return [status, stdout.replaceAll(place.base, "~").split(/[;\n]/)[0], text];
    });
  };
  const section = '[projects."~/project"] trust_level = "trusted"';
  const hint = `sallyport: rules: the project is not trusted, so the rules in "~/project/.sallyport/rules" are not read; to trust it, add ${section} to ~/home/config.toml\n`;
  const unread = [
    [0, "", hint],
    [0, "No rules.", hint],
    [0, "run: it runs inside the sandbox", hint],
    [0, '{"matchedRules":[]}', hint],
    [0, "", ""],
  ];
  assert.deepEqual(outcomes(), unread);
  trust("untrusted");
  assert.equal(rules("check", "true").stderr.replaceAll(place.base, "~"), hint);
  trust("trusted");
  const matched = '{"prefixRuleMatch":{"matchedPrefix":["true"],"decision":"forbidden","justification":"ours"}}';
  assert.deepEqual(outcomes(), [
    [1, "", 'Execution denied: ours (rule ["true"] at ~/project/.sallyport/rules/p.rules:1)\n'],
    [0, 'forbidden ["true"]  project ~/project/.sallyport/rules/p.rules:1', ""],
    [0, "deny: it does not start", ""],
    [0, `{"matchedRules":[${matched}],"decision":"forbidden"}`, ""],
    [0, "", ""],
  ]);
  writeFileSync(config, "[projects\n", { mode: 0o600 });
  const broken = place.run("true");
  assert.deepEqual([broken.status, broken.stdout], [125, ""]);
  assert.match(broken.stderr, /^sallyport: Configuration ".*config\.toml" can't be used: .*\n$/);
});

test("rules list tells how often each rule has decided, and forgets that when the rule is changed", () => {
  const { place, rules, file } = placeWith(someRules.replace("/usr/bin/id", "/usr/bin/uname"));
  const hits = (): number[] => {
    const { stdout } = rules("list", "--rules", file, "--json");
    const { rules: listed } = JSON.parse(stdout) as { rules: { hits: number; lastUsedAt: string | null }[] };
    for (const { hits: count, lastUsedAt } of listed) assert.equal(lastUsedAt === null, count === 0);
    return listed.map(({ hits: count }) => count);
  };
  assert.deepEqual(hits(), [0, 0, 0]);
  // An interrupted run counts too; PostExec and journal are somebody else's business.
  assert.equal(place.run("--rules", file, "-c", "git push; git fetch; git push; kill -INT $$").status, 130);
  assert.equal(place.run("--rules", file, "--ask", "never", "uname").status, 1);
  assert.deepEqual(hits(), [3, 0, 1]);
  assert.equal(rules("explain", "--rules", file, "git", "push").status, 0);
  assert.deepEqual(hits(), [3, 0, 1], "explaining is no use");
  assert.match(rules("list", "--rules", file).stdout, /test\.rules:2; used 3 times, last \d{4}-/);
  writeFileSync(file, readFileSync(file, "utf8").replace("the network is for people", "it is for people"));
  assert.deepEqual(hits(), [0, 0, 1]);
});

test("run: a trusted project's rules are followed where the command can't write them", async () => {
  const { place } = placeWith("");
  mkdirSync(join(place.base, ".git"));
  const folder = join(place.base, ".sallyport/rules");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (text: string): void => writeFileSync(join(folder, "p.rules"), text, { mode: 0o600 });
  write("");
  const config = `[projects.${JSON.stringify(place.base)}]\ntrust_level = "trusted"\n`;
  writeFileSync(join(place.home, "config.toml"), config, { mode: 0o600 });
  const child = place.start("-c", "while read -r line; do $line; echo $?; done");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const say = async (): Promise<string> => {
    child.stdin.write("/usr/bin/true\n");
    return ((await lines.next()) as { value: string }).value;
  };
  assert.equal(await say(), "0");
  write('prefix_rule(["true"], "forbidden", justification = "ours")\n');
  const deadlineMs = Date.now() + 15_000;
  while ((await say()) !== "1") assert.ok(Date.now() < deadlineMs, "denied within 15 s");
  child.stdin.end();
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.match(errors, /^Execution denied: ours \(rule /);
});
