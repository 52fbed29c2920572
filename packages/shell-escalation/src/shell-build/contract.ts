/** What a patched shell has to do, tried out on the shell itself: a wrong one would let programs start unasked, or break scripts. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const deadlineMs = 20_000;

interface ContractCheck {
  name: string;
  script: string;
  /** The names of the variables that carry the wrapper's path, or a path of its own. */
  wrapper: { names: readonly string[]; path?: string };
  status: number;
  stdout: string;
  /** What the wrapper was asked, one line a program: `<file><argv[0]><argv[1]>...`. */
  asked: string;
}

const both = { names: ["EXEC_WRAPPER", "BASH_EXEC_WRAPPER"] };

const checks: readonly ContractCheck[] = [
  {
    name: "without EXEC_WRAPPER it starts programs itself",
    script: "/bin/echo plain",
    wrapper: { names: [] },
    status: 0,
    stdout: "plain\n",
    asked: "",
  },
  {
    name: "EXEC_WRAPPER gets the file and the whole argument vector",
    script: "(exec -a other /bin/echo one 'two three' ''); /bin/echo last",
    wrapper: { names: ["EXEC_WRAPPER"] },
    status: 0,
    stdout: "one two three \nlast\n",
    asked: "</bin/echo><other><one><two three><>\n</bin/echo></bin/echo><last>\n",
  },
  {
    name: "the older BASH_EXEC_WRAPPER does the same",
    script: "cd /bin; ./echo relative",
    wrapper: { names: ["BASH_EXEC_WRAPPER"] },
    status: 0,
    stdout: "relative\n",
    asked: "<./echo><./echo><relative>\n",
  },
  {
    name: "a script can't unset or replace it",
    script: [
      "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; /bin/echo one",
      "export EXEC_WRAPPER=/bin/false; /bin/echo two",
      "(exec -c /bin/echo three)",
    ].join("; "),
    wrapper: both,
    status: 0,
    stdout: "one\ntwo\nthree\n",
    asked: "</bin/echo></bin/echo><one>\n</bin/echo></bin/echo><two>\n</bin/echo></bin/echo><three>\n",
  },
  {
    name: "a script without #! is run by the shell, and what it starts is asked",
    script: "./plain-script one; echo $?",
    wrapper: both,
    status: 0,
    stdout: "./plain-script one\n3\n",
    asked: "</bin/echo></bin/echo><./plain-script><one>\n",
  },
  {
    name: "what can't be started is refused as ever",
    script: "for file in ./nosuch ./no-x / ./folder-interpreter ./garbage; do $file; echo $?; done 2>/dev/null",
    wrapper: both,
    status: 0,
    stdout: "127\n126\n126\n126\n126\n",
    asked: "",
  },
  {
    name: "nothing starts if the wrapper can't be started",
    script: "/bin/echo one; echo $?; shopt -s execfail; exec /bin/echo two; echo $?",
    wrapper: { ...both, path: "/nosuch/wrapper" },
    status: 0,
    stdout: "125\n125\n",
    asked: "",
  },
];

/** The first promise that `shell` breaks, with what was seen, or null. Works in `folder`, which is made and removed. */
export function findBrokenPromise(shell: string, folder: string): string | null {
  mkdirSync(folder);
  try {
    const wrapper = makeFixtures(folder);
    for (const check of checks) {
      const broken = tryOut(shell, folder, wrapper, check);
      if (broken !== null) return `"${check.name}" does not hold: ${broken}`;
    }
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const promiseCount: number = checks.length;

function makeFixtures(folder: string): string {
  const wrapper = join(folder, "wrapper");
  const files: [name: string, text: string, mode: number][] = [
    ["wrapper", `#!/bin/sh\n{ printf '<%s>' "$@"; echo; } >>"$0.asked"\nfile=$1\nshift 2\nexec "$file" "$@"\n`, 0o755],
    ["plain-script", `/bin/echo "$0" "$1"\nexit 3\n`, 0o755],
    ["no-x", "echo never\n", 0o644],
    ["folder-interpreter", "#!/\n", 0o755],
    ["garbage", "\0\u0001\u0002", 0o755],
  ];
  for (const [name, text, mode] of files) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  }
  return wrapper;
}

function tryOut(shell: string, folder: string, wrapper: string, check: ContractCheck): string | null {
  const log = `${wrapper}.asked`;
  rmSync(log, { force: true });
  const path = check.wrapper.path ?? wrapper;
  const variables = Object.fromEntries(check.wrapper.names.map((name) => [name, path]));
  const { status, stdout, stderr, error } = spawnSync(shell, ["--norc", "-c", check.script], {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C", ...variables },
    encoding: "utf8",
    timeout: deadlineMs,
  });
  const asked = existsSync(log) ? readFileSync(log, "utf8") : "";
  const expected = { status: check.status, stdout: check.stdout, asked: check.asked };
  const seen = { status, stdout, asked };
  if (JSON.stringify(seen) === JSON.stringify(expected)) return null;
  const more = error?.message ?? stderr.trim();
  return `saw ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}${more === "" ? "" : `; ${more}`}`;
}
