/** The machine's own rules at `sallyport`, in a mount namespace whose /etc is a folder of the test's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { missing } from "./missing.ts";
import { Place, executable } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

const denied = "Execution denied: ";
const deadlineMs = 60_000;
// Without a wall: a wall inside this namespace is another test's business.
const run = ["run", "--sandbox", "danger-full-access", "--ask", "never"];
const script = "uname -s || id -u; id -u || echo no id";

function bubblewrap(words: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Ended {
  const { status, stdout, stderr, error } = spawnSync("bwrap", ["--unshare-user", ...words], {
    encoding: "utf8",
    timeout: deadlineMs,
    ...options,
  });
  return { status, stdout, stderr: `${stderr}${error?.message ?? ""}` };
}

class Machine extends Place {
  constructor(files: Record<string, string>) {
    super();
    const etc = join(this.base, "etc");
    mkdirSync(join(etc, "sallyport/rules"), { recursive: true });
    mkdirSync(join(etc, "codex/rules"), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(etc, name), text, { mode: 0o644 });
  }

  /** `uid`: who is who runs it, and the owner of /etc with them. */
  sallyport(words: string[], uid = 0): Ended {
    const view = ["--uid", String(uid), "--gid", String(uid), "--dev-bind", "/", "/"];
    return bubblewrap([...view, "--bind", join(this.base, "etc"), "/etc", executable, ...words], {
      cwd: this.project,
      env: this.env,
    });
  }
}

const works = bubblewrap(["--uid", "0", "--gid", "0", "--dev-bind", "/", "/", "true"]);
const skip = missing(works.status === 0 ? false : `needs bwrap with user namespaces: ${works.stderr.trim()}`);

const rules = 'prefix_rule(["uname"], "forbidden", justification = "not here")\n';
const managed = (decision: string): string =>
  `[rules]\nprefix_rules = [\n  { pattern = [{ token = "id" }], decision = "${decision}" },\n]\n`;

describe("the machine's own rules", { skip }, () => {
  test("count in every command, whatever the user's rules and options say", () => {
    const machine = new Machine({
      "sallyport/rules/a.rules": rules,
      "sallyport/requirements.toml": managed("prompt-user"),
    });
    mkdirSync(join(machine.home, "rules"), { mode: 0o700 });
    writeFileSync(join(machine.home, "rules/a.rules"), 'prefix_rule(["uname"])\nprefix_rule(["id"])\n', {
      mode: 0o600,
    });
    const text = [
      `${denied}not here (rule ["uname"] at /etc/sallyport/rules/a.rules:1)`,
      `${denied}rule ["id"] at /etc/sallyport/requirements.toml:3 wants a person to be asked, and nobody was asked`,
      `${denied}rule ["id"] at /etc/sallyport/requirements.toml:3 wants a person to be asked, and nobody was asked`,
      "",
    ].join("\n");
    for (const options of [[], ["--no-rules"]])
      assert.deepEqual(machine.sallyport([...run, ...options, "-c", script]), {
        status: 0,
        stdout: "no id\n",
        stderr: text,
      });

    const listed = machine.sallyport(["rules", "list"]).stdout.replaceAll(machine.home, "~");
    assert.deepEqual(listed.replaceAll(/, last .*/g, "").split("\n"), [
      'forbidden ["uname"]  system /etc/sallyport/rules/a.rules:1; used 2 times',
      "          not here",
      'allow     ["uname"]  user ~/rules/a.rules:1; not used yet',
      'allow     ["id"]  user ~/rules/a.rules:2; not used yet',
      'prompt    ["id"], a person each time  managed /etc/sallyport/requirements.toml:3; used 4 times',
      "",
    ]);
    const decision = (...words: string[]): unknown =>
      (JSON.parse(machine.sallyport(["rules", ...words]).stdout) as { decision: unknown }).decision;
    assert.equal(decision("check", "uname"), "forbidden");
    assert.equal(decision("check", "--as-exec", "id"), "prompt");
    assert.equal(decision("explain", "--json", "--", "uname"), "deny");
    const own = join(machine.home, "rules/a.rules");
    assert.equal(decision("check", "--rules", own, "uname"), "allow");
    assert.match(
      machine.sallyport(["rules", "explain", "--", "id"]).stdout,
      /^ask: a person is asked, and nobody can answer for them; after a yes it runs outside the sandbox\n/,
    );
  });

  test("of Codex count where its files are switched on", () => {
    const machine = new Machine({ "codex/rules/a.rules": rules });
    const outcome = (): string => machine.sallyport([...run, "uname", "-s"]).stderr;
    assert.equal(outcome(), "");
    writeFileSync(join(machine.home, "config.toml"), '[hooks]\nread = ["codex"]\n', { mode: 0o600 });
    assert.equal(outcome(), `${denied}not here (rule ["uname"] at /etc/codex/rules/a.rules:1)\n`);
  });

  for (const [name, text, problem] of [
    ["sallyport/rules/a.rules", 'prefix_rule(["a"], "no")\n', /a\.rules:1:20: invalid decision: "no"/],
    [
      "sallyport/requirements.toml",
      managed("allow"),
      /requirements\.toml:3:5: rules\.prefix_rules\[0\]\.decision is "allow"/,
    ],
    ["sallyport/requirements.toml", "[rules\n", /requirements\.toml:\d+:\d+: this is not TOML/],
  ] as const) {
    test(`stop the start where ${name} is broken: ${JSON.stringify(text.slice(0, 20))}`, () => {
      const machine = new Machine({ [name]: text });
      const { status, stdout, stderr } = machine.sallyport([...run, "--no-rules", "echo", "ran"]);
      assert.deepEqual({ status, stdout }, { status: 125, stdout: "" });
      assert.match(stderr, problem);
      assert.equal(stderr.split("\n").length, 2);
      assert.equal(machine.sallyport(["rules", "list"]).status, 125);
    });
  }

  test("stop the start where somebody else than root owns them", () => {
    const machine = new Machine({ "sallyport/rules/a.rules": rules });
    const { status, stdout, stderr } = machine.sallyport([...run, "echo", "ran"], 4321);
    assert.deepEqual({ status, stdout }, { status: 125, stdout: "" });
    assert.equal(stderr, "sallyport: /etc:1:1: the folder belongs to user 4321, expected root as its owner\n");
    assert.equal(machine.sallyport([...run, "echo", "ran"]).stdout, "ran\n");
  });
});
