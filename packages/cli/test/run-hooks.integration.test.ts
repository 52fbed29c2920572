/** `sallyport run` asks PreExec hooks and tells PostExec hooks, and does not wait for what nobody has configured. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mayHaveExecHooks } from "../src/exec-hooks-wanted.ts";
import { Place } from "./sallyport.ts";

interface HookOptions {
  event?: "PreExec" | "PostExec";
  matcher?: string;
  config?: string;
  trust?: boolean;
}

/** A hook of the user's: a shell script. */
function withHook(script: string, { event = "PreExec", matcher = "", config = "", trust = true }: HookOptions): Place {
  const place = new Place();
  mkdirSync(place.home, { recursive: true, mode: 0o700 });
  const hooks = { [event]: [{ matcher, hooks: [{ type: "command", command: script }] }] };
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  if (config !== "") writeFileSync(join(place.home, "config.toml"), config, { mode: 0o600 });
  if (trust) assert.equal(place.call(["hooks", "trust", "--all"]).status, 0);
  return place;
}

function answer(decision: string, reason: string): string {
  const hookSpecificOutput = {
    hookEventName: "PreExec",
    permissionDecision: decision,
    permissionDecisionReason: reason,
  };
  return `cat >/dev/null; echo '${JSON.stringify({ hookSpecificOutput })}'`;
}

function reasonOf(place: Place, program: string): string {
  const lines = readFileSync(join(place.base, "journal"), "utf8").trimEnd().split("\n");
  const records = lines.map(
    (line) => JSON.parse(line) as { argv: string[]; decision: string; reason: { kind: string; text: string } },
  );
  const found = records.findLast(({ argv }) => argv[0] === program);
  return `${found?.decision} ${found?.reason.kind}: ${found?.reason.text.replaceAll(place.home, "HOME")}`;
}

const key = 'hook "HOME/hooks.json:pre_exec:0:0"';

test("a PreExec hook denies a program, and is named in the record", () => {
  const place = withHook(answer("deny", "not today"), { matcher: "touch" });
  const journal = join(place.base, "journal");
  const ended = place.run("--journal", journal, "-c", "touch made; echo $?");
  assert.deepEqual([ended.stdout, ended.stderr], ["1\n", "Execution denied: not today\n"]);
  assert.equal(existsSync(join(place.project, "made")), false);
  assert.equal(reasonOf(place, "touch"), `deny hook: not today: denied by ${key}`);
});

test("the most restrictive counts: a hook loosens no rule, and tightens any", () => {
  const forbidden = 'prefix_rule(["true"], "forbidden", justification = "never")\n';
  const outside = 'prefix_rule(["true"])\n';
  const asked = 'prefix_rule(["true"], "prompt", justification = "ask me")\n';
  const place = withHook("cat >/dev/null; . $SALLYPORT_PROJECT_DIR/../answer", { matcher: "true" });
  const config = join(place.home, "config.toml");
  const trusted = readFileSync(config, "utf8");
  const say = (decision: string, rules: string, setting = ""): string => {
    writeFileSync(join(place.base, "answer"), answer(decision, "so it is"));
    writeFileSync(config, setting + trusted);
    place.run("--rules", place.rules(rules), "--journal", join(place.base, "journal"), "-c", "/bin/true; :");
    return reasonOf(place, "/bin/true")
      .replace(/ \(rule .*?:1\)/, "")
      .replace(/rule .*?:1 /, "RULE ");
  };
  assert.equal(say("escalate", forbidden, "hooks_may_escalate = true\n"), "deny rule: never");
  assert.match(say("escalate", asked, "hooks_may_escalate = true\n"), /^deny rule: ask me wants a person to be asked/);
  assert.equal(say("run", outside), `run hook: so it is: kept inside by ${key}`);
  assert.equal(say("escalate", outside), "escalate rule: RULE allows it");
  assert.match(
    say("ask", outside),
    /^deny hook: so it is \(asked for by hook .*\) wants a person to be asked, and nobody was/,
  );
  assert.equal(say("escalate", ""), "run default: no rule matches");
  assert.equal(
    say("escalate", "", "hooks_may_escalate = true\n"),
    `escalate hook: so it is: carried outside by ${key}`,
  );
});

test("a PostExec hook hears how a program ended and which rule it was, before the run is over", () => {
  const place = withHook("cat >$SALLYPORT_PROJECT_DIR/../told-$$", { event: "PostExec", matcher: "dash|true" });
  const rules = place.rules('prefix_rule(["true"], justification = "so it is")\n');
  place.run("--rules", rules, "-c", "sh -c 'exit 3'; /bin/true; :");
  const told = readdirSync(place.base)
    .filter((name) => name.startsWith("told-"))
    .map((name) => JSON.parse(readFileSync(join(place.base, name), "utf8")) as Record<string, unknown>);
  const shown = told.map(({ file, argv, exit_code: code, rule, cwd, hook_event_name: event }) => [
    event,
    cwd,
    file,
    argv,
    code,
    rule,
  ]);
  const common = ["PostExec", place.project];
  assert.deepEqual(
    shown.toSorted((a, b) => String(a[2]).localeCompare(String(b[2]))),
    [
      [...common, "/usr/bin/dash", ["sh", "-c", "exit 3"], 3, null],
      [...common, "/usr/bin/true", ["/bin/true"], 0, { decision: "allow", justification: "so it is" }],
    ],
  );
});

test("hooks that nobody has trusted are not run, which is said", () => {
  const place = withHook(answer("deny", "not today"), { matcher: "touch", trust: false });
  const ended = place.run("-c", "touch made; echo $?");
  assert.equal(ended.stdout, "0\n");
  assert.match(
    ended.stderr,
    /^sallyport: hooks that nobody has trusted are not run: .*pre_exec:0:0; see sallyport hooks trust\n$/,
  );
});

test("a hook that fails is told of", () => {
  const ended = withHook("exit 3", { matcher: "touch" }).run("-c", "touch made; echo $?");
  assert.equal(ended.stdout, "0\n");
  assert.match(ended.stderr, /^sallyport: hook ".*:pre_exec:0:0": .*\b3\b/);
});

test("mayHaveExecHooks() errs towards yes, and says no where there is nothing", () => {
  const place = new Place();
  const home = join(place.base, "other-home");
  const project = join(place.base, "work", "below");
  mkdirSync(join(place.base, "work", ".sallyport"), { recursive: true });
  mkdirSync(project, { recursive: true });
  mkdirSync(home);
  const write = (path: string, text: string): void => writeFileSync(join(place.base, path), text);
  const wanted = (): boolean => mayHaveExecHooks(home, project);
  assert.equal(wanted(), false);
  write("other-home/config.toml", 'model = "m"\n[[hooks.Stop]]\n');
  assert.equal(wanted(), false);
  write("work/.sallyport/hooks.json", '{"hooks": {"PreExec": []}}');
  assert.equal(wanted(), false, "nobody trusts the project");
  write("other-home/config.toml", '[projects."/x"]\ntrust_level = "trusted"\n');
  assert.equal(wanted(), true);
  write("work/.sallyport/hooks.json", "{}");
  assert.equal(wanted(), false);
  write("work/.git", "gitdir: /elsewhere\n");
  assert.equal(wanted(), true, "a worktree's settings lie elsewhere");
  for (const text of ["[hooks]\nread = ['codex']", 'hooks."read"=[]', '"\\u0050reExec" = 1', "[[hooks.PostExec]]"]) {
    write("other-home/config.toml", text);
    assert.equal(wanted(), true, text);
  }
  write("other-home/config.toml", "");
  symlinkSync("hooks.json", join(home, "hooks.json"));
  assert.equal(wanted(), true, "it can't be read");
});
