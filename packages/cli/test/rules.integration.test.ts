import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
    `prompt    ["a"], EXPIRED 2001-01-01  flag ${file}:1\n          \\x1b[2Jwhy\nallow     ["b","c"]  flag ${file}:2\n`,
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
