/** node --conditions=sallyport-source bench/rules.ts [FOLDER]: what rules cost, by their number: reading a file, again and for the first
 *  time in a new process (of the build), making it ready for a session, and one decision. With FOLDER, where Codex's npm package is installed, its evaluator reads the same files in turn. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRules } from "@sallyport/exec-policy/language";
import { createDecider } from "@sallyport/shell-escalation";
import type { DeciderOptions } from "../packages/shell-escalation/src/decision/types.ts";

const rounds = 5;
const decisions = 2000;
const counts = [10, 100, 1000, 20_000];
const manyFiles = 40;
const kinds: Record<string, (index: number) => string> = {
  "different programs": (index) => `prefix_rule(pattern=["prog${index}", "sub${index}"], decision="allow")`,
  "one program": (index) => `prefix_rule(pattern=["true", "sub${index}"], decision="allow")`,
  "with examples": (index) =>
    `prefix_rule(pattern=["prog${index}", ["a", "b"]], decision="prompt", justification="because ${index}", ` +
    `match=["prog${index} a", ["prog${index}", "b"]], not_match=["prog${index} c"])`,
};

const lines = (count: number, line: (index: number) => string): string =>
  `${Array.from({ length: count }, (_, index) => line(index)).join("\n")}\n`;
const plain = (index: number): string => `prefix_rule(pattern=["prog${index}", "sub${index}"], decision="allow")`;

/** 20,000 rules each, as files of other kinds have them. */
const wholeFiles: Record<string, (count: number) => string> = {
  justification: (count) =>
    lines(count, (index) => `prefix_rule(["prog${index}", "sub"], "prompt", justification="it's \\"${index}\\"")`),
  alternatives: (count) => lines(count, (index) => `prefix_rule([["a${index}", "b${index}"], ["c", "d"]])`),
  "host_executable for every second": (count) =>
    lines(count, (index) => (index % 2 === 0 ? plain(index) : `host_executable("p${index}", ["/usr/bin/p${index}"])`)),
  comments: (count) =>
    lines(count, (index) => `# ${index}\nprefix_rule(\n    pattern = ["prog${index}", "sub"],  # why\n)\n`),
  variables: (count) =>
    `READ = ["status", "log"]\n${lines(count, (index) => `prefix_rule(["prog${index}", READ], "prompt")`)}`,
  "a loop over a list": (count) =>
    `for name in [\n${lines(count, (index) => `    "prog${index}",`)}]:\n    prefix_rule([name, "sub"], "prompt")\n`,
  "a comprehension": (count) => `[prefix_rule(["prog" + str(i), f"sub{i}"]) for i in range(${count})]\n`,
  "calls of a def": (count) =>
    `def allow(name, *rest):\n    prefix_rule([name] + list(rest))\n\n${lines(count, (index) => `allow("prog${index}", "sub")`)}`,
};

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function timed(act: () => unknown): number {
  const startedAtMs = performance.now();
  act();
  return performance.now() - startedAtMs;
}

type Event = Parameters<ReturnType<typeof createDecider>["decide"]>[0];

/** An exec of /usr/bin/true as the broker reports it. */
function execOfTrue(): Event {
  const stats = statSync("/usr/bin/true", { bigint: true });
  const file = {
    path: "/usr/bin/true",
    key: `${stats.dev}:${stats.ino}`,
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    nlink: Number(stats.nlink),
    kind: "elf" as const,
    foreign: false,
    fd: -1,
  };
  const who = { requestId: 1, pid: 1, tid: 1, parents: [], parentRequestId: null, answeredAtMs: null, outside: false };
  const what = { file: "/usr/bin/true", argv: ["true", "sub7"], cwd: "/", env: Buffer.alloc(0), chain: [file] };
  return { ...who, ...what };
}

function options(text: string): DeciderOptions {
  const { rules, hosts } = parseRules(text, "bench.rules");
  return {
    ruleSet: { rules: rules.map((rule) => ({ ...rule, origin: "flag" as const })), hosts, files: [] },
    session: { env: [], path: "/usr/local/bin:/usr/bin:/bin", cwd: "/" },
    wall: { walled: true, writableRoots: ["/tmp"], translate: (path) => path, denyRead: [] },
    brokerIsRoot: false,
    brokerPid: process.pid,
  };
}

/** Nothing is compiled or warm then, as in every `sallyport run`. */
function firstRead(path: string): number {
  const source =
    'const { loadRules } = await import("@sallyport/rules-store"); const startedAtMs = performance.now(); ' +
    "loadRules({ home: '/', files: [process.argv[1]], discover: false }); console.log(performance.now() - startedAtMs);";
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", source, path], { encoding: "utf8" });
  return Number(stdout);
}

/** `sallyport rules check` as a whole, as programs start it. */
function wholeCheck(files: readonly string[]): number {
  const sallyport = join(import.meta.dirname, "..", "packages", "cli", "bin", "sallyport");
  const words = files.flatMap((path) => ["--rules", path]);
  return timed(() => spawnSync(sallyport, ["rules", "check", ...words, "--", "git", "status"], { stdio: "ignore" }));
}

function wholePeer(program: string, home: string, files: readonly string[]): number {
  const words = files.flatMap((path) => ["--rules", path]);
  const env = { ...process.env, CODEX_HOME: home };
  return timed(() =>
    spawnSync(program, ["execpolicy", "check", ...words, "--", "git", "status"], { env, stdio: "ignore" }),
  );
}

function peerProgram(folder: string | undefined): string | null {
  if (folder === undefined) return null;
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((name) =>
    /vendor\/.*\/codex$/.test(name),
  );
  return found === undefined ? null : join(folder, found);
}

const folder = mkdtempSync(join(tmpdir(), "bench-rules-"));
const peer = peerProgram(process.argv[2]);
const event = execOfTrue();
const unresolved = async (): Promise<{ errno: number }> => ({ errno: 2 });
try {
  for (const [kind, ruleText] of Object.entries(kinds)) {
    for (const count of counts) {
      const text = `${Array.from({ length: count }, (_, index) => ruleText(index)).join("\n")}\n`;
      const path = join(folder, "bench.rules");
      writeFileSync(path, text, { mode: 0o600 });
      const samples = {
        read: [] as number[],
        first: [] as number[],
        ready: [] as number[],
        decide: [] as number[],
        peer: [] as number[],
      };
      for (let round = 0; round < rounds; round += 1) {
        samples.read.push(timed(() => parseRules(text, path)));
        samples.first.push(firstRead(path));
        const given = options(text);
        samples.ready.push(timed(() => createDecider(given)));
        const decider = createDecider(given);
        const all = timed(() => {
          for (let index = 0; index < decisions; index += 1) void decider.decide(event, unresolved);
        });
        samples.decide.push((all / decisions) * 1000);
        if (peer !== null) samples.peer.push(wholePeer(peer, folder, [path]));
      }
      const peers = peer === null ? "" : `, peer's whole process ${median(samples.peer).toFixed(0)} ms`;
      process.stdout.write(
        `${count} rules, ${kind}: read ${median(samples.read).toFixed(1)} ms, in a new process ${median(samples.first).toFixed(1)} ms` +
          `${peers}, made ready ${median(samples.ready).toFixed(1)} ms, a decision ${median(samples.decide).toFixed(1)} µs\n`,
      );
    }
  }
  const count = 20_000;
  const kept: [kind: string, texts: string[]][] = Object.entries(wholeFiles).map(([kind, text]) => [
    kind,
    [text(count)],
  ]);
  const each = count / manyFiles;
  const files = Array.from({ length: manyFiles }, (_, file) => lines(each, (index) => plain(file * each + index)));
  for (const [kind, texts] of [...kept, [`${manyFiles} files`, files] as const]) {
    const paths = texts.map((text, file) => {
      const path = join(folder, `${file}.rules`);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    });
    const samples = { ours: [] as number[], peer: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      samples.ours.push(wholeCheck(paths));
      if (peer !== null) samples.peer.push(wholePeer(peer, folder, paths));
    }
    const beside = peer === null ? "" : `, peer ${median(samples.peer).toFixed(0)} ms`;
    process.stdout.write(
      `${count} rules, ${kind}: rules check as a whole ${median(samples.ours).toFixed(0)} ms${beside}\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
