import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planWall } from "../src/index.ts";
import { landlockInside } from "../src/landlock.ts";
import { survey } from "../src/survey.ts";
import { makeFolders, plan, policyFor } from "./test-wall.ts";

test("landlockInside() handles the rights that the ABI knows", (t) => {
  const { project, home } = makeFolders(t);
  const found = survey(policyFor(project, home), {});
  assert.equal(landlockInside(found, 0), null);
  const handled = [1, 2, 3, 4, 5, 6, 7]
    .map((abi) => landlockInside(found, abi))
    .map((spec) => [spec?.handledFs, spec?.handledNet, spec?.scoped]);
  assert.deepEqual(handled, [
    [0x1fffn, 0n, 0n],
    [0x3fffn, 0n, 0n],
    [0x7fffn, 0n, 0n],
    [0x7fffn, 0n, 0n],
    [0xffffn, 0n, 0n],
    [0xffffn, 0n, 3n],
    [0xffffn, 0n, 3n],
  ]);
});

test("landlockInside() grants reading everywhere and changing in the roots and private folders, devices excepted", (t) => {
  const { project, home } = makeFolders(t);
  const found = { ...survey(policyFor(project, home), {}), privateFolders: ["/tmp"] };
  const changing = 0x77b2n; // write, remove, make (no devices), refer, truncate
  assert.deepEqual(landlockInside(found, 6)?.rules, [
    { path: "/", access: 0xdn },
    { path: "/dev", access: 0xc002n },
    { path: "/proc", access: 0x4002n },
    { path: project, access: changing },
    { path: "/tmp", access: changing },
    { path: "/dev/shm", access: changing },
  ]);
  assert.deepEqual(landlockInside({ ...found, roots: [] }, 6)?.rules.length, 3);
});

test("planWall() with Landlock alone names its gaps, hides paths by exception and makes no placeholder", (t) => {
  const folders = makeFolders(t);
  const secret = join(folders.base, "secret");
  const made = plan(folders, { wall: "landlock", denyRead: [secret, folders.home] });
  const { wall, scratchFolder, ...rest } = made;
  assert.deepEqual(
    {
      level: rest.level,
      outerArgv: rest.outerArgv,
      pidNamespace: rest.pidNamespace,
      env: rest.env,
      gaps: rest.gaps.length,
      roots: rest.writableRoots,
    },
    {
      level: "landlock",
      outerArgv: [],
      pidNamespace: false,
      env: { TMPDIR: `${scratchFolder}/tmp` },
      gaps: 7,
      roots: [folders.project, scratchFolder],
    },
  );
  assert.deepEqual(
    {
      net: wall?.landlock?.handledNet,
      unix: wall?.refuseUnixSockets,
      inet: wall?.refuseInetSockets,
      probe: wall?.probe,
    },
    {
      net: 3n,
      unix: true,
      inet: true,
      probe: {
        canaryFile: `${scratchFolder}/canary/file`,
        canaryFolder: `${scratchFolder}/canary`,
        network: false,
        gaps: ["chmod", "chown", "utime", "setxattr"],
      },
    },
  );
  const listed = [folders.home, secret].map((path) => wall?.landlock?.exceptPaths.includes(path));
  assert.deepEqual(listed, [true, false], "what exists is excepted, what doesn't needs nothing");
});

test("planWall() with Landlock alone refuses an old ABI, and a hidden path in a writable folder", (t) => {
  const { project, home } = makeFolders(t);
  assert.throws(() => planWall(policyFor(project, home, { wall: "landlock", landlockAbi: 2 })), {
    code: "WALL_REFUSED",
    message: /needs Landlock ABI 3 .* has ABI 2/,
  });
  const hidden = join(project, "secret");
  mkdirSync(hidden);
  const policy = policyFor(project, home, { wall: "landlock", denyRead: [hidden] });
  assert.throws(() => planWall(policy), { code: "WALL_REFUSED", message: /can't be hidden by Landlock alone/ });
});

test("planWall() with Landlock alone and --network or --socket refuses no sockets of that kind", (t) => {
  const folders = makeFolders(t);
  const made = plan(folders, { wall: "landlock", network: true });
  assert.deepEqual(
    [made.wall?.refuseInetSockets, made.wall?.landlock?.handledNet, made.wall?.probe?.network],
    [false, 0n, true],
  );
});
