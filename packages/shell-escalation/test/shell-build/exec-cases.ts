/** Ways to start a program that must end with the same output, messages and exit status whether or not a wrapper is asked. */
import { chmodSync, copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface ExecCase {
  name: string;
  script: string;
}

/** What `EXEC_CASES` start. `folder` is empty before. */
export function makeExecFixtures(folder: string): void {
  const file = (name: string, content: string | Buffer, mode = 0o755): void => {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
  };
  file("script", 'echo "$0 $# $*"; exit 3\n');
  file("says-exec", "exec /bin/echo from script\n");
  file("empty", "");
  file("newline", "\n");
  file("garbage", Buffer.from([0, 1, 2, 3, 255, 254]));
  file("late-nul", Buffer.from("echo one\necho \0two\n"));
  file("no-x", "echo no\n", 0o644);
  file("only-x", "#!/bin/sh\necho unreadable\n", 0o111);
  file("hash-bang", "#!/bin/sh\necho interpreted $1\n");
  file("hash-bang-blanks", "#! \t /bin/sh \t \necho blanks\n");
  file("hash-bang-argument", "#!/bin/sh -e\nfalse; echo not reached\n");
  file("hash-bang-only", "#!/bin/sh");
  file("bare", "#!");
  file("bare-blanks", "#!   \necho bare\n");
  file("bare-nul", Buffer.from("#!\0\necho bare\n"));
  file("no-interpreter", "#!/nosuch/interpreter\n");
  file("crlf", "#!/bin/sh\r\necho crlf\r\n");
  file("folder-interpreter", "#!/etc\n");
  file("device-interpreter", "#!/dev/null\n");
  file("no-x-interpreter", `#!${join(folder, "no-x")}\necho fell through\n`);
  file("text-interpreter", `#!${join(folder, "script")}\necho fell through to the shell\n`);
  file("garbage-interpreter", `#!${join(folder, "garbage")}\necho fell through\n`);
  file("relative-interpreter", "#!./hash-bang-only\n");
  file("long-interpreter", `#!/${"x".repeat(300)}\necho too long\n`);
  file("edge-interpreter", `#!/bin/${"./".repeat(123)}sh\necho at the edge\n`);
  file("past-edge-interpreter", `#!/bin/${"./".repeat(124)}sh\necho past the edge\n`);
  file("blanks-only", `#!${" ".repeat(400)}`);
  file("chain-0", "#!/bin/sh\necho chain\n");
  for (let depth = 1; depth <= 7; depth += 1) {
    file(`chain-${depth}`, `#!${join(folder, `chain-${depth - 1}`)}\n`);
  }
  file("loop", `#!${join(folder, "loop")}\n`);
  mkdirSync(join(folder, "folder"));
  mkdirSync(join(folder, "closed"), { mode: 0o755 });
  copyFileSync("/bin/true", join(folder, "closed", "true"));
  symlinkSync("nosuch", join(folder, "dangling"));
  symlinkSync("circle", join(folder, "circle"));
  symlinkSync("/bin/echo", join(folder, "linked-echo"));
  linkSync(join(folder, "hash-bang"), join(folder, "hard-link"));
  makeBinaries(folder, file);
  chmodSync(join(folder, "closed"), 0);
}

/** Binaries that the kernel refuses, each for another reason. The offsets are those of 64-bit ELF. */
function makeBinaries(folder: string, file: (name: string, content: Buffer) => void): void {
  const whole = readFileSync("/bin/true");
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(whole);
    change(bytes);
    return bytes;
  };
  const loader = whole.indexOf("/lib", 0, "latin1");
  file("elf-mark", whole.subarray(0, 4));
  file("elf-header", whole.subarray(0, 64));
  file("elf-short", whole.subarray(0, 100));
  file(
    "elf-of-spark",
    changed((bytes) => bytes.writeUInt16LE(2, 18)),
  );
  file(
    "elf-object",
    changed((bytes) => bytes.writeUInt16LE(1, 16)),
  );
  file(
    "elf-no-segments",
    changed((bytes) => bytes.writeUInt16LE(0, 56)),
  );
  file(
    "elf-odd-segments",
    changed((bytes) => bytes.writeUInt16LE(55, 54)),
  );
  file(
    "elf-no-loader",
    changed((bytes) => bytes.write("/nos", loader, "latin1")),
  );
  file(
    "elf-folder-loader",
    changed((bytes) => bytes.write("/etc\0", loader, "latin1")),
  );
  file(
    "elf-open-loader",
    changed((bytes) => bytes.fill("x", loader, loader + 64, "latin1")),
  );
  file("elf-whole", whole);
  symlinkSync("elf-no-loader", join(folder, "linked-no-loader"));
}

const byPath = [
  "script one two",
  "says-exec",
  "empty",
  "newline",
  "garbage",
  "late-nul",
  "no-x",
  "only-x",
  "hash-bang one",
  "hash-bang-blanks",
  "hash-bang-argument",
  "hash-bang-only",
  "bare",
  "bare-blanks",
  "bare-nul",
  "no-interpreter",
  "crlf",
  "folder-interpreter",
  "device-interpreter",
  "no-x-interpreter",
  "text-interpreter",
  "garbage-interpreter",
  "relative-interpreter",
  "long-interpreter",
  "edge-interpreter",
  "past-edge-interpreter",
  "blanks-only",
  "chain-1",
  "chain-4",
  "chain-5",
  "chain-6",
  "chain-7",
  "loop",
  "folder",
  "folder/",
  "closed/true",
  "closed",
  "dangling",
  "circle",
  "linked-echo one",
  "linked-echo/",
  "hard-link",
  "elf-mark",
  "elf-header",
  "elf-short",
  "elf-of-spark",
  "elf-object",
  "elf-no-segments",
  "elf-odd-segments",
  "elf-no-loader",
  "elf-folder-loader",
  "elf-open-loader",
  "elf-whole",
  "linked-no-loader",
  "nosuch",
  "nosuch/deeper",
  "script/deeper",
  "n".repeat(300),
];

export const execCases: readonly ExecCase[] = [
  ...byPath.map((words) => ({ name: `./${words.slice(0, 40)}`, script: `./${words}; echo "status $?"` })),
  ...byPath.map((words) => ({
    name: `exec ./${words.slice(0, 40)}`,
    script: `(exec ./${words}; echo "goes on $?"); echo "status $?"`,
  })),
  ...["nosuch", "no-x", "folder", "garbage", "no-interpreter", "elf-no-loader"].map((name) => ({
    name: `exec ./${name} under execfail`,
    script: `shopt -s execfail; exec ./${name}; echo "goes on $?"`,
  })),
  { name: "a name that no folder of PATH has", script: 'nosuch-command; echo "status $?"' },
  { name: "exec of such a name", script: '(exec nosuch-command); echo "status $?"' },
  { name: "an empty name", script: '""; echo "status $?"' },
  { name: "a device", script: '/dev/null; echo "status $?"' },
  { name: "PATH with a folder that has it without x", script: 'PATH=.:/bin; no-x; echo "status $?"' },
  { name: "PATH with a relative folder", script: 'PATH=.:/bin; hash-bang one; echo "status $?"' },
  { name: "a hashed name whose file is gone", script: 'hash -p /nosuch/cat cat; cat </dev/null; echo "status $?"' },
  { name: "command", script: 'command ./no-x; echo "status $?"; command -p echo found' },
  { name: "env -i", script: "env -i /bin/echo child" },
  { name: "exec -a", script: `(exec -a other /bin/sh -c 'echo "$0"')` },
  { name: "exec -l", script: `(exec -l /bin/sh -c 'echo "$0"')` },
  { name: "arguments of every kind", script: `/usr/bin/printf '<%s>' '' ' ' $'a\\nb' $'\\xff\\xfe' '*' "'" '"'` },
  {
    name: "more arguments than fit",
    script: `/bin/echo "$(printf %200000s)" | wc -c; echo "status \${PIPESTATUS[0]}"`,
  },
  { name: "a script without #! that starts others", script: "./says-exec; ./script | cat" },
  {
    name: "a pipeline of failures",
    script: './nosuch 2>&1 | (cat; ./no-x 2>&1) | (cat; ./folder); echo "${PIPESTATUS[@]}"',
  },
  { name: "in the background", script: './no-x & wait $!; echo "status $?"' },
  { name: "command substitution", script: 'echo "[$(./script)] $?"; x=$(./nosuch); echo "status $?"' },
  { name: "process substitution", script: "cat <(./script) <(./hash-bang two)" },
  { name: "posix mode", script: 'set -o posix; ./nosuch; echo "status $?"; ./script; echo "status $?"' },
  { name: "a restricted shell", script: 'cd folder; set -r; ls /bin/sh; ./nosuch; echo "status $?"; PATH=/tmp' },
  { name: "errexit", script: "set -e; ./no-x; echo not reached" },
  { name: "an ERR and an EXIT trap", script: "trap 'echo err $?' ERR; trap 'echo exit $?' EXIT; ./garbage; ./nosuch" },
  { name: "death by a signal", script: `/bin/sh -c 'kill -TERM $$'; echo "status $?"` },
  { name: "few descriptors", script: 'ulimit -n 4; /bin/echo few; ./script; ./nosuch; echo "status $?"' },
  { name: "through a descriptor", script: './nosuch; /dev/fd/3 3<hash-bang; echo "status $?"' },
  {
    name: "in a folder that is gone",
    script: 'mkdir gone; cd gone; rmdir ../gone; ./x; /bin/echo here; echo "status $?"',
  },
  { name: "a coprocess", script: 'coproc ./hash-bang one; cat <&"${COPROC[0]}"; wait' },
];
