import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { refuseHiddenFolders, writableRoots } from "../src/refusals.ts";
import type { SandboxPolicy } from "../src/index.ts";
import { makeFolders, policyFor, type Folders } from "./test-wall.ts";

interface Case {
  root: (folders: Folders) => string;
  changes?: (folders: Folders) => Partial<SandboxPolicy>;
  message: RegExp;
}

const refused: Record<string, Case> = {
  "the whole file system": {
    root: () => "/",
    message: /^Writable folder "\/" is the whole file system, expected a project folder; /,
  },
  "the home folder": {
    root: ({ base }) => join(base, "user"),
    message: / is the home folder, expected a folder below it; /,
  },
  "a folder that holds the home folder": { root: ({ base }) => base, message: / holds the home folder / },
  "the home folder behind a symlink": {
    root: ({ base }) => join(base, "link-to-user"),
    message: /^Writable folder ".*link-to-user" \(".*user"\) is the home folder/,
  },
  "kernel settings": { root: () => "/proc/sys", message: / lies in \/proc, / },
  devices: { root: () => "/dev", message: / lies in \/dev, / },
  "a folder that is missing": {
    root: ({ base }) => join(base, "missing"),
    message: / can't be opened, expected an existing folder; /,
  },
  "a file": { root: ({ base }) => join(base, "file"), message: / is not a folder, / },
  "a folder with Sallyport's home in it": {
    root: ({ project }) => project,
    changes: ({ project }) => ({ home: join(project, "home") }),
    message: / holds Sallyport's home /,
  },
  "a folder in Sallyport's home": { root: ({ home }) => join(home, "work"), message: / lies inside Sallyport's home / },
  "a folder with the journal in it": {
    root: ({ project }) => project,
    changes: ({ project }) => ({ journal: join(project, "new/journal.jsonl") }),
    message: / holds the journal /,
  },
  "a folder with rules in it": {
    root: ({ project }) => project,
    changes: ({ project }) => ({ rulesFiles: [join(project, "my.rules")] }),
    message: / holds the rules file /,
  },
  "Sallyport's own program": {
    root: ({ project }) => project,
    changes: ({ project }) => ({ programFolders: [join(project, "..")] }),
    message: / lies inside Sallyport's own program /,
  },
};

function prepare(t: TestContext): Folders {
  const folders = makeFolders(t);
  for (const name of ["user", "home/work"]) mkdirSync(join(folders.base, name));
  writeFileSync(join(folders.base, "file"), "");
  symlinkSync(join(folders.base, "user"), join(folders.base, "link-to-user"));
  return folders;
}

for (const [what, { root, changes, message }] of Object.entries(refused)) {
  test(`writableRoots() refuses ${what}`, (t) => {
    const folders = prepare(t);
    const policy = policyFor(root(folders), folders.home, changes?.(folders));
    assert.throws(() => writableRoots(policy, [join(folders.base, "user")]), { code: "WALL_REFUSED", message });
    const asFurther = policyFor(join(folders.base, "user/project"), folders.home, {
      ...changes?.(folders),
      writable: [root(folders)],
    });
    mkdirSync(asFurther.cwd);
    assert.throws(() => writableRoots(asFurther, [join(folders.base, "user")]), { code: "WALL_REFUSED", message });
  });
}

test("writableRoots() resolves, keeps the order and drops repetitions", (t) => {
  const folders = prepare(t);
  const project = join(folders.base, "user/project");
  mkdirSync(project);
  symlinkSync(project, join(folders.base, "link"));
  const policy = policyFor(join(folders.base, "link"), folders.home, {
    writable: [folders.project, project, "/dev/shm/../shm/../../" + folders.project],
  });
  assert.deepEqual(writableRoots(policy, [join(folders.base, "user")]), [project, folders.project]);
});

test("writableRoots() is empty in read-only mode, which no writable folder may contradict", (t) => {
  const folders = prepare(t);
  assert.deepEqual(writableRoots(policyFor("/", folders.home, { mode: "read-only" }), []), []);
  const policy = policyFor("/", folders.home, { mode: "read-only", writable: [folders.project] });
  assert.throws(() => writableRoots(policy, []), {
    code: "WALL_REFUSED",
    message: / contradicts the read-only sandbox, /,
  });
});

test("refuseHiddenFolders() refuses a folder in a hidden path, but not one that holds a hidden path", () => {
  assert.throws(() => refuseHiddenFolders(["/w", "/secrets/work"], ["/secrets"]), {
    code: "WALL_REFUSED",
    message: /"\/secrets\/work" lies in "\/secrets"/,
  });
  assert.equal(refuseHiddenFolders(["/w", "/secrets-not"], ["/w/secret", "/secrets"]), undefined);
});
