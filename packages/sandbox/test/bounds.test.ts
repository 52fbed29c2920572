/** What a sandbox for one program has, and what it takes from the command's own wall. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { survey } from "../src/survey.ts";
import { makeFolders, policyFor } from "./test-wall.ts";

const nothing = { roots: [], names: { guards: [], missing: [], notes: [] } };

test("bounds: writable is what is named, the working folder is not", (t) => {
  const { base, project, home } = makeFolders(t);
  const out = join(base, "out");
  mkdirSync(out);
  const bounds = { read: [], known: nothing };
  const found = survey(policyFor(project, home, { writable: [out], bounds }), {});
  assert.deepEqual([found.roots, found.ownMemory], [[out], true]);
  const command = survey(policyFor(project, home, { writable: [out] }), {});
  assert.deepEqual([command.roots, command.ownMemory], [[project, out], false]);
});

test("bounds: `read` lifts a hidden path by itself, by a folder around it, and in part; never the home", (t) => {
  const { base, project, home } = makeFolders(t);
  const keys = join(base, "keys");
  mkdirSync(keys);
  writeFileSync(join(keys, "public"), "");
  const look = (...read: string[]): unknown => {
    const bounds = { read, known: nothing };
    const { denyRead, lifted } = survey(policyFor("/", home, { denyRead: [keys], bounds }), { HOME: "/nonexistent" });
    return [denyRead.filter((path) => path === keys || path === home), lifted];
  };
  assert.deepEqual(look(), [[keys, home], []]);
  assert.deepEqual(look(keys), [[home], []]);
  assert.deepEqual(look(base), [[home], []]);
  assert.deepEqual(look(join(keys, "public"), join(keys, "missing"), project), [[keys, home], [join(keys, "public")]]);
  assert.throws(() => look(join(home, "x")), { code: "WALL_REFUSED" });
});

test("the attack: a name that code inside has made since is not mounted over, only what the command's wall protects", (t) => {
  const { project, home } = makeFolders(t);
  makeGitFolder(join(project, ".git"));
  const known = { roots: [project], names: survey(policyFor(project, home), {}).protectedNames };
  makeGitFolder(join(project, ".git", "modules", "new"));
  const guarded = (names: typeof known | typeof nothing): string[] =>
    survey(policyFor("/", home, { writable: [project], bounds: { read: [], known: names } }), {})
      .protectedNames.guards.map(({ path }) => path)
      .filter((path) => path.endsWith("/hooks"));
  assert.deepEqual(guarded(known), [join(project, ".git", "hooks")]);
  // The control: a folder that nobody inside can write is looked at anew.
  assert.equal(guarded(nothing).length, 2);
});

function makeGitFolder(folder: string): void {
  for (const name of ["hooks", "objects", "refs"]) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ["HEAD", "config", "hooks/one"]) writeFileSync(join(folder, name), "ref: refs/heads/main\n");
}
