/** What would be decided about a command, without running it: the files are opened as the broker would open them. */
import { closeSync, fstatSync, openSync, readSync, readlinkSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import type { Text } from "@sallyport/protocol";
import type { ApprovalBook, RuleSet } from "@sallyport/rules-store";
import type { Bounds, Broker, ExecEvent, ExecFile } from "@sallyport/supervisor";
import { findProgram } from "../program-search.ts";
import { findVariable } from "../session-bytes.ts";
import { explainDecision } from "./decider.ts";
import type { Opinion } from "./rule-book.ts";
import type { Decision, DeciderOptions, ExecQuestion } from "./types.ts";

export interface ExplainOptions {
  ruleSet: RuleSet;
  argv: readonly string[];
  /** NAME=value entries. */
  env: readonly Text[];
  /** An absolute path; the folder that can be written from inside. */
  cwd: string;
  /** Kept approvals, one of which may answer. */
  approvals?: ApprovalBook;
  defaultDecision?: NonNullable<DeciderOptions["defaultDecision"]>;
}

export interface Explanation {
  /** The resolved program, then the interpreters of its `#!` chain. */
  files: readonly Text[];
  /** Where a person would be asked: after a yes. */
  decision: Decision;
  opinions: readonly Opinion[];
  /** What a person would be asked; null: nothing. */
  question: ExecQuestion | null;
}

/** Nothing is started here, so nothing is planned: it is only told that there would be a sandbox. */
const unbuilt: Bounds = {
  outerArgv: [],
  wall: {
    landlock: null,
    seccomp: true,
    refuseUnixSockets: false,
    refuseInetSockets: false,
    keepCapabilities: 0n,
    probe: null,
  },
};
const maxChain = 5;
const lineBytes = 256;

/** As `sallyport run` with its default options would decide in this folder. Throws `PROGRAM_NOT_FOUND` and
 *  `PROGRAM_NOT_EXECUTABLE`. */
export async function explainExec(given: ExplainOptions): Promise<Explanation> {
  const { ruleSet, argv, env, cwd, approvals, defaultDecision } = given;
  const path = findVariable([...env], "PATH");
  const program = findProgram(argv[0] ?? "", [...argv], path, cwd);
  using opened = new DisposableStack();
  const chain = openChain(program.file, cwd, opened);
  const event: ExecEvent = {
    requestId: 0,
    pid: process.pid,
    tid: process.pid,
    parents: [],
    parentRequestId: null,
    answeredAtMs: null,
    outside: false,
    file: program.file,
    argv: program.argv,
    cwd,
    env: Buffer.from(env.map((entry) => (typeof entry === "string" ? `${entry}\0` : "")).join("")),
    chain,
  };
  const behindLoader: Broker["resolve"] = async (_requestId, file) => {
    try {
      return { chain: typeof file === "string" ? openChain(file, cwd, opened) : [] };
    } catch {
      return { errno: 2 };
    }
  };
  let question: ExecQuestion | null = null;
  const options: DeciderOptions = {
    ask: async (asked) => {
      question = asked;
      return { kind: "allow", by: "a person" };
    },
    ...(approvals === undefined ? {} : { approvals }),
    ...(defaultDecision === undefined ? {} : { defaultDecision }),
    ruleSet,
    session: { env: [...env], path: path ?? "", cwd },
    wall: { walled: true, writableRoots: [cwd, "/tmp"], translate: (name) => name, denyRead: [] },
    brokerIsRoot: process.geteuid?.() === 0,
    brokerPid: process.pid,
    sandboxFor: () => ({ bounds: unbuilt, env: {} }),
  };
  const { decision, opinions } = await explainDecision(options, event, behindLoader);
  return { files: chain.map((file) => file.path), decision, opinions, question };
}

function openChain(start: string, cwd: string, opened: DisposableStack): ExecFile[] {
  const chain: ExecFile[] = [];
  let next: string | null = start;
  while (next !== null && chain.length < maxChain) {
    const file = openFile(resolvePath(cwd, next), opened);
    chain.push(file);
    const line = file.interpreter?.file;
    next = typeof line === "string" ? line : null;
  }
  return chain;
}

function openFile(path: string, opened: DisposableStack): ExecFile {
  const fd = opened.adopt(openSync(path, "r"), closeSync);
  const stats = fstatSync(fd, { bigint: true });
  const head = Buffer.alloc(lineBytes);
  const length = readSync(fd, head, 0, head.length, 0);
  const start = head.subarray(0, length).toString("utf8");
  const [line, file, argument] = /^#![ \t]*([^ \t\n]+)(?:[ \t]+([^\n]*[^ \t\n]))?[ \t]*\n/.exec(start) ?? [];
  const interpreter = file === undefined ? {} : { interpreter: argument === undefined ? { file } : { file, argument } };
  return {
    path: readlinkSync(`/proc/self/fd/${fd}`),
    key: `${stats.dev}:${stats.ino}`,
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    nlink: Number(stats.nlink),
    kind: line !== undefined ? "script" : start.startsWith("\u007fELF") ? "elf" : "other",
    foreign: false,
    ...interpreter,
    fd,
  };
}
