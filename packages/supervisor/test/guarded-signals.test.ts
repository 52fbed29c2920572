/** 100 execs in a storm of signals, each with a verdict that comes late: none is lost, wrong or repeated. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { compileFixture } from "./support/compiled-fixtures.ts";
import { endsByRequest, runGuarded, surroundings, verdictOf } from "./support/guarded-command.ts";

const storm = compileFixture("storm-of-signals");
const target = compileFixture("start-program", { as: "target" });
const endings = { run: "7", deny: "1", escalate: "7" };

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    for (const word of ["run", "deny", "escalate"] as const) {
      test(`${word}: 100 of 100`, async () => {
        const decide = async (event: ExecEvent): Promise<Verdict> => {
          if (basename(textToDisplay(event.file)) !== "target") return { kind: "run" };
          await delay(1);
          return verdictOf(word, event) ?? { kind: "run" };
        };
        const result = await runGuarded({ argv: [storm, "100", target, word], around, decide });
        // The children's own lines come before.
        assert.equal(result.stdout.replaceAll(/^ppid=.*\n/gm, ""), `${endings[word]}: 100\nother: 0\n`);
        assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
        // A signal in the short window before the broker took the call up makes the caller call again.
        const interrupted = Number(/interrupted (\d+)/.exec(result.stderr)?.[1]);
        const asked = result.execs.length - 1;
        assert.ok(asked <= 100 + interrupted + 2, `${asked} questions, ${interrupted} interrupted`);
      });
    }
  });
}
