/** The fetching of sources with the real apt-get, from repositories in a folder. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildJob } from "../../src/shell-build/build-job.ts";
import { fetchDebianSource } from "../../src/shell-build/debian-source.ts";
import { missing } from "../missing.ts";
import { makeFolder } from "./fake-source.ts";

const skip = missing(!existsSync("/usr/bin/apt-get") && "apt-get is not here");
const deadlineMs = 60_000;

function makeJob(): BuildJob {
  const job = new BuildJob(join(makeFolder(), "job"), {
    signal: AbortSignal.timeout(deadlineMs),
    onStep: () => undefined,
  });
  after(() => job.close());
  return job;
}

/** A repository without signature that has the sources of a Bash 5.9. */
function makeRepository(): string {
  const folder = join(makeFolder(), "repository");
  mkdirSync(folder);
  const tarball = "bash_5.9.orig.tar.gz";
  writeFileSync(join(folder, tarball), "not really a tarball\n");
  const sums = (name: string): string => {
    const bytes = readFileSync(join(folder, name));
    return ` ${createHash("sha256").update(bytes).digest("hex")} ${bytes.length} ${name}`;
  };
  const head =
    "Version: 5.9-1\nFormat: 1.0\nMaintainer: Nobody <nobody@example.com>\nArchitecture: any\nBinary: bash\n";
  const description = `Source: bash\n${head}Checksums-Sha256:\n${sums(tarball)}\n`;
  writeFileSync(join(folder, "bash_5.9-1.dsc"), description);
  const sums2 = `${sums(tarball)}\n${sums("bash_5.9-1.dsc")}\n`;
  writeFileSync(join(folder, "Sources"), `Package: bash\n${head}Directory: .\nChecksums-Sha256:\n${sums2}\n`);
  return folder;
}

/** What takes the place of /etc/apt. */
function makeAptFolder(files: Record<string, string>): string {
  const folder = makeFolder();
  mkdirSync(join(folder, "sources.list.d"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** apt would pass over sources other than those that the installed Bash came from, so it must know none. */
function withoutPolicy(): void {
  const bin = makeFolder();
  writeFileSync(join(bin, "apt-cache"), "#!/bin/sh\n", { mode: 0o755 });
  const { PATH } = process.env;
  process.env["PATH"] = `${bin}:${PATH ?? ""}`;
  after(() => {
    process.env["PATH"] = PATH;
  });
}

withoutPolicy();

test("fetchDebianSource() takes the sources of both kinds of list", { skip }, async () => {
  const repository = makeRepository();
  const lists: Record<string, string>[] = [
    { "sources.list": `# a comment\ndeb [trusted=yes] file:${repository} ./\n` },
    { "sources.list.d/a.sources": `Types: deb\nURIs: file:${repository}\nSuites: ./\nTrusted: yes\n` },
    {
      "sources.list.d/a.list": `deb [ trusted=yes ] file:${repository} ./\n`,
      "sources.list.d/off.list.disabled": "nonsense",
    },
  ];
  for (const files of lists) {
    const job = makeJob();
    const { version, additions, tarball } = await fetchDebianSource(job, makeAptFolder(files));
    assert.deepEqual([version, additions, readFileSync(tarball, "utf8")], ["5.9-1", null, "not really a tarball\n"]);
  }
});

test("fetchDebianSource() refuses a repository that nobody has signed", { skip }, async () => {
  // The same as above, but that nothing vouches for it: an attacker on the way could have put it there.
  const aptFolder = makeAptFolder({ "sources.list": `deb file:${makeRepository()} ./\n` });
  await assert.rejects(fetchDebianSource(makeJob(), aptFolder), { code: "SHELL_BUILD_FAILED" });
});

test("fetchDebianSource() refuses files that are not those of the list", { skip }, async () => {
  const repository = makeRepository();
  writeFileSync(join(repository, "bash_5.9.orig.tar.gz"), "surely not a tarball!\n");
  const aptFolder = makeAptFolder({ "sources.list": `deb [trusted=yes] file:${repository} ./\n` });
  await assert.rejects(fetchDebianSource(makeJob(), aptFolder), { code: "SHELL_BUILD_FAILED" });
});

test("fetchDebianSource() says so where there are no lists", { skip }, async () => {
  await assert.rejects(fetchDebianSource(makeJob(), makeAptFolder({})), {
    message: /names no package source; give the sources with --source$/,
  });
});

test(
  "the patch for 5.3 applies to the pristine execute_cmd.c that it names, and to no other blob",
  { skip },
  async (context) => {
    const job = makeJob();
    const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if (!existsSync(keys)) return context.skip(`"${keys}" is not here`);
    const list = `deb [signed-by=${keys}] http://deb.debian.org/debian sid main\n`;
    const { tarball, version } = await fetchDebianSource(job, makeAptFolder({ "sources.list": list }));
    if (!version.startsWith("5.3")) return context.skip(`Debian sid has Bash ${version}, not 5.3`);
    const folder = makeFolder();
    const unpacked = spawnSync("tar", ["-xf", tarball, "-C", folder, "--strip-components=1", "bash-5.3/execute_cmd.c"]);
    assert.equal(unpacked.status, 0);
    const git = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync("git", args, { cwd: folder, encoding: "utf8" });
      return status === 0 ? stdout.trim() : stderr;
    };
    const blob = "070f5119317c52c5031909a88c5d04b6b14729a8";
    assert.equal(git("hash-object", "execute_cmd.c"), blob);
    const patch = join(import.meta.dirname, "../../patches/bash-exec-wrapper.patch");
    assert.match(readFileSync(patch, "utf8"), new RegExp(`^index ${blob}\\.\\.`, "m"));
    assert.equal(git("apply", "--check", patch), "");
    assert.match(git("apply", "--check", patch.replace(".patch", "-5.2.patch")), /patch does not apply/);
  },
);
