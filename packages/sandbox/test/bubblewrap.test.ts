import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findBubblewrap, planWall } from "../src/index.ts";
import { keptCapabilities, namespaceArguments } from "../src/bubblewrap.ts";
import { isRoot, makeFolders, missingBubblewrap, plan, policyFor } from "./test-wall.ts";

test("findBubblewrap() tells what is missing", (t) => {
  const { base } = makeFolders(t);
  const file = join(base, "bwrap");
  assert.deepEqual(findBubblewrap("relative:", [], { asRoot: isRoot }), {
    kind: "unusable",
    reason: "bwrap is not on the PATH",
    advice: "install bubblewrap",
  });
  writeFileSync(file, "#!/bin/sh\necho no permissions >&2\nexit 1\n", { mode: 0o755 });
  const failing = findBubblewrap(base, [], { asRoot: isRoot });
  assert.deepEqual(failing.kind === "unusable" && failing.reason, "bwrap can't build the namespaces: no permissions");
  const writable = findBubblewrap(base, [base], { asRoot: isRoot });
  assert.deepEqual(
    writable.kind === "unusable" && writable.reason,
    `${JSON.stringify(file)} lies in a writable folder`,
  );
  chmodSync(file, 0o777);
  const open = findBubblewrap(base, [], { asRoot: isRoot });
  assert.deepEqual(open.kind === "unusable" && open.reason, `${JSON.stringify(file)} can be written by others`);
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, 0o755);
  assert.deepEqual(findBubblewrap(base, [], { asRoot: isRoot }), { kind: "works", file });
});

test("planWall() without bubblewrap: auto takes Landlock and says so, bubblewrap refuses", (t) => {
  const { base, project, home } = makeFolders(t);
  const env = { PATH: base, HOME: "/" };
  const made = planWall(policyFor(project, home, { wall: "auto" }), { env });
  t.after(() => made.close());
  assert.deepEqual(
    [made.level, made.gaps[0]],
    ["landlock", "the wall is Landlock alone, since bwrap is not on the PATH; install bubblewrap"],
  );
  assert.throws(() => planWall(policyFor(project, home), { env }), {
    code: "WALL_REFUSED",
    message:
      "The bubblewrap wall can't be built (bwrap is not on the PATH), expected a working bwrap; install bubblewrap",
  });
  assert.throws(() => planWall(policyFor(project, home, { wall: "auto", landlockAbi: 0 }), { env }), {
    code: "WALL_REFUSED",
    message: /ABI 0.*bwrap is not on the PATH/,
  });
});

test("planWall() for danger-full-access builds nothing", (t) => {
  const { project, home } = makeFolders(t);
  const made = planWall(policyFor(project, home, { mode: "danger-full-access" }), { env: { PATH: "" } });
  assert.deepEqual(
    {
      level: made.level,
      outerArgv: made.outerArgv,
      wall: made.wall,
      pidNamespace: made.pidNamespace,
      writableRoots: made.writableRoots,
      same: made.translate("/tmp/x"),
    },
    { level: "none", outerArgv: [], wall: null, pidNamespace: false, writableRoots: [], same: "/tmp/x" },
  );
});

test("planWall() reports a home that can't be written", { skip: isRoot ? "root writes everywhere" : false }, (t) => {
  const { project, home } = makeFolders(t);
  chmodSync(home, 0o500);
  assert.throws(() => planWall(policyFor(project, home, { wall: "landlock" })), { code: "HOME_UNWRITABLE" });
});

test("namespaceArguments() gives root few capabilities and an ordinary user a namespace", () => {
  const kept = namespaceArguments({ asRoot: true, network: false }).filter((argument) => argument.startsWith("CAP_"));
  assert.deepEqual(kept, [
    "CAP_SETPCAP",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_KILL",
  ]);
  assert.equal(keptCapabilities, 0xfbn);
  assert.deepEqual(namespaceArguments({ asRoot: false, network: true }), [
    "--die-with-parent",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-user",
  ]);
});

test(
  "planWall() replaces a TMPDIR that could not be written inside, and no other",
  { skip: missingBubblewrap() },
  (t) => {
    const { base, project, home } = makeFolders(t);
    const given = [undefined, "/tmp", join(project, "tmp"), join(base, "elsewhere")];
    const environments = given.map((TMPDIR) => {
      const made = planWall(policyFor(project, home), { env: { PATH: process.env["PATH"], HOME: "/", TMPDIR } });
      made.close();
      return made.env;
    });
    assert.deepEqual(environments, [{}, {}, {}, { TMPDIR: "/tmp" }]);
  },
);

test(
  "planWall() names a gap of bubblewrap only with --network on a kernel that can't scope abstract sockets",
  { skip: missingBubblewrap() },
  (t) => {
    const folders = makeFolders(t);
    const gaps = [
      { network: false, landlockAbi: 0 },
      { network: true, landlockAbi: 6 },
      { network: true, landlockAbi: 5 },
    ].map((changes) => plan(folders, changes).gaps.length);
    assert.deepEqual(gaps, [0, 0, 1]);
  },
);
