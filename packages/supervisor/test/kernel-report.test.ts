import assert from "node:assert/strict";
import { release } from "node:os";
import { test } from "node:test";
import { probeKernel } from "../src/index.ts";

test("probeKernel() reports what this kernel does", async () => {
  const report = await probeKernel();
  assert.equal(report.release, release());
  const { notify, killableWait, addFdSend, ptrace } = report;
  // Without these the guarded tests of this package could not pass.
  assert.deepEqual(
    { notify, killableWait, addFdSend, ptrace },
    { notify: true, killableWait: true, addFdSend: true, ptrace: true },
  );
  assert.equal(report.notifyReason, null);
  assert.ok(Number.isInteger(report.landlockAbi) && report.landlockAbi >= 0);
});
