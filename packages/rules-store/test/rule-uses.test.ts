import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { openRuleUses, readRuleUses } from "@sallyport/rules-store";
import type { StoredRule } from "@sallyport/rules-store";

const fixture = fileURLToPath(new URL("./fixtures/count-uses.ts", import.meta.url));

function makeHome(context: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "rule-uses-"));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

function ruleWith(changes: Partial<StoredRule> = {}): StoredRule {
  const settings = { escalate: false, env: [], canonical: false, exact: false };
  const at = { file: "/rules/a.rules", line: 1, column: 1 };
  return { program: "git", rest: [["push"]], decision: "allow", ...settings, at, origin: "user", ...changes };
}

function hitsIn(home: string, rule: StoredRule): number {
  return readRuleUses(home)(rule)?.hits ?? 0;
}

describe("openRuleUses()", () => {
  test("counts a rule by what it says and the file that says it, wherever in the file", (context) => {
    const home = makeHome(context);
    const uses = openRuleUses(home);
    const beforeMs = Date.now();
    for (const line of [1, 7]) uses.count(ruleWith({ at: { file: "/rules/a.rules", line, column: 1 } }));
    assert.equal(hitsIn(home, ruleWith()), 0, "not written yet");
    uses.flush();
    uses.count(ruleWith());
    uses.flush();
    const { hits, lastUsedAt } = readRuleUses(home)(ruleWith()) ?? {};
    assert.equal(hits, 3);
    const lastMs = Date.parse(lastUsedAt ?? "");
    assert.ok(lastMs >= beforeMs && lastMs <= Date.now());
    assert.equal(statSync(join(home, "rules.uses.json")).mode & 0o777, 0o600);
    const others: Partial<StoredRule>[] = [
      { program: "hg" },
      { rest: [["push", "fetch"]] },
      { rest: [["push"], ["origin"]] },
      { decision: "prompt" },
      { justification: "" },
      { exact: true },
      { canonical: true },
      { escalate: true },
      { env: ["A"] },
      { expires: "2099-01-01" },
      { sha256: "0".repeat(64) },
      { under: "/usr" },
      { escalateWith: { write: [], read: [], network: false, env: [] } },
      { onlyPerson: true },
      { at: { file: "/rules/b.rules", line: 1, column: 1 } },
    ];
    assert.deepEqual(
      others.filter((changes) => hitsIn(home, ruleWith(changes)) > 0),
      [],
    );
  });

  test("loses nothing of processes that count at the same time", async (context) => {
    const home = makeHome(context);
    const counting = Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, ["--conditions=sallyport-source", fixture, home, "git", "25"], {
        stdio: "inherit",
      });
      assert.deepEqual(await once(child, "close"), [0, null]);
    });
    await Promise.all(counting);
    assert.equal(hitsIn(home, ruleWith({ rest: [] })), 4 * 25 * 2);
  });

  test("starts again where the file is not what was written", (context) => {
    const home = makeHome(context);
    for (const text of ["", "{", "[1]", '{"a": {"hits": "many"}}', "null"]) {
      writeFileSync(join(home, "rules.uses.json"), text);
      const uses = openRuleUses(home);
      uses.count(ruleWith());
      uses.flush();
      assert.equal(hitsIn(home, ruleWith()), 1);
    }
  });

  test("says nothing where it can't be written, and keeps the count until it can", (context) => {
    const home = makeHome(context);
    rmSync(home, { recursive: true });
    const uses = openRuleUses(home);
    uses.count(ruleWith());
    uses.flush();
    mkdirSync(home, { mode: 0o700 });
    uses.flush();
    assert.equal(hitsIn(home, ruleWith()), 1);
  });

  test("forgets the oldest of too many", (context) => {
    const home = makeHome(context);
    const use = (day: number): object => ({ hits: 1, lastUsedAt: new Date(day * 86_400_000).toISOString() });
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, day) => [`old-${day}`, use(day)]));
    writeFileSync(join(home, "rules.uses.json"), JSON.stringify(many));
    const uses = openRuleUses(home);
    uses.count(ruleWith());
    uses.flush();
    const kept = JSON.parse(readFileSync(join(home, "rules.uses.json"), "utf8")) as object;
    assert.deepEqual(
      [Object.keys(kept).length, Object.hasOwn(kept, "old-0"), Object.hasOwn(kept, "old-1")],
      [20_000, false, true],
    );
    assert.equal(hitsIn(home, ruleWith()), 1);
  });
});
