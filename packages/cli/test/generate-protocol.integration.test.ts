/** `sallyport app-server generate-ts` and `generate-json-schema`: what is written is what is published, and compiles. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { Place } from "./sallyport.ts";

const published = new URL("../../protocol/schema/", import.meta.url);
const tsc = fileURLToPath(new URL("../../../node_modules/.bin/tsc", import.meta.url));

test("generate-ts writes types that compile, and a client's mistakes do not", () => {
  const place = new Place();
  const { status, stdout, stderr } = place.call(["app-server", "generate-ts", "--out", "new/types"]);
  const folder = join(place.project, "new", "types");
  assert.deepEqual(
    { status, stdout, stderr },
    { status: 0, stdout: `TypeScript types in ${folder}: 1 file\n`, stderr: "" },
  );
  const types = readFileSync(join(folder, "app-server.ts"), "utf8");
  assert.equal(types, readFileSync(new URL("app-server.ts", published), "utf8"));
  const good = `import type { ClientRequests, ServerNotifications, ServerRequests, Turn } from "./app-server.ts";
export const params: ClientRequests["turn/start"]["params"] = { threadId: "t", input: [{ type: "text", text: "go" }] };
export const status: Turn["status"] = "completed";
export const run = (params: ServerNotifications["hook/completed"]): string => params.run.status;
export type Approval = ServerRequests["item/commandExecution/requestApproval"]["params"];
`;
  const compile = (text: string): number | null => {
    writeFileSync(join(folder, "client.ts"), text);
    const options = ["--noEmit", "--strict", "--ignoreConfig", "--allowImportingTsExtensions", "client.ts"];
    return spawnSync(tsc, options, { cwd: folder }).status;
  };
  assert.equal(compile(good), 0);
  assert.notEqual(compile(good.replace('"completed"', '"done"')), 0);
  assert.notEqual(compile(good.replace("threadId", "thread")), 0);
});

test("generate-json-schema writes the published schemas", () => {
  const place = new Place();
  const { status, stdout } = place.call(["app-server", "generate-json-schema", "--out", "schemas", "--json"]);
  const { folder, files } = JSON.parse(stdout) as { folder: string; files: string[] };
  assert.deepEqual({ status, folder }, { status: 0, folder: join(place.project, "schemas") });
  const names = readdirSync(new URL("app-server/", published));
  assert.deepEqual(files.toSorted(), names.toSorted());
  const read = (file: string | URL): unknown => JSON.parse(readFileSync(file, "utf8"));
  for (const name of names) assert.deepEqual(read(join(folder, name)), read(new URL(`app-server/${name}`, published)));
});

for (const command of ["generate-ts", "generate-json-schema"]) {
  test(`${command} says what is wrong with a folder that can't be one`, () => {
    const place = new Place();
    const file = join(place.project, "file");
    writeFileSync(file, "");
    for (const folder of [file, "/proc/nothing"]) {
      const { status, stdout, stderr } = place.call(["app-server", command, "--out", folder]);
      assert.deepEqual({ status, stdout }, { status: 125, stdout: "" });
      assert.ok(stderr.startsWith(`sallyport: Folder "${folder}" can't be written: `), stderr);
    }
  });
}
