/** The C programs build without a warning with every compiler that the Makefile names. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const native = fileURLToPath(new URL("../native", import.meta.url));

function isThere(command: string): boolean {
  return spawnSync(command, ["--version"]).error === undefined;
}

for (const compiler of ["gcc", "clang"]) {
  const skip = isThere(compiler) || process.env["SALLYPORT_MUST_RUN"] === "1" ? false : `${compiler} is not installed`;
  test(`${compiler} builds the broker and the stand-in without a warning, and they start`, { skip }, (context) => {
    const build = mkdtempSync(join(tmpdir(), "sallyport-build-"));
    context.after(() => rmSync(build, { recursive: true }));
    const made = spawnSync("make", ["-s", "-C", native, `CC=${compiler}`, `BUILD=${build}`, "WERROR=1"], {
      encoding: "utf8",
    });
    assert.deepEqual([made.status, made.stderr], [0, ""]);
    const report = spawnSync(join(build, "sallyport-broker"), ["--kernel-report"], { encoding: "utf8" });
    assert.match(report.stdout, /^static 0$/m);
    // Static with every compiler: a dynamic one would load what the caller's LD_PRELOAD names.
    const standIn = spawnSync(join(build, "sallyport-stand-in"), {
      encoding: "utf8",
      env: { LD_PRELOAD: "/nowhere/planted.so" },
    });
    assert.deepEqual(
      [standIn.status, standIn.stderr],
      [125, "sallyport-stand-in: only a broker starts this program\n"],
    );
  });
}
