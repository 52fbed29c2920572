/** `sallyport hooks schema`: the files that editors read are the published ones. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Place } from "./sallyport.ts";

const published = new URL("../../protocol/schema/hooks/", import.meta.url);

function contents(folder: string | URL): Record<string, unknown> {
  const names = readdirSync(folder);
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(folder instanceof URL ? new URL(name, folder) : join(folder, name), "utf8"));
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

test("sallyport hooks schema --out writes the published schemas into a folder that it makes, and again into one that is there", () => {
  const place = new Place();
  const folder = join(place.project, "new", "schemas");
  const first = place.call(["hooks", "schema", "--out", "new/schemas"]);
  assert.deepEqual({ status: first.status, stderr: first.stderr }, { status: 0, stderr: "" });
  assert.ok(first.stdout.startsWith(`32 JSON Schemas in ${folder}, from `), first.stdout);
  assert.deepEqual(contents(folder), contents(published));
  writeFileSync(join(folder, "stop.input.json"), "changed");
  const { status, stdout } = place.call(["hooks", "schema", "--out", folder, "--json"]);
  const listed = JSON.parse(stdout) as { folder: string; files: string[] };
  assert.deepEqual({ status, folder: listed.folder }, { status: 0, folder });
  assert.deepEqual(listed.files.sort(), Object.keys(contents(published)).sort());
  assert.deepEqual(contents(folder), contents(published));
});

test("sallyport hooks schema says what is wrong with a folder that can't be one", () => {
  const place = new Place();
  const file = join(place.project, "file");
  writeFileSync(file, "");
  const { status, stdout, stderr } = place.call(["hooks", "schema", "--out", file]);
  assert.deepEqual({ status, stdout }, { status: 125, stdout: "" });
  assert.ok(stderr.startsWith(`sallyport: Folder "${file}" can't be written: `), stderr);
  assert.equal(readFileSync(file, "utf8"), "");
});

test("sallyport hooks schema without --out is a mistake, not a folder somewhere", () => {
  const { status, stdout, stderr } = new Place().call(["hooks", "schema"]);
  assert.deepEqual({ status, stdout }, { status: 125, stdout: "" });
  assert.match(stderr, /--out/);
});
