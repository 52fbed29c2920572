import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Place } from "./sallyport.ts";

test("--version is the package's", () => {
  const place = new Place();
  const expected = { status: 0, stdout: "0.1.0\n", stderr: "" };
  assert.deepEqual(
    [["--version"], ["run", "--version"], ["doctor", "--version"]].map((words) => place.call(words)),
    [expected, expected, expected],
  );
});

for (const words of [
  ["--help"],
  ["run", "--help"],
  ["doctor", "--help"],
  ["demo", "--help"],
  ["rules", "--help"],
  ["rules", "check", "--help"],
  ["rules", "list", "--help"],
  ["rules", "explain", "--help"],
  ["rules", "test", "--help"],
]) {
  test(`${words.join(" ")} has an example`, () => {
    const { status, stdout, stderr } = new Place().call(words);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /Examples:\n {2}\$ sallyport /);
  });
}

test("without a command the help goes to stderr", () => {
  const { status, stdout, stderr } = new Place().call([]);
  assert.deepEqual([status, stdout], [125, ""]);
  assert.match(stderr, /^Usage: sallyport /);
});

for (const words of [
  ["bogus"],
  ["doctor", "--bogus"],
  ["demo", "extra", "words"],
  ["rules", "bogus"],
  ["rules", "explain"],
]) {
  test(`"${words.join(" ")}" is one line and exit status 125`, () => {
    const { status, stderr } = new Place().call(words);
    assert.equal(status, 125);
    assert.match(stderr, /^sallyport: .*; see sallyport .*--help\n$/);
  });
}

test("doctor's exit status says whether run works, in both forms", () => {
  const place = new Place();
  const json = place.call(["doctor", "--json"]);
  const report = JSON.parse(json.stdout) as { works: boolean; findings: { name: string; state: string }[] };
  assert.equal(json.status, report.works ? 0 : 1);
  const names = report.findings.map(({ name }) => name);
  const plain = place.call(["doctor"]);
  assert.equal(plain.status, json.status);
  assert.ok(names.length >= 10);
  assert.ok(names.every((name) => plain.stdout.includes(name)));
  assert.equal(place.run("--", "true").status === 0, report.works);
});

test("doctor names what is wrong with the home, and exits with 1", () => {
  const place = new Place();
  const { status, stdout } = place.call(["doctor"], { env: { ...place.env, SALLYPORT_HOME: "relative" } });
  assert.equal(status, 1);
  assert.match(stdout, /no +home +Home "relative" is refused/);
});

test("demo shows what it promises and leaves nothing behind", () => {
  const place = new Place();
  const home = join(place.base, "user");
  mkdirSync(home);
  const { status, stdout } = place.call(["demo", "--json"], { env: { ...place.env, HOME: home } });
  const { checks } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as {
    checks: { text: string; holds: boolean }[];
  };
  assert.deepEqual(
    checks.filter(({ holds }) => !holds),
    [],
  );
  assert.equal(checks.length, 9);
  assert.deepEqual([status, readdirSync(home)], [0, []]);
});
