/** The machine's own rules: files of the system, and managed ones. They lie in a folder of the test's, whose owner stands for root. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isSallyportError } from "@sallyport/supervisor";
import { loadRules, watchRules } from "../src/index.ts";
import type { LoadRulesOptions, RuleWatch } from "../src/index.ts";

const self = process.geteuid?.() ?? 0;

interface Place {
  base: string;
  options: LoadRulesOptions & { system: NonNullable<LoadRulesOptions["system"]> };
  write: (name: string, text: string) => string;
  /** Each rule as `origin program decision`, or the first problem. */
  load: (changes?: Partial<LoadRulesOptions>) => string[] | string;
}

function makePlace(context: TestContext): Place {
  const base = mkdtempSync(join(tmpdir(), "system-rules-"));
  context.after(() => rmSync(base, { recursive: true }));
  const system = { folder: join(base, "etc/sallyport"), owner: self };
  const options = { home: join(base, "home"), files: [], discover: true, system };
  return {
    base,
    options,
    write: (name, text) => {
      const path = join(base, name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    },
    load: (changes = {}) => {
      try {
        return loadRules({ ...options, ...changes }).rules.map(
          ({ origin, program, decision }) => `${origin} ${program} ${decision}`,
        );
      } catch (error) {
        assert.ok(isSallyportError(error));
        assert.equal(error.code, "RULES_INVALID");
        return error.message.replaceAll(base, "~");
      }
    },
  };
}

const rule = (program: string, decision = "allow"): string => `prefix_rule(["${program}"], "${decision}")\n`;
const requirements = "etc/sallyport/requirements.toml";
const managed = (decision: string, token = "m"): string =>
  `[rules]\nprefix_rules = [{ pattern = [{ token = "${token}" }], decision = "${decision}" }]\n`;

describe("loadRules()", () => {
  test("reads the system's rules first and the managed ones last, with and without those of the home", (context) => {
    const { base, write, load } = makePlace(context);
    const flag = write("flag.rules", rule("f"));
    write("home/rules/a.rules", rule("u"));
    write("etc/sallyport/rules/a.rules", rule("s"));
    write("etc/codex/rules/a.rules", rule("c"));
    write(requirements, managed("forbidden"));
    write("project/.sallyport/rules/a.rules", rule("p"));
    const files = [flag];
    const trustedProject = join(base, "project");
    const all = ["system s allow", "user u allow", "project p allow", "flag f allow", "managed m forbidden"];
    assert.deepEqual(load({ files, trustedProject }), all);
    assert.deepEqual(load({ files, trustedProject, readsCodex: true }), [
      "system s allow",
      "system c allow",
      ...all.slice(1),
    ]);
    assert.deepEqual(load({ discover: false }), ["system s allow", "managed m forbidden"]);
    assert.deepEqual(load({ files, discover: false, system: null }), ["flag f allow"]);
  });

  test("reads nothing where the machine has no folder for it", (context) => {
    const { options } = makePlace(context);
    assert.deepEqual(loadRules(options), { rules: [], hosts: new Map(), files: [] });
  });

  test("refuses what Codex does not know in the system's rules of Codex", (context) => {
    const { write, load } = makePlace(context);
    write("etc/codex/rules/a.rules", 'prefix_rule(["a"], escalate = True)\n');
    assert.match(
      String(load({ readsCodex: true })),
      /^~\/etc\/codex\/rules\/a\.rules:1:1: `escalate` is not known to Codex/,
    );
    assert.deepEqual(load(), []);
  });

  test("refuses system files and folders that somebody else owns, the user included", (context) => {
    const { options, write, load } = makePlace(context);
    write("etc/sallyport/rules/a.rules", rule("s"));
    assert.deepEqual(load(), ["system s allow"]);
    const system = { ...options.system, owner: self + 1 };
    const owner = self + 1 === 0 ? "root" : `user ${self + 1}`;
    assert.equal(load({ system }), `~/etc:1:1: the folder belongs to user ${self}, expected ${owner} as its owner`);
    assert.deepEqual(load({ system: null }), []);
  });

  test("refuses managed rules that somebody else owns, the user included", (context) => {
    const { options, write, load } = makePlace(context);
    write(requirements, managed("prompt"));
    assert.deepEqual(load(), ["managed m prompt"]);
    const system = { ...options.system, owner: self + 1 };
    assert.match(
      String(load({ system })),
      /requirements\.toml:1:1: its folder belongs to user \d+, expected user \d+ as its owner$/,
    );
  });

  for (const name of ["etc", "etc/sallyport", "etc/sallyport/rules", "etc/sallyport/rules/a.rules", requirements]) {
    test(`refuses ${name} that others can write`, (context) => {
      const { base, write, load } = makePlace(context);
      write("etc/sallyport/rules/a.rules", rule("s"));
      write(requirements, managed("prompt"));
      assert.deepEqual(load(), ["system s allow", "managed m prompt"]);
      chmodSync(join(base, name), /\.(rules|toml)$/.test(name) ? 0o622 : 0o722);
      assert.match(
        String(load()),
        /^~\/etc.* can be written by others \(mode 0[67]22\), expected only its owner to write it/,
      );
    });
  }

  test("follows a link to managed rules, and holds what it leads to to the same", (context) => {
    const { base, write, load } = makePlace(context);
    write("etc/sallyport/rules/a.rules", "");
    write("store/requirements.toml", managed("prompt"));
    symlinkSync(join(base, "store/requirements.toml"), join(base, requirements));
    assert.deepEqual(load(), ["managed m prompt"]);
    chmodSync(join(base, "store"), 0o722);
    assert.match(String(load()), /its folder can be written by others/);
    rmSync(join(base, "store"), { recursive: true });
    assert.match(String(load()), /requirements\.toml:1:1: the file cannot be read \(ENOENT\)/);
  });

  test("takes the home for no project's rules where the project is the user's own folder", (context) => {
    const { base, write, load } = makePlace(context);
    write("me/.sallyport/rules/a.rules", rule("u"));
    const home = join(base, "me/.sallyport");
    assert.deepEqual(load({ home, trustedProject: join(base, "me") }), ["user u allow"]);
  });

  test("keeps where a project's programs lie from the user's rules", (context) => {
    const { base, options, write } = makePlace(context);
    write("home/rules/a.rules", 'host_executable("a", ["/x/a"])\n');
    write("project/.sallyport/rules/a.rules", 'host_executable("a", ["/p/a"])\nprefix_rule(["a"], match = ["/p/a"])\n');
    const { hosts, projectHosts, listed } = loadRules({ ...options, trustedProject: join(base, "project") });
    assert.deepEqual(
      { hosts, projectHosts, listed },
      {
        hosts: new Map([["a", ["/x/a"]]]),
        projectHosts: new Map([["a", ["/p/a"]]]),
        listed: new Map([["a", ["/x/a", "/p/a"]]]),
      },
    );
  });
});

describe("watchRules()", () => {
  function open({ options, base }: Place, context: TestContext): { watch: RuleWatch; warnings: string[] } {
    const warnings: string[] = [];
    const onWarning = (message: string): number => warnings.push(message.replaceAll(base, "~"));
    const watch = watchRules({ ...options, trustedProject: join(base, "project"), onWarning });
    context.after(() => watch.close());
    return { watch, warnings };
  }

  async function until(holds: () => boolean): Promise<void> {
    for (const endMs = Date.now() + 20_000; !holds(); await delay(5)) assert.ok(Date.now() < endMs, "within 20 s");
  }

  async function untilChecked(watch: RuleWatch, expected: string[]): Promise<void> {
    await until(() => {
      watch.check();
      return watch.ruleSet.rules.map(({ program }) => program).join() === expected.join();
    });
  }

  test("follows the system's, the managed and the project's rules, also where there were none", async (context) => {
    const place = makePlace(context);
    const { watch, warnings } = open(place, context);
    place.write("etc/sallyport/rules/a.rules", rule("s"));
    await untilChecked(watch, ["s"]);
    place.write(requirements, managed("prompt"));
    await untilChecked(watch, ["s", "m"]);
    place.write("project/.sallyport/rules/a.rules", rule("p"));
    await untilChecked(watch, ["s", "p", "m"]);
    place.write(requirements, managed("forbidden", "n"));
    await untilChecked(watch, ["s", "p", "n"]);
    rmSync(join(place.base, "etc"), { recursive: true });
    await untilChecked(watch, ["p"]);
    assert.deepEqual(warnings, []);
  });

  test("follows the others while the project's rules are broken, which stay as they were", async (context) => {
    const place = makePlace(context);
    const project = "project/.sallyport/rules/a.rules";
    place.write("home/rules/a.rules", rule("u"));
    place.write(project, `host_executable("p", ["/x/p"])\n${rule("p")}`);
    place.write(requirements, managed("prompt"));
    const { watch, warnings } = open(place, context);
    const before = watch.ruleSet;
    place.write(project, "prefix_rule(");
    await until(() => {
      watch.check();
      return warnings.length > 0;
    });
    assert.deepEqual(watch.ruleSet, before);
    place.write("home/rules/a.rules", rule("u") + rule("v", "forbidden"));
    await untilChecked(watch, ["u", "v", "p", "m"]);
    place.write("home/rules/a.rules", "");
    await untilChecked(watch, ["p", "m"]);
    // A fault of another layer as well: then all of it stays.
    place.write("home/rules/a.rules", "!");
    await until(() => {
      watch.check();
      return warnings.some((warning) => warning.startsWith("~/home/rules/a.rules:1:1"));
    });
    place.write(requirements, managed("prompt", "n"));
    place.write("home/rules/a.rules", rule("w"));
    await untilChecked(watch, ["w", "p", "n"]);
    place.write(project, rule("q"));
    await untilChecked(watch, ["w", "q", "n"]);
  });

  for (const [what, name, good, bad] of [
    ["system file", "etc/sallyport/rules/a.rules", rule("x"), "prefix_rule("],
    ["requirements file", requirements, managed("prompt", "x"), managed("allow", "x")],
    ["project file", "project/.sallyport/rules/a.rules", rule("x"), "prefix_rule(1)"],
  ] as const) {
    test(`keeps the last good set where a ${what} is broken, and tells of it`, async (context) => {
      const place = makePlace(context);
      place.write(name, good);
      const { watch, warnings } = open(place, context);
      place.write(name, bad);
      await until(() => {
        watch.check();
        return warnings.length > 0;
      });
      assert.match(warnings[0] ?? "", /^~\/.*; the rules from before the change stay in force$/);
      assert.deepEqual(
        watch.ruleSet.rules.map(({ program }) => program),
        ["x"],
      );
      place.write(name, good.replaceAll('"x"', '"y"'));
      await untilChecked(watch, ["y"]);
    });
  }
});
