import assert from "node:assert/strict";
import { test } from "node:test";
import { mountArguments, outsideName, planMounts } from "../src/mounts.ts";
import type { Survey } from "../src/survey.ts";

const empty: Survey = {
  asRoot: false,
  userHomes: ["/home/u"],
  cwd: "/home/u/p",
  roots: ["/home/u/p"],
  privateFolders: ["/tmp", "/var/tmp"],
  runFolders: ["/run"],
  hasSharedMemory: true,
  home: "/home/u/.sallyport",
  denied: [],
  denyRead: [],
  lifted: [],
  ownMemory: false,
  shown: [],
  sockets: [],
  grantedSockets: [],
  keptFolders: ["/home/u", "/home/u/p", "/usr/bin"],
  protectedNames: { guards: [], missing: [], notes: [] },
  procFolders: ["/proc/sys"],
  scratchParent: "/tmp",
};

function targets(changes: Partial<Survey>): string[] {
  return planMounts({ ...empty, ...changes }, [], "/tmp/sallyport-1").mounts.map((mount) => {
    const how = mount.kind === "bind" ? (mount.writable ? "rw" : "ro") : mount.kind;
    return `${how} ${mount.at}`;
  });
}

const always = ["empty /run", "rw /tmp", "memory /dev/shm"];

test("planMounts() mounts outer folders before what lies in them", () => {
  assert.deepEqual(targets({}), [
    ...always,
    "rw /tmp/sallyport-1",
    "rw /var/tmp",
    "empty /home/u/.sallyport",
    "rw /home/u/p",
    "ro /tmp/sallyport-1/canary",
  ]);
});

test("planMounts() guards the system's part of /proc for root only", () => {
  assert.equal(targets({ asRoot: true }).includes("ro /proc/sys"), true);
  assert.equal(targets({}).includes("ro /proc/sys"), false);
});

test("planMounts() pins every folder between a writable root and a protected name in it", () => {
  const guards = [{ path: "/home/u/p/a/b/.git", how: "read-only" as const }];
  const made = targets({ protectedNames: { guards, missing: [], notes: [] } });
  assert.deepEqual(made.slice(-3), ["rw /home/u/p/a", "rw /home/u/p/a/b", "ro /home/u/p/a/b/.git"]);
});

test("planMounts() pins the folders that lead to a denied path, where they could be renamed", () => {
  const denied = ["/home/u/p/a/b/key", "/home/u/other/a/key"].map((path) => ({ path, kind: "file" as const }));
  const made = targets({ denied }).filter((target) => !targets({}).includes(target));
  assert.deepEqual(made, [
    "rw /home/u/p/a",
    "nothing /home/u/other/a/key",
    "rw /home/u/p/a/b",
    "nothing /home/u/p/a/b/key",
  ]);
});

test("planMounts() makes the folders that lead to a project in /tmp, in the scratch folder", () => {
  const plan = planMounts({ ...empty, cwd: "/tmp/a/p", roots: ["/tmp/a/p"] }, [], "/tmp/sallyport-1");
  assert.deepEqual(plan.scratchFolders, [
    "/tmp/sallyport-1/shm",
    "/tmp/sallyport-1/tmp",
    "/tmp/sallyport-1/var-tmp",
    "/tmp/sallyport-1/tmp/a",
    "/tmp/sallyport-1/tmp/sallyport-1",
  ]);
  assert.equal(outsideName("/tmp/a/p/x", plan.mounts, "/tmp/sallyport-1"), "/tmp/a/p/x");
  assert.equal(outsideName("/tmp/a/x", plan.mounts, "/tmp/sallyport-1"), "/tmp/sallyport-1/tmp/a/x");
  assert.equal(outsideName("/tmp", plan.mounts, "/tmp/sallyport-1"), "/tmp/sallyport-1/tmp");
  assert.equal(outsideName("/var/tmp/x", plan.mounts, "/tmp/sallyport-1"), "/tmp/sallyport-1/var-tmp/x");
  assert.equal(outsideName("/dev/shm/x", plan.mounts, "/tmp/sallyport-1"), "/tmp/sallyport-1/shm/x");
  assert.equal(outsideName("/usr/bin/make", plan.mounts, "/tmp/sallyport-1"), "/usr/bin/make");
  assert.equal(outsideName("/tmpfile", plan.mounts, "/tmp/sallyport-1"), "/tmpfile");
});

test("planMounts() masks the folder of a socket, or the socket alone where the folder holds more", () => {
  const sockets = [
    "/srv/app/run/s",
    "/var/lib/s",
    "/home/u/.config/s",
    "/home/u/.config/app/s",
    "/home/u/s",
    "/usr/bin/s",
    "/run/s",
    "/tmp/x/s",
  ];
  const made = targets({ sockets }).filter((target) => !targets({}).includes(target));
  assert.deepEqual(made.toSorted(), [
    "empty /home/u/.config/app",
    "empty /srv/app/run",
    "nothing /home/u/.config/s",
    "nothing /home/u/s",
    "nothing /usr/bin/s",
    "nothing /var/lib/s",
  ]);
});

test("planMounts() masks a denied path and a socket also where a folder is shown under another name", () => {
  const made = targets({
    shown: [{ at: "/tmp/link", source: "/tmp/real" }],
    denied: [
      { path: "/tmp/real/key", kind: "file" },
      { path: "/tmp/hidden", kind: "folder" },
    ],
    sockets: ["/tmp/real/agent/deep/s"],
  });
  assert.deepEqual(made.filter((target) => /\/tmp\/(link|real|hidden)/.test(target)).toSorted(), [
    "empty /tmp/link/agent/deep",
    "empty /tmp/real/agent/deep",
    "nothing /tmp/link/key",
    "nothing /tmp/real/key",
    "ro /tmp/link",
    "ro /tmp/real",
  ]);
});

test("planMounts() never brings back a private folder, nor what lies in a denied one", () => {
  const shown = ["/tmp", "/run", "/home/u/.sallyport", "/home/u/.aws/bin"].map((path) => ({ at: path, source: path }));
  const made = targets({ shown, denied: [{ path: "/home/u/.aws", kind: "folder" }] });
  assert.deepEqual(
    made.filter((target) => !targets({}).includes(target)),
    ["empty /home/u/.aws"],
  );
});

test("planMounts() writes nothing in read-only mode", () => {
  assert.deepEqual(targets({ roots: [], cwd: "/tmp/p" }), [
    "empty /run",
    "empty /tmp",
    "ro /tmp/p",
    "empty /var/tmp",
    "empty /home/u/.sallyport",
    "ro /tmp/sallyport-1/canary",
  ]);
});

test("mountArguments() closes memory file systems to writing after all mount points in them are made", () => {
  const args = mountArguments([
    { kind: "empty", at: "/run", closed: false },
    { kind: "memory", at: "/dev/shm" },
    { kind: "nothing", at: "/run/s" },
    { kind: "empty", at: "/home/u/.ssh", closed: true },
    { kind: "bind", at: "/tmp", source: "/tmp/s/tmp", writable: true },
  ]);
  assert.deepEqual(
    args.join(" "),
    [
      "--ro-bind / / --dev /dev --proc /proc",
      "--perms 0755 --tmpfs /run",
      "--perms 1777 --size 1073741824 --tmpfs /dev/shm",
      "--ro-bind /dev/null /run/s",
      "--perms 0000 --tmpfs /home/u/.ssh",
      "--bind /tmp/s/tmp /tmp",
      "--remount-ro /dev --remount-ro /run --remount-ro /home/u/.ssh",
    ].join(" "),
  );
});

test("planMounts() gives a bounded sandbox memory of its own in place of the run's private folders", () => {
  const made = targets({ roots: ["/srv/out"], ownMemory: true });
  assert.deepEqual(made, [
    "empty /run",
    "memory /tmp",
    "memory /dev/shm",
    "rw /srv/out",
    "memory /var/tmp",
    "empty /home/u/.sallyport",
    "ro /tmp/sallyport-1/canary",
  ]);
  assert.equal(targets({ roots: [], ownMemory: true }).includes("memory /tmp"), true);
  assert.equal(targets({ roots: [] }).includes("memory /tmp"), false);
});

test("planMounts() brings back what is lifted in a hidden folder, which then can be entered", () => {
  const denied = [{ path: "/home/u/.ssh", kind: "folder" as const }];
  const mountsWith = (lifted: string[]): unknown[] =>
    planMounts({ ...empty, denied, lifted }, [], "/tmp/sallyport-1").mounts.filter(({ at }) =>
      at.startsWith("/home/u/.ssh"),
    );
  assert.deepEqual(mountsWith([]), [{ kind: "empty", at: "/home/u/.ssh", closed: true }]);
  assert.deepEqual(mountsWith(["/home/u/.ssh/known_hosts"]), [
    { kind: "empty", at: "/home/u/.ssh", closed: false },
    { kind: "bind", at: "/home/u/.ssh/known_hosts", source: "/home/u/.ssh/known_hosts", writable: false },
  ]);
});
