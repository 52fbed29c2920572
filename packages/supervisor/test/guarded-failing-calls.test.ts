/** A call that the kernel would refuse is nobody's to decide: the caller gets the same errno as without Sallyport. And what
 *  the broker cannot read does not run unseen. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "../src/index.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { decideByName, isRoot, runGuarded, surroundings } from "./support/guarded-command.ts";

const failing = compileFixture("fail-to-execute");
const starter = compileFixture("start-program");
const folder = join(workFolder, "failing");
mkdirSync(folder);

function write(name: string, text: string, mode = 0o755): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
}

write("no-x-bit", "#!/bin/sh\n", 0o644);
write("garbage", "neither ELF nor script");
write("empty", "");
write("bare", "#!  \n");
write("missing-interpreter", "#!/no/such/interpreter\n");
write("folder-interpreter", "#!/usr\n");
write("no-x-interpreter", `#!${folder}/no-x-bit\n`);
write("carriage-return", "#!/bin/sh\r\n");
for (let i = 1; i <= 7; i++) write(`nested-${i}`, `#!${i === 1 ? "/bin/true" : `${folder}/nested-${i - 1}`}\n`);
symlinkSync("loop", join(folder, "loop"));
symlinkSync("/no/such/target", join(folder, "dangling"));
symlinkSync("/bin/true", join(folder, "link-to-true"));
compileFixture("exit-with", { as: "failing/missing-loader", flags: ["-Wl,--dynamic-linker=/no/such/loader"] });

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    test("each gets the errno that it gets without us, and nobody is asked", async () => {
      const plain = execFileSync(failing, [folder], { encoding: "utf8" });
      const result = await runGuarded({ argv: [failing, folder], around });
      assert.equal(result.stdout, plain);
      assert.equal(plain.split("\n").length > 40, true);
      assert.deepEqual(
        result.execs.map((exec) => textToDisplay(exec.file)),
        [failing],
      );
    });

    test("the same calls with the cause removed are asked about", async () => {
      const script = `cd ${folder}; ./nested-5; ./no-x-bit; chmod 755 no-x-bit; ./no-x-bit; chmod 644 no-x-bit`;
      const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around });
      const files = result.execs.map((exec) => textToDisplay(exec.file));
      assert.deepEqual(files, ["/bin/sh", "./nested-5", "/usr/bin/chmod", "./no-x-bit", "/usr/bin/chmod"]);
    });
  });
}

test("a mount without exec refuses by itself", { skip: isRoot ? false : "needs root to mount" }, async (t) => {
  const mount = join(workFolder, "noexec");
  mkdirSync(mount);
  execFileSync("mount", ["-t", "tmpfs", "-o", "noexec", "none", mount]);
  t.after(() => execFileSync("umount", [mount]));
  const script = `cp /bin/true ${mount}/program && ${mount}/program; echo $?`;
  const files = async (): Promise<string[]> => {
    const result = await runGuarded({ argv: ["/bin/sh", "-c", script] });
    return [result.stdout, ...result.execs.map((exec) => textToDisplay(exec.file))];
  };
  assert.deepEqual(await files(), ["126\n", "/bin/sh", "/usr/bin/cp"]);
  execFileSync("mount", ["-o", "remount,exec", mount]);
  assert.deepEqual(await files(), ["0\n", "/bin/sh", "/usr/bin/cp", `${mount}/program`]);
});

/** What is denied by name; `executed` then prints only when it ran all the same. */
const denyExecuted = decideByName({ executed: "deny" });
compileFixture("start-program", { as: "executed" });

describe("nothing runs undecided", () => {
  test("a path in memory that only the process itself can read is refused", async (t) => {
    const plain = execFileSync("/bin/sh", ["-c", `${starter} secret-memory x ${workFolder}/executed; echo $?`], {
      encoding: "utf8",
    });
    if (!plain.startsWith("ppid")) return t.skip("this kernel has no memfd_secret");
    const result = await runGuarded({
      argv: ["/bin/sh", "-c", `${starter} secret-memory x ${workFolder}/executed; echo $?`],
      decide: denyExecuted,
    });
    assert.equal(result.stdout, `errno 14\n98\n`);
  });

  test("a program whose loader is named relative to the working directory", async () => {
    const loader = execFileSync("sh", ["-c", "ls /lib64/ld-linux-x86-64.so.2"], { encoding: "utf8" }).trim();
    symlinkSync(loader, join(workFolder, "relative-loader"));
    compileFixture("start-program", { as: "loaded-relatively", flags: ["-Wl,--dynamic-linker=relative-loader"] });
    const script = `cd ${workFolder}; ./loaded-relatively; echo $?`;
    const denied = await runGuarded({
      argv: ["/bin/sh", "-c", script],
      decide: decideByName({ "loaded-relatively": "deny" }),
    });
    assert.deepEqual([denied.stdout, denied.stderr], ["1\n", "Execution denied: told so\n"]);
    const run = await runGuarded({ argv: ["/bin/sh", "-c", script] });
    assert.match(run.stdout, /^ppid=\d+ exe=loaded-relatively\n7\n$/);
  });

  test("a #! line as long as the kernel takes it", async () => {
    // The kernel looks at 256 bytes: with the line's end as the last of them the interpreter's path has 253.
    const interpreter = join(workFolder, "i".repeat(253 - workFolder.length - 1));
    symlinkSync("/bin/sh", interpreter);
    for (const [name, end] of Object.entries({ "long-line": "\n", "longer-line": "i\n" })) {
      writeFileSync(join(workFolder, name), `#!${interpreter}${end}echo ran\n`);
      chmodSync(join(workFolder, name), 0o755);
    }
    const script = `${starter} plain x ${workFolder}/long-line; echo $?; ${starter} plain x ${workFolder}/longer-line`;
    const plain = spawnSync("/bin/sh", ["-c", script], { encoding: "utf8" });
    assert.equal(plain.stdout, "ran\n0\nerrno 8\n");
    const run = await runGuarded({ argv: ["/bin/sh", "-c", script] });
    assert.equal(run.stdout, plain.stdout);
    const denied = await runGuarded({ argv: ["/bin/sh", "-c", script], decide: decideByName({ "long-line": "deny" }) });
    assert.equal(denied.stdout, "1\nerrno 8\n");
  });

  test("a path through more symbolic links than are followed by name", async () => {
    // Long targets, each with the next link in it: longer together than any path, yet the kernel follows them.
    const deep = join(workFolder, "deep");
    mkdirSync(deep);
    const padding = "./".repeat(1900);
    symlinkSync(padding, join(deep, "link-0"));
    for (let i = 1; i < 5; i++) symlinkSync(`link-${i - 1}/${padding}`, join(deep, `link-${i}`));
    const script = `cd ${deep}; /proc/self/cwd/link-4/../executed; echo $?`;
    const plain = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" });
    assert.match(plain, /^ppid=\d+ exe=executed\n7\n$/);
    const result = await runGuarded({ argv: ["/bin/sh", "-c", script], decide: denyExecuted });
    assert.doesNotMatch(result.stdout, /ppid=/);
  });

  test("a 32-bit system call kills the caller", async () => {
    const foreign = compileFixture("foreign-call");
    const result = await runGuarded({ argv: ["/bin/sh", "-c", `${foreign}; echo $?`] });
    assert.equal(result.stdout, "159\n"); // 128 + SIGSYS
  });

  test("who guesses the magic call learns nothing", async () => {
    const result = await runGuarded({ argv: [compileFixture("guess-magic-call")] });
    assert.equal(result.stdout, "-1 ENOSYS\n");
  });
});
