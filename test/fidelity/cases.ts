/** The rows of the fidelity matrix. Each script is given to bash five times: plain, under Sallyport with every program run
 *  inside, and under Sallyport with the programs under test carried outside; the latter two with the kernel as interceptor and with
 *  a patched Bash. Scripts see:
 *
 *      $T    folder of the programs in ../programs, read-only inside
 *      cwd   an empty folder, the same path each time */

export interface Case {
  title: string;
  script: string;
  /** Rule patterns of the programs that are carried outside in the third run. Default: bash, and with it the whole script. */
  escalated?: string[];
  /** Variables that the rules pass on to escalated programs; others stay behind on purpose. */
  passEnv?: string[];
  /** Bash commands of the caller, in the process that then becomes bash or sallyport. */
  before?: string;
  /** Bash commands that prepare the folder, outside and before each of the runs. */
  prepare?: string;
  stdin?: string;
  /** Programs without which the row says nothing. */
  needs?: string[];
  /** What can't be the same, each with its place in docs/fidelity.md. The row is asserted to differ in exactly this way. */
  differs?: Difference;
  /** What can't be the same with a patched Bash as interceptor, on top of `differs`. */
  differsWithBash?: BashDifference;
  /** Another program starts those under test, and a patched Bash sees only what it starts itself. */
  unseenByBash?: true;
}

interface Difference {
  in: "run" | "escalated" | "both";
  /** Heading in docs/fidelity.md. */
  because: string;
  /** Turns what the plain run said into what this run is expected to say. */
  expected(plain: Outcome): Outcome;
}

/** In the run with every program inside. */
interface BashDifference {
  because: string;
  /** `seen` is for what can't be computed from the plain run. */
  expected(plain: Outcome, seen: Outcome): Outcome;
}

export interface Outcome {
  status: number | null;
  signal: string | null;
  /** latin1, so that no byte is lost. */
  stdout: string;
  stderr: string;
}

const ownEnvironment = "The environment of an escalated program";

const sharedSocket: BashDifference = {
  because: "The shared socket and its variables",
  expected: (plain) => ({ ...plain, stdout: plain.stdout.replace(/^([\d ]+ )$/m, "$11023 ") }),
};

const sharedVariables: BashDifference = {
  because: "The shared socket and its variables",
  expected: (plain, seen) => ({ ...plain, stdout: withVariables(plain.stdout, seen.stdout) }),
};

/** The three variables, with the values that they have, in the order that the row gives. */
function withVariables(plain: string, seen: string): string {
  const added = seen.match(/^(CODEX_ESCALATE_SOCKET|EXEC_WRAPPER|BASH_EXEC_WRAPPER)=.+$/gm) ?? [];
  if (added.length !== 3) return plain;
  const lines = [...plain.split("\n").filter((line) => line !== ""), ...added];
  return `${(plain === "" ? added : lines.toSorted()).join("\n")}\n`;
}

const bigArguments = 'x=$(printf %01000d 0); a=(); for i in {1..1700}; do a+=("$x$i"); done;';

const pipelines: Case[] = [
  { title: "a pipeline", script: "printf 'b\\na\\n' | sort | tr a-z A-Z", escalated: ["sort"] },
  {
    title: "a pipeline whose every program is outside",
    script: "seq 1 5000 | sort -r | tail -n 3 | cat",
    escalated: ["seq", "sort", "tail", "cat"],
  },
  {
    title: "PIPESTATUS",
    script: "/bin/false | /bin/true | (exit 3) | sh -c 'exit 4'; echo ${PIPESTATUS[*]}",
    escalated: ["false", "true", "sh"],
  },
  { title: "pipefail", script: "set -o pipefail; /bin/false | cat; echo $?", escalated: ["false", "cat"] },
  { title: "SIGPIPE ends a writer", script: "yes | head -n 1; echo ${PIPESTATUS[*]}", escalated: ["yes", "head"] },
  {
    title: "SIGPIPE ends a writer, the reader alone outside",
    script: "yes | head -n 1; echo ${PIPESTATUS[*]}",
    escalated: ["head"],
  },
  { title: "process substitution, reading", script: "cat <(echo a; /bin/echo b) <(seq 3)", escalated: ["cat"] },
  {
    title: "process substitution, writing",
    script: "seq 3 | tee >(sed s/^/x/ >out; echo done >flag) >/dev/null; until [ -e flag ]; do :; done; cat out",
    escalated: ["tee", "cat"],
  },
  { title: "process substitution into diff", script: "diff <(seq 3) <(seq 2); echo $?", escalated: ["diff", "seq"] },
  {
    title: "a coprocess",
    script: "coproc tr a-z A-Z; echo hello >&${COPROC[1]}; exec {COPROC[1]}>&-; cat <&${COPROC[0]}; wait",
    escalated: ["tr", "cat"],
  },
  {
    title: "command substitution",
    script: "x=$(seq 3; exit 7); echo $? $x; y=`expr 1 + 2`; echo $y",
    escalated: ["seq", "expr"],
  },
  { title: "a named pipe", script: "mkfifo p; (cat p; echo read) & seq 3 >p; wait", escalated: ["cat", "seq"] },
  { title: "1 MB through a pipe", script: "head -c 1000000 /dev/zero | cat | cksum", escalated: ["cat", "cksum"] },
];

const descriptors: Case[] = [
  { title: "a here-document", script: "cat <<END\n$((1 + 1)) lines\nÿ\nEND", escalated: ["cat"] },
  { title: "a here-string", script: 'cat <<<"one"; tr a b <<< aaa', escalated: ["cat", "tr"] },
  {
    title: "a here-document of 300 kB",
    script: "x=$(head -c 300000 /dev/zero | tr '\\0' x); cksum <<<\"$x\"",
    escalated: ["cksum"],
  },
  { title: "descriptor 3", script: "exec 3>out; /bin/sh -c 'echo three >&3'; cat out", escalated: ["sh", "cat"] },
  {
    title: "descriptor 10 and 200",
    script:
      "exec 10>ten 200>big; /bin/sh -c 'echo a >&200' 2>&1; /bin/bash -c 'echo a >&10; echo b >&200'; cat ten big",
    escalated: ["bash"],
  },
  {
    title: "&> into one file, in order",
    script: "/bin/sh -c 'echo 1; echo 2 >&2; echo 3' &>out; cat out",
    escalated: ["sh"],
  },
  {
    title: "stdout and stderr through one pipe, in order",
    script: "(for i in 1 2 3; do sh -c 'echo o; echo e >&2'; printf 'n%s\\n' $i; done) 2>&1 | cat",
    escalated: ["sh"],
  },
  { title: "stderr swapped with stdout", script: "sh -c 'echo o; echo e >&2' 3>&1 1>&2 2>&3 3>&-", escalated: ["sh"] },
  {
    title: "opened for reading and writing",
    script: "printf abcdef >f; exec 5<>f; head -c 3 <&5; printf X >&5; exec 5>&-; cat f",
    escalated: ["head", "cat"],
  },
  {
    title: "the offset of a shared file",
    script: "seq 9 >f; exec 4<f; read -u 4 x; sh -c 'read a <&4; echo $a'; cat <&4",
    escalated: ["sh", "cat"],
  },
  { title: "closed stdin", script: "cat <&-; echo $?", escalated: ["cat"] },
  {
    title: "closed stdout",
    script: "cat >&- <<<x; echo $?; /bin/echo lost >&-; echo $?",
    escalated: ["cat", "/bin/echo"],
  },
  { title: "closed stderr", script: "cat nosuch 2>&-; echo $?", escalated: ["cat"] },
  {
    title: "all three closed",
    script: "$T/show fds >&- 2>&- <&-; echo $?; $T/show write-fds <&- >&- 2>&- 7>out; cat out",
    escalated: ["$T/show"],
  },
  {
    title: "the list of descriptors",
    script: "exec 3</dev/null 9>&1; $T/show fds",
    escalated: ["$T/show"],
    differsWithBash: sharedSocket,
  },
  {
    title: "the caller's stdin is closed",
    before: "exec <&-",
    script: "cat; echo $?; $T/show fds",
    escalated: ["cat", "$T/show"],
    differsWithBash: sharedSocket,
  },
  {
    title: "the caller's stdout is closed",
    before: "exec >&-",
    script: "/bin/echo x; echo $? >&2",
    escalated: ["/bin/echo"],
  },
  { title: "the caller's stderr is closed", before: "exec 2>&-", script: "cat nosuch; echo $?", escalated: ["cat"] },
  {
    title: "the caller's stdin is read",
    stdin: "one\ntwo\nthree\n",
    script: "read x; echo got $x; cat",
    escalated: ["cat"],
  },
  {
    title: "a descriptor of the caller above 2",
    before: "exec 7>seven",
    script: "echo x >&7; $T/show fds",
    escalated: ["$T/show"],
    differs: {
      in: "both",
      because: "Descriptors above 2 that the caller of Sallyport has",
      expected: () => ({
        status: 0,
        signal: null,
        stdout: "0 1 2 \n",
        stderr: "bash: line 1: 7: Bad file descriptor\n",
      }),
    },
    differsWithBash: sharedSocket,
  },
  {
    title: "stdin is a file, read on from its offset",
    script: "seq 5 >f; (read a; cat; echo end $a) <f",
    escalated: ["cat"],
  },
  {
    title: "access mode and flags of descriptors",
    script: "exec 3>>f 4<>f 5<f; $T/show flags 3 4 5",
    escalated: ["$T/show"],
  },
  { title: "a full device", script: "/bin/echo x >/dev/full; echo $?", escalated: ["/bin/echo"] },
];

const jobs: Case[] = [
  {
    title: "background jobs and wait",
    script: "sh -c 'exit 3' & a=$!; sh -c 'exit 4' & b=$!; wait $b; echo $?; wait $a; echo $?",
    escalated: ["sh"],
  },
  {
    title: "wait -n and kill of a job",
    script: "sleep 100 & p=$!; kill $p; wait $p; echo $?; sleep 0 & wait -n; echo $?",
    escalated: ["sleep"],
  },
  {
    title: "trap EXIT",
    script: "trap 'echo bye $?' EXIT; sh -c 'trap \"echo inner\" EXIT; exit 5'; exit 6",
    escalated: ["sh"],
  },
  {
    title: "trap TERM in a child that is killed",
    script:
      "sh -c 'trap \"echo term; exit 9\" TERM; echo up >ready; while :; do sleep 0.01; done' & until [ -s ready ]; do :; done; kill -TERM $!; wait $!; echo $?",
    escalated: ["sh"],
  },
  {
    title: "trap INT in a child that is interrupted",
    script:
      "bash -c 'trap \"echo int; exit 8\" INT; echo up >ready; while :; do sleep 0.01; done' & until [ -s ready ]; do :; done; kill -INT $!; kill -TERM $!; wait $!; echo $?",
  },
  {
    title: "a trap that a child resets",
    script: "trap 'echo got' USR1; sh -c 'kill -USR1 $$'; echo $?",
    escalated: ["sh"],
  },
  { title: "ignored signals are inherited", script: "trap '' INT QUIT USR2; $T/show signals", escalated: ["$T/show"] },
  {
    title: "signals as they are by default",
    script: "$T/show signals; sh -c '$T/show signals'",
    escalated: ["$T/show"],
  },
  {
    title: "SIGINT ignored when sallyport starts",
    before: "trap '' INT HUP",
    script: "$T/show signals; kill -INT $$; echo still",
    escalated: ["$T/show"],
  },
  {
    title: "a blocked signal is inherited",
    unseenByBash: true,
    script: "$T/run-blocked 10 12 -- $T/show signals",
    escalated: ["$T/show"],
  },
  { title: "a child killed by TERM", script: "sh -c 'kill -TERM $$'; echo $?", escalated: ["sh"] },
  { title: "a child killed by KILL", script: "sh -c 'kill -KILL $$'; echo $?", escalated: ["sh"] },
  { title: "a child killed by SEGV", script: "$T/crash; echo $?", escalated: ["$T/crash"] },
  {
    title: "a child killed by ABRT, from outside",
    script:
      "sh -c 'echo up >ready; while :; do sleep 0.01; done' & until [ -s ready ]; do :; done; kill -ABRT $!; wait $!; echo $?",
    escalated: ["sh"],
  },
  {
    title: "the command itself is killed by a signal",
    script: "kill -USR1 $$",
    differs: {
      in: "both",
      because: "The command's own death by a signal",
      expected: (plain) => ({ ...plain, status: 138, signal: null }),
    },
  },
  {
    title: "the core dump flag",
    script: "ulimit -c unlimited; $T/crash; echo $?; ls core* 2>/dev/null | wc -l",
    before: "ulimit -c unlimited",
    needs: ["core-files"],
    escalated: ["$T/crash"],
    differs: {
      in: "escalated",
      because: "The core dump flag of an escalated program",
      expected: (plain) => ({ ...plain, stderr: plain.stderr.replace("(core dumped) ", "") }),
    },
  },
  {
    title: "exit statuses",
    script:
      'for i in 0 1 2 3 42 124 125 126 127 128 129 130 137 141 143 200 254 255; do sh -c "exit $i"; echo -n "$? "; done',
    escalated: ["sh"],
  },
  {
    title: "exit status 256 is 0",
    script: "$T/exit-with 256; echo $?; $T/exit-with -1; echo $?",
    escalated: ["$T/exit-with"],
  },
  ...[0, 125, 255].map((status): Case => ({ title: `exit status ${status}`, script: `exit ${status}` })),
  {
    title: "stopped and continued",
    script:
      "sh -c 'echo up >ready; while [ ! -e go ]; do sleep 0.01; done; echo end' & p=$!; until [ -s ready ]; do :; done; kill -STOP $p; until [ \"$(cut -d' ' -f3 /proc/$p/stat)\" = T ]; do :; done; kill -CONT $p; touch go; wait $p; echo $?",
    escalated: ["sh"],
  },
  {
    title: "timeout that passes",
    script: "timeout 0.2 sleep 50; echo $?; timeout -s KILL 0.2 sleep 50; echo $?",
    escalated: ["timeout"],
  },
  {
    title: "timeout, the sleeper alone outside",
    unseenByBash: true,
    script: "timeout 0.2 sleep 50; echo $?",
    escalated: ["sleep"],
  },
  { title: "timeout that does not pass", script: "timeout 20 sh -c 'exit 7'; echo $?", escalated: ["timeout"] },
  { title: "nohup", script: "nohup sh -c 'echo out; $T/show signals' 2>&1 | cat", escalated: ["nohup"] },
  { title: "setsid -w", script: "setsid -w sh -c 'echo s; exit 5'; echo $?", escalated: ["setsid"] },
  {
    title: "a member of its own session",
    unseenByBash: true,
    script: "setsid -w $T/show session",
    escalated: ["$T/show"],
  },
  {
    title: "relations of $$ and $PPID",
    script:
      "a=$(sh -c 'echo $PPID'); [ $a != $$ ]; echo $?; sh -c '[ $PPID = '$$' ]'; echo $?; (exec sh -c '[ $$ != '$$' ]'; echo $?); [ $BASHPID = $$ ]; echo $?",
  },
  { title: "the pid of a job is its own $$", script: "sh -c 'echo $$ >mine' & wait; [ $(cat mine) = $! ]; echo $?" },
  { title: "job control without a terminal", script: "set -m; sleep 0.05 & fg; echo $?; jobs", escalated: ["sleep"] },
];

const calls: Case[] = [
  { title: "exec replaces the shell", script: "exec sh -c 'echo in; exit 6'; echo never", escalated: ["sh"] },
  { title: "exec -a", script: "(exec -a other sh -c 'echo $0'); (exec -a '' $T/show argv x)", escalated: ["bash"] },
  { title: "exec -l", script: "(exec -l $T/show argv x)" },
  { title: "exec -c", script: "export A=1; exec -c /usr/bin/env", differsWithBash: sharedVariables },
  { title: "env -i", script: "A=1 env -i B=2 /usr/bin/env", escalated: ["env"], passEnv: ["A"] },
  { title: "an empty argument list", script: "$T/no-argv $T/show argv" },
  { title: "empty arguments", script: "$T/show argv '' a '' ; printf '[%s]' '' ''", escalated: ["$T/show"] },
  { title: "bytes in an argument", script: "$T/show argv $'a\\xff\\xfe\\n' $'\\001\\t' 'ä'", escalated: ["$T/show"] },
  {
    title: "bytes in the environment",
    script: "export V=$'x\\xff\\ny'; printenv V; env -i $'N\\xff=1' /usr/bin/env",
    escalated: ["printenv"],
    passEnv: ["V"],
  },
  {
    title: "bytes in the working folder's name",
    script: "mkdir $'d\\xff\\n'; cd $'d\\xff\\n'; $T/show cwd; /bin/pwd",
    escalated: ["$T/show", "/bin/pwd"],
  },
  {
    title: "bytes in a program's name",
    script: "cp $T/exit-with $'e\\xff\\n'; ./$'e\\xff\\n' 5; echo $?; PATH=. $'e\\xff\\n' 6; echo $?",
  },
  { title: "1.7 MB of arguments", script: `${bigArguments} $T/show argv-sum "\${a[@]}"`, escalated: ["$T/show"] },
  { title: "too many arguments", script: `${bigArguments} a+=("\${a[@]}"); /bin/true "\${a[@]}"; echo $?` },
  { title: "one argument that is too long", script: "/bin/true $(printf %0140000d 0); echo $?" },
  {
    title: "one argument of just the longest length",
    script: "$T/show argv-sum $(printf %0131071d 0); echo $?",
    escalated: ["$T/show"],
  },
  {
    title: "a large environment",
    script: "for i in {1..12}; do export V$i=$(printf %0100000d $i); done; $T/show env-sum",
    escalated: ["$T/show"],
    passEnv: ["SHLVL", "_", ...Array.from({ length: 12 }, (_, at) => `V${at + 1}`)],
    differsWithBash: {
      because: "The shared socket and its variables",
      expected: (plain, seen) => ({
        ...plain,
        stdout: plain.stdout.replace(/^(\d+) (entries), .*$/m, (_, count: string) =>
          [String(Number(count) + 3), seen.stdout.trim().replace(/^\d+ /, "")].join(" "),
        ),
      }),
    },
  },
  {
    title: "the whole environment",
    script: "NEW=1 OLDPWD=/x /usr/bin/env | sort",
    escalated: ["env"],
    differs: {
      in: "escalated",
      because: ownEnvironment,
      expected: (plain) => ({
        ...plain,
        stdout: plain.stdout.replace(/^(NEW|OLDPWD|_)=.*\n/gm, "").replace("SHLVL=1", "SHLVL=0"),
      }),
    },
    differsWithBash: sharedVariables,
  },
  {
    title: "a script with #!",
    script: "printf '#!/bin/sh\\necho $0 \"$@\"; exit 3\\n' >s; chmod +x s; ./s a 'b c'; echo $?",
  },
  { title: "a script with #! outside", script: "$T/script a 'b c' ''; echo $?", escalated: ["$T/script"] },
  { title: "a script without #!", script: "printf 'echo $0 $1; exit 4\\n' >s; chmod +x s; ./s a; echo $?" },
  { title: "exec of a script without #!", script: "printf 'echo $1; exit 4\\n' >s; chmod +x s; exec ./s a" },
  {
    title: "a nested #!",
    script: 'printf \'#!/bin/sh\\necho inner $0 "$@"\\n\' >a; printf "#!$PWD/a\\n" >b; chmod +x a b; ./b 1 2',
  },
  {
    title: "#! five deep is too deep",
    script:
      "printf '#!/bin/sh\\necho end\\n' >s0; for i in 1 2 3 4 5 6; do printf \"#!$PWD/s$((i-1))\\n\" >s$i; done; chmod +x s*; for i in 1 2 3 4 5 6; do ./s$i; echo $?; done 2>&1",
  },
  { title: "#! with an argument", script: "printf '#!/bin/echo  one two \\n' >s; chmod +x s; ./s x" },
  {
    title: "#! with env -S",
    script: "printf '#!/usr/bin/env -S sh -c \"echo $1\" x\\n' >s; chmod +x s; ./s y; echo $?",
  },
  { title: "an interpreter with CR LF", script: "printf '#!/bin/sh\\r\\necho x\\r\\n' >s; chmod +x s; ./s; echo $?" },
  { title: "a missing interpreter", script: "printf '#!/no/such\\n' >s; chmod +x s; ./s; echo $?; sh -c ./s; echo $?" },
  { title: "an interpreter without x", script: 'printf x >i; printf "#!$PWD/i\\n" >s; chmod +x s; ./s; echo $?' },
  { title: "an interpreter that is a folder", script: "printf '#!/tmp\\n' >s; chmod +x s; ./s; echo $?" },
  { title: "a line of only #!", script: "printf '#!\\necho x\\n' >s; chmod +x s; ./s; echo $?" },
  {
    title: "a folder as command",
    script: "/tmp; echo $?; mkdir d; ./d; echo $?; env ./d; echo $?",
    escalated: ["env"],
  },
  {
    title: "a file without x",
    script: "echo >f; ./f; echo $?; sh -c ./f; echo $?; env ./f; echo $?",
    escalated: ["sh", "env"],
  },
  {
    title: "an empty file",
    script: "printf '' >f; chmod +x f; ./f; echo $?; env ./f; echo $?; sh -c ./f; echo $?",
    escalated: ["env", "sh"],
  },
  {
    title: "a garbage binary",
    script:
      "printf '\\177ELF garbage' >g; chmod +x g; ./g; echo $?; env ./g; echo $?; printf '\\001\\000\\002\\377' >h; chmod +x h; ./h; echo $?",
    escalated: ["env"],
  },
  { title: "a truncated binary", script: "head -c 300 $T/exit-with >g; chmod +x g; ./g; echo $?" },
  { title: "a binary without its loader", script: "cp $T/no-loader .; ./no-loader; echo $?" },
  {
    title: "./nosuch",
    script: "./nosuch; echo $?; nosuch-anywhere; echo $?; sh -c ./nosuch; echo $?; env ./nosuch; echo $?",
    escalated: ["sh", "env"],
  },
  { title: "exec /nosuch", script: "exec /nosuch; echo never" },
  { title: "exec of a file without x", script: "echo >f; exec ./f" },
  { title: "a path through a file", script: "echo >f; ./f/x; echo $?" },
  { title: "a loop of links as command", script: "ln -s b a; ln -s a b; ./a; echo $?" },
  { title: "a name that is too long", script: "./$(printf %0300d 0); echo $?; /$(printf 'a/%.0s' {1..2500}); echo $?" },
  { title: "the empty command", script: "''; echo $?; env ''; echo $?", escalated: ["env"] },
  {
    title: "a folder that may not be searched",
    script: "mkdir d; cp $T/exit-with d; chmod 0 d; ./d/exit-with 3; echo $?; chmod 755 d",
  },
  {
    title: "an executable that is open for writing",
    script: "cp $T/exit-with x; exec 3>>x; ./x 3; echo $?; exec 3>&-; ./x 3; echo $?",
    differsWithBash: {
      because: "What only the kernel refuses",
      expected: (plain) => ({ ...plain, stderr: plain.stderr.replace("line 1: ", "") }),
    },
  },
  { title: "a program that deletes itself", script: "cp $T/exit-with x; (rm x; ./x 3); echo $?" },
  { title: "a file that may be executed and not read", script: "cp $T/exit-with x; chmod 111 x; ./x 7; echo $?" },
];

const state: Case[] = [
  {
    title: "limits",
    script: "ulimit -Sn 77; ulimit -f 4321; ulimit -c 0; ulimit -s 4096; $T/show limits",
    escalated: ["$T/show"],
  },
  {
    title: "sallyport started with ulimit -n 64",
    before: "ulimit -n 64",
    script: "ulimit -Sn; ulimit -Hn; sh -c 'ulimit -n'; for i in {1..20}; do sh -c :; done; echo $?",
    escalated: ["sh"],
  },
  {
    title: "sallyport started with a soft limit of 200",
    before: "ulimit -Sn 200",
    script: "ulimit -Sn; ulimit -Hn; $T/show limits",
    escalated: ["$T/show"],
  },
  {
    title: "few descriptors",
    script: "ulimit -n 5; $T/show fds; sh -c 'echo x'; echo $?",
    escalated: ["$T/show", "sh"],
    differsWithBash: sharedSocket,
  },
  {
    title: "a file size limit",
    script: "ulimit -f 1; sh -c 'head -c 5000 /dev/zero >f'; echo $?; wc -c <f",
    escalated: ["sh"],
  },
  { title: "a CPU time limit", script: "ulimit -t 1; sh -c 'while :; do :; done'; echo $?", escalated: ["sh"] },
  {
    title: "umask",
    script: "umask 027; touch a; sh -c 'umask; touch b; mkdir c'; stat -c '%n %a' a b c",
    escalated: ["sh", "touch"],
  },
  { title: "nice", script: "nice -n 5 nice; nice -n 5 sh -c 'nice -n 3 nice; nice'", escalated: ["nice"] },
  {
    title: "a nice value, the program alone outside",
    unseenByBash: true,
    script: "nice -n 7 $T/show nice",
    escalated: ["$T/show"],
  },
  {
    title: "CPU affinity",
    unseenByBash: true,
    script: "taskset -c 0 $T/show cpus",
    needs: ["taskset"],
    escalated: ["$T/show"],
  },
  { title: "user, groups", script: "id; id -u", escalated: ["id"] },
  {
    title: "a deleted working folder",
    script: "mkdir d; cd d; rmdir ../d; /bin/pwd; echo $?; /bin/echo on; sh -c 'echo $?'",
    escalated: ["/bin/pwd", "/bin/echo", "sh"],
  },
  {
    title: "a deep working folder",
    script: "n=$(printf %0200d 0); for i in {1..18}; do mkdir $n; cd $n; done; /bin/echo $?; touch x; ls",
    escalated: ["/bin/echo", "touch", "ls"],
  },
  {
    title: "a working folder deeper than a path may be long",
    script: "n=$(printf %0200d 0); for i in {1..30}; do mkdir $n; cd $n; done 2>/dev/null; /bin/echo x",
  },
  {
    title: "a symlink as working folder",
    script: "mkdir -p a/b; ln -s a/b l; cd l; sh -c 'echo $PWD; pwd -P'; cd -P .; echo $PWD; /bin/pwd -L",
    escalated: ["sh", "/bin/pwd"],
    differs: {
      in: "escalated",
      because: "PWD through a symlink",
      expected: (plain) => ({
        ...plain,
        stdout: plain.stdout.replace(/project-\d+\/l$/m, (name) => name.replace(/l$/, "a/b")),
      }),
    },
  },
  { title: "CDPATH", script: "mkdir -p x/y; CDPATH=x; cd y; sh -c 'echo $PWD'", escalated: ["sh"] },
  {
    title: "a working folder outside the project",
    script: "cd /usr/lib; /bin/pwd; sh -c 'echo $PWD'; cd /; /bin/pwd",
    escalated: ["/bin/pwd", "sh"],
  },
  {
    title: "a file made outside is seen inside at once",
    script: "for i in {1..20}; do touch f$i; [ -e f$i ] || echo missing; rm f$i; [ -e f$i ] && echo left; done; ls",
    escalated: ["touch", "rm"],
  },
  {
    title: "a lock is held across programs",
    script: "exec 9>lock; flock 9; flock -n lock true; echo $?; flock -u 9; flock -n lock true; echo $?",
    escalated: ["flock"],
  },
];

const programs: Case[] = [
  {
    title: "xargs -P",
    unseenByBash: true,
    script:
      "seq 1 20 | xargs -P 4 -n 1 sh -c 'exit $((($0 % 7) == 0))'; echo $?; seq 1 20 | xargs -P 4 -n 2 /bin/echo | sort",
    escalated: ["/bin/echo"],
  },
  { title: "xargs -P outside", script: "seq 1 20 | xargs -P 4 -n 2 /bin/echo | sort", escalated: ["xargs"] },
  {
    title: "find -exec",
    script: "touch a b; find . -type f -exec sh -c 'echo $0' {} \\; | sort; find . -type f -exec false {} +; echo $?",
    escalated: ["find"],
  },
  {
    title: "make -j4",
    prepare: "printf 'all: a b c d e f\\na b c d e f:\\n\\t@sh -c \"echo $@\" >$@; test $@ != f\\n' >Makefile",
    script: "make -s -j4 -k 2>&1; echo $?; cat a b c d e f",
    needs: ["make"],
    escalated: ["make"],
  },
  {
    title: "make -j4 compiles, the compiler outside",
    unseenByBash: true,
    prepare:
      "for i in 1 2 3; do echo \"int f$i(void){return $i;}\" >f$i.c; done; echo 'int f1(void);int f2(void);int f3(void);int main(void){return f1()+f2()+f3();}' >m.c; printf 'CC=gcc\\nm: m.o f1.o f2.o f3.o\\n\\t@$(CC) -o $@ $^\\n.c.o:\\n\\t@$(CC) -c $<\\n' >Makefile",
    script: "make -s -j4; ./m; echo $?",
    needs: ["make", "gcc"],
    escalated: ["gcc"],
  },
  {
    title: "npm run",
    prepare: `printf '{"name":"x","version":"1.0.0","scripts":{"prea":"echo pre","a":"echo a && exit 3","b":"node -p 1+1"}}' >package.json`,
    script: "npm --no-update-notifier run a; echo $?; npm --no-update-notifier run -s b; echo $?",
    needs: ["npm", "node"],
    escalated: ["npm"],
  },
  {
    title: "git log | cat, git commit with a hook",
    prepare:
      "git init -q .; printf '#!/bin/sh\\necho hook $GIT_INDEX_FILE; exec git status --short\\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo 1 >f; git add f",
    script:
      "git commit -m first 2>&1; echo $?; git log | cat; git --no-pager show --stat; git -c core.pager=cat -p log --oneline; git nosuch; echo $?",
    needs: ["git"],
    escalated: ["git"],
  },
  {
    // It takes the client's first line: whether that comes before or after its end, ssh tells apart.
    title: "ssh with a ProxyCommand that fails",
    script:
      "ssh -F none -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o ProxyCommand='sh -c \"echo proxy >&2; read -r banner; exit 3\"' nowhere true 2>&1 | sed s/[0-9]*$//; echo ${PIPESTATUS[0]}",
    needs: ["ssh"],
    escalated: ["ssh"],
  },
  {
    title: "ssh to a port that nobody listens on",
    script: "ssh -F none -o BatchMode=yes -o UserKnownHostsFile=/dev/null -p 1 127.0.0.1 true; echo $?",
    needs: ["ssh"],
    escalated: ["ssh"],
  },
  {
    title: "python subprocess",
    unseenByBash: true,
    script: "$PYTHON $T/python-starts.py",
    needs: ["python3"],
    escalated: ["sh", "$T/show", "$T/crash"],
  },
  { title: "python outside", script: "$PYTHON $T/python-starts.py", needs: ["python3"], escalated: ["$PYTHON"] },
  {
    title: "node child_process",
    unseenByBash: true,
    script: "node $T/node-starts",
    needs: ["node"],
    escalated: ["cat", "sh"],
  },
  {
    title: "perl exec, system, backticks",
    unseenByBash: true,
    script: `perl -e '$| = 1; system("sh", "-c", "exit 3"); print $? >> 8, "\\n"; print \`seq 2\`; system("/nosuch"); print $?, " $!\\n"; open(P, "|-", "cat"); print P "x\\n"; close P; exec {"/bin/sh"} "name", "-c", q(echo $0)'`,
    needs: ["perl"],
    escalated: ["sh", "seq", "cat"],
  },
  {
    title: "a static program",
    unseenByBash: true,
    script: "$T/exit-with 9; echo $?; $T/spawn $T/show argv a b; echo $?",
    escalated: ["$T/exit-with", "$T/show"],
  },
  {
    title: "vfork and exec",
    unseenByBash: true,
    script:
      "$T/spawn vfork $T/show argv a; $T/spawn posix_spawn $T/show argv b; $T/spawn thread $T/show argv c; echo $?",
    escalated: ["$T/show"],
  },
  {
    title: "exec out of a thread",
    unseenByBash: true,
    script: "$T/spawn thread-exec $T/exit-with 21; echo $?",
    escalated: ["$T/exit-with"],
  },
  {
    title: "fexecve and execveat",
    script: "$T/spawn fexecve $T/show argv a; $T/spawn execveat $T/show argv b; echo $?",
    escalated: ["$T/spawn"],
  },
  {
    title: "busybox",
    script: "busybox echo a; busybox sh -c 'busybox seq 3 | busybox wc -l; exit 4'; echo $?",
    needs: ["busybox"],
    escalated: ["busybox"],
  },
  {
    title: "dash, and its own messages",
    script: "dash -c 'nosuch; echo $?; ./nosuch; echo $?; (kill -TERM $(sh -c \"echo \\$PPID\")); echo $?'",
    needs: ["dash"],
    escalated: ["dash"],
  },
  {
    title: "awk and sed start programs",
    script:
      'awk \'BEGIN { system("echo a; exit 3"); "seq 2" | getline x; print x; print "z" | "cat" }\'; echo x | sed \'1e echo from sed\'',
    escalated: ["awk", "sed"],
  },
  {
    title: "tar with a compressor",
    script: "echo a >f; tar czf t.tgz f; rm f; tar xzf t.tgz; cat f; tar xf nosuch 2>&1; echo $?",
    needs: ["tar", "gzip"],
    escalated: ["tar"],
  },
  {
    title: "300 programs in a row",
    script:
      "for i in {1..300}; do /bin/echo $i; done | cksum; for i in {1..40}; do /bin/echo $i & done | sort -n | cksum; wait",
    escalated: ["/bin/echo"],
  },
];

export const cases: Case[] = [...pipelines, ...descriptors, ...jobs, ...calls, ...state, ...programs];
