import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isSallyportError } from "@sallyport/supervisor";
import { watchRules } from "@sallyport/rules-store";
import type { RuleWatch } from "@sallyport/rules-store";

interface Place {
  home: string;
  warnings: string[];
  write: (name: string, text: string) => void;
  open: (files?: string[]) => RuleWatch;
}

function makePlace(context: TestContext): Place {
  const home = mkdtempSync(join(tmpdir(), "watch-rules-"));
  context.after(() => rmSync(home, { recursive: true }));
  const warnings: string[] = [];
  return {
    home,
    warnings,
    write: (name, text) => writeFileSync(join(home, name), text, { mode: 0o600 }),
    open: (files = []) => {
      const onWarning = (message: string): number => warnings.push(message.replaceAll(home, "~"));
      const watch = watchRules({ home, files: files.map((name) => join(home, name)), discover: true, onWarning });
      context.after(() => watch.close());
      return watch;
    },
  };
}

function programs({ ruleSet }: RuleWatch): string[] {
  return ruleSet.rules.map(({ program }) => program);
}

function rule(program: string): string {
  return `prefix_rule(["${program}"])\n`;
}

/** Waits for what `probe` says, without asking the watch to look. */
async function until(probe: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!probe()) {
    assert.ok(Date.now() < deadlineMs, "within a minute");
    await delay(5);
  }
}

/** What a decision does, until the rules are those. */
async function untilChecked(watch: RuleWatch, expected: string[]): Promise<void> {
  await until(() => {
    watch.check();
    return programs(watch).join() === expected.join();
  });
}

describe("watchRules()", () => {
  test("throws where the rules are broken at the start", (context) => {
    const place = makePlace(context);
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", "prefix_rule(");
    assert.throws(
      () => place.open(),
      (error) => isSallyportError(error) && error.code === "RULES_INVALID",
    );
  });

  test("tells of a change without being asked, also of a folder that was not there", async (context) => {
    const place = makePlace(context);
    const watch = place.open();
    assert.deepEqual(programs(watch), []);
    const told: string[][] = [];
    const end = watch.subscribe(({ rules }) => told.push(rules.map(({ program }) => program)));
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", rule("one"));
    await until(() => told.some((names) => names.join() === "one"));
    place.write("rules/a.rules", rule("two"));
    await until(() => told.at(-1)?.join() === "two");
    end();
    const count = told.length;
    place.write("rules/a.rules", rule("three"));
    await until(() => programs(watch).join() === "three");
    assert.equal(told.length, count);
  });

  test("sees a file that is added, replaced, renamed and removed", async (context) => {
    const place = makePlace(context);
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", rule("one"));
    const watch = place.open();
    place.write("rules/b.rules", rule("two"));
    await untilChecked(watch, ["one", "two"]);
    place.write("fresh", rule("three"));
    renameSync(join(place.home, "fresh"), join(place.home, "rules/a.rules"));
    await untilChecked(watch, ["three", "two"]);
    renameSync(join(place.home, "rules/a.rules"), join(place.home, "rules/c.rules"));
    await untilChecked(watch, ["two", "three"]);
    rmSync(join(place.home, "rules/c.rules"));
    await untilChecked(watch, ["two"]);
    rmSync(join(place.home, "rules"), { recursive: true });
    await untilChecked(watch, []);
    assert.deepEqual(place.warnings, []);
  });

  test("follows a file that was named", async (context) => {
    const place = makePlace(context);
    place.write("mine.rules", rule("one"));
    const watch = place.open(["mine.rules"]);
    place.write("mine.rules", rule("two"));
    await untilChecked(watch, ["two"]);
    rmSync(join(place.home, "mine.rules"));
    await until(() => place.warnings.length > 0);
    assert.deepEqual(programs(watch), ["two"], "a named file that is gone is broken, not empty");
  });

  test("keeps the last good set where a change is broken, warns once, and takes the repaired one", async (context) => {
    const place = makePlace(context);
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", rule("one"));
    const watch = place.open();
    place.write("rules/a.rules", `${rule("two")}prefix_rule(["x"], "forbid")\n`);
    await until(() => place.warnings.length > 0);
    for (let round = 0; round < 20; round += 1) {
      watch.check();
      await delay(10);
    }
    assert.deepEqual(place.warnings, [
      '~/rules/a.rules:2:20: invalid decision: "forbid", expected "allow", "prompt" or "forbidden"; the rules from before the change stay in force',
    ]);
    assert.deepEqual(programs(watch), ["one"]);
    place.write("rules/a.rules", rule("three"));
    await untilChecked(watch, ["three"]);
  });

  test("a file that is emptied before it is written again opens nothing meanwhile, and warns of nothing", async (context) => {
    const place = makePlace(context);
    const text = 'prefix_rule(["one"], "forbidden")\n';
    place.write("mine.rules", text);
    const watch = place.open(["mine.rules"]);
    for (let round = 0; round < 5; round += 1) {
      for (const half of ["", text.slice(0, 20), ""]) {
        place.write("mine.rules", half);
        const untilMs = performance.now() + 25;
        for (; performance.now() < untilMs; await delay(3)) {
          watch.check();
          assert.deepEqual(programs(watch), ["one"]);
        }
      }
      place.write("mine.rules", text);
    }
    place.write("mine.rules", `${text}prefix_rule(["two"], "forbidden")\n`);
    await untilChecked(watch, ["one", "two"]);
    assert.deepEqual(place.warnings, []);
    place.write("mine.rules", "");
    await until(() => programs(watch).length === 0);
  });

  test("a file that others may write from now on is a broken change", async (context) => {
    const place = makePlace(context);
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", rule("one"));
    const watch = place.open();
    chmodSync(join(place.home, "rules/a.rules"), 0o622);
    await until(() => {
      watch.check();
      return place.warnings.length > 0;
    });
    assert.match(place.warnings[0] ?? "", /the file can be written by others/);
    chmodSync(join(place.home, "rules/a.rules"), 0o600);
    chmodSync(join(place.home, "rules"), 0o777);
    await until(() => {
      watch.check();
      return place.warnings.length > 1;
    });
    assert.match(place.warnings[1] ?? "", /the folder can be written by others/);
    chmodSync(join(place.home, "rules"), 0o700);
    assert.deepEqual(programs(watch), ["one"]);
  });

  test("sees a change of the same length whose time was put back", async (context) => {
    const place = makePlace(context);
    mkdirSync(join(place.home, "rules"), { mode: 0o700 });
    place.write("rules/a.rules", rule("one"));
    const path = join(place.home, "rules/a.rules");
    const watch = place.open();
    const { atime, mtime } = statSync(path);
    place.write("rules/a.rules", rule("two"));
    utimesSync(path, atime, mtime);
    await untilChecked(watch, ["two"]);
  });

  test("changes nothing any more once it is closed", async (context) => {
    const place = makePlace(context);
    place.write("mine.rules", rule("one"));
    const watch = place.open(["mine.rules"]);
    const other = place.open(["mine.rules"]);
    watch.close();
    place.write("mine.rules", rule("two"));
    await untilChecked(other, ["two"]);
    watch.check();
    assert.deepEqual(programs(watch), ["one"]);
  });
});
