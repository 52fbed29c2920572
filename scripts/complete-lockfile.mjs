// Run after `npm install` has changed package-lock.json. A registry mirror need not carry the binaries of every platform,
// and npm then leaves those it can't find out of the lockfile, after which `npm ci` refuses it, on every platform. This
// writes them back: name, version and platform, without a hash, which npm fills in where it installs them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./ensure-build.mjs";

const PATH = join(ROOT, "package-lock.json");
const lock = JSON.parse(readFileSync(PATH, "utf8"));
const added = [];

for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    // A range says nothing about which version to take, so only exact ones can be written back.
    if (lock.packages[key] !== undefined || !/^\d/.test(version)) continue;
    const { cpu, libc, os } = platformOf(name);
    // The order in which npm itself writes the keys, so that its next run changes nothing.
    lock.packages[key] = { version, cpu, dev: entry.dev, libc, optional: true, os };
    added.push(name);
  }
}

lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(PATH, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`package-lock.json: wrote back ${added.length} optional packages`);

/** @param {string} name such as `@oxlint/binding-linux-x64-musl` */
function platformOf(name) {
  const words = name.replace(/^.*\//, "").split("-");
  const os = ["aix", "android", "darwin", "freebsd", "linux", "openharmony", "win32"].find((word) =>
    words.includes(word),
  );
  const cpu = ["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"].find((word) =>
    words.includes(word),
  );
  const last = words.at(-1) ?? "";
  const libc =
    os !== "linux" ? undefined : last.startsWith("musl") ? "musl" : last.startsWith("gnu") ? "glibc" : undefined;
  return { cpu: cpu && [cpu], libc: libc && [libc], os: os && [os] };
}
