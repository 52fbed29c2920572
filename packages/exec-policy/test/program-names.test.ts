import assert from "node:assert/strict";
import { test } from "node:test";
import { normalPath, resolveByName } from "../src/program-names.ts";

test("normalPath() takes out dots and slashes, by the text alone", () => {
  for (const [path, expected] of [
    ["/a//b/./c/", "/a/b/c"],
    ["/a/../../b", "/b"],
    ["/", "/"],
    ["/..", "/"],
  ] as const)
    assert.equal(normalPath(path), expected, path);
});

test("resolveByName() gives the name of a path, if no entry says that it lies elsewhere", () => {
  const hosts = new Map([["git", ["/usr/bin/git"]]]);
  const nameOf = (program: string, canonical = false): string | null => {
    const found = resolveByName(program, hosts, { folder: "/w", home: "/home/me", canonical });
    return found === null ? null : `${found.name} ${found.path}`;
  };
  for (const [program, expected] of [
    ["git", null],
    ["/usr//bin/../bin/git", "git /usr/bin/git"],
    ["/opt/git", null],
    ["./git", null],
    ["./tool", "tool /w/tool"],
    ["../tool", "tool /tool"],
    ["~/tool", "tool /home/me/tool"],
    ["/usr/bin/GIT", "GIT /usr/bin/GIT"],
    ["/", null],
    ["x/..", null],
    ["./.", null],
  ] as const)
    assert.equal(nameOf(program), expected, program);
  assert.equal(nameOf("/usr/bin/GIT", true), null, "an entry named git gates GIT too, and lists another path");
});
