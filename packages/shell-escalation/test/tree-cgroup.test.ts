import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { makeTreeCgroups, surveyCgroups } from "../src/tree-cgroup.ts";
import { missing } from "./missing.ts";

const survey = surveyCgroups();
const noKill = "missing" in survey.kill && `no writable cgroup: ${survey.kill.missing}`;
const noPids = "missing" in survey.pids && `no pids cgroup: ${survey.pids.missing}`;

test("kill() ends what is in the group, and remove() takes the group away", { skip: missing(noKill) }, async () => {
  const groups = makeTreeCgroups(null);
  assert.ok(groups.cgroup !== null);
  const child = spawn("sleep", ["1000"]);
  const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  writeFileSync(join(groups.cgroup, "cgroup.procs"), String(child.pid));
  assert.equal(await groups.kill(), true);
  assert.equal(await ended, "SIGKILL");
  groups.remove();
  assert.equal(existsSync(groups.cgroup), false);
});

test("maxProcesses is written to a group of the pids controller", { skip: missing(noPids) }, async () => {
  const groups = makeTreeCgroups(5);
  const folder = groups.pidsCgroup ?? groups.cgroup;
  assert.ok(folder !== null);
  assert.equal(readFileSync(join(folder, "pids.max"), "utf8"), "7\n");
  const child = spawn("sleep", ["1000"]);
  const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  writeFileSync(join(folder, "cgroup.procs"), String(child.pid));
  await groups.kill();
  assert.equal(await ended, "SIGKILL");
  groups.remove();
  assert.equal(existsSync(folder), false);
});

test("without a group kill() does not claim that anything ended", async () => {
  const groups = makeTreeCgroups(null);
  groups.remove();
  assert.equal(await groups.kill(), groups.cgroup !== null);
});

test("the next run removes what a dead run left, and nothing of a living one", { skip: missing(noKill) }, () => {
  const living = makeTreeCgroups(null);
  assert.ok(living.cgroup !== null);
  const [, namespace] = /sallyport-(\d+)-/.exec(living.cgroup) ?? [];
  const parent = dirname(living.cgroup);
  // This process's own number with a start time that is not its own: a number that was used again.
  const dead = join(parent, `sallyport-${namespace}-${process.pid}-1-1`);
  const foreign = join(parent, `sallyport-1-${process.pid}-1-1`);
  for (const folder of [dead, foreign]) mkdirSync(folder);
  const next = makeTreeCgroups(null);
  assert.deepEqual([existsSync(dead), existsSync(foreign), existsSync(living.cgroup)], [false, true, true]);
  for (const folder of [foreign, living.cgroup, next.cgroup]) rmdir(folder);
});

function rmdir(folder: string | null): void {
  if (folder !== null) rmdirSync(folder);
}
