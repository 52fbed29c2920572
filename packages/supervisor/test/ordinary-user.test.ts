/** The guarded tests once more, as an ordinary user: other kernel checks stand in the way of the broker then. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { isRoot } from "./support/guarded-command.ts";

const files = ["guarded-programs", "guarded-failing-calls", "guarded-escalation", "guarded-ending", "guarded-hostile"];

test(
  "everything guarded works as an ordinary user",
  { skip: isRoot ? false : "needs root to become somebody else", timeout: 90_000 },
  async () => {
    const options = ["--conditions=sallyport-source", "--test", "--test-concurrency=1", "--test-reporter=tap"];
    const paths = files.map((name) => join(import.meta.dirname, `${name}.test.ts`));
    const user = ["--reuid", "1000", "--regid", "1000", "--clear-groups"];
    // The runner must not take the tests below for parts of this one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const [failed, output] = await new Promise<[boolean, string]>((resolve) => {
      const argv = [...user, process.execPath, ...options, ...paths];
      execFile("setpriv", argv, { env, maxBuffer: 64 * 1024 * 1024, cwd: "/" }, (error, stdout) =>
        resolve([error !== null, stdout]),
      );
    });
    assert.equal(failed, false, output);
    assert.ok(Number(/^# pass (\d+)$/m.exec(output)?.[1]) > 80, output.slice(-500));
  },
);
