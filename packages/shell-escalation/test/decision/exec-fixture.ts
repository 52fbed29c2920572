/** Execs made from real files, as the broker would report them, without a broker. */
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { parseRules } from "@sallyport/exec-policy/language";
import type { Text } from "@sallyport/protocol";
import type { RuleOrigin, RuleSet } from "@sallyport/rules-store";
import type { Broker, ExecEvent, ExecFile } from "@sallyport/supervisor";
import { createDecider } from "../../src/decision/index.ts";
import type { DeciderOptions, Decision } from "../../src/decision/index.ts";

export interface Call {
  file: string;
  argv: Text[];
  env?: string[];
  cwd?: string;
  /** What is reported instead of `cwd`. */
  reportedCwd?: Text;
  outside?: boolean;
  /** Changes what the broker reports. */
  amend?(chain: ExecFile[]): void;
}

export interface Stage {
  root: string;
  /** The writable root, also the working folder. */
  work: string;
  /** On the PATH, not writable from inside. */
  bin: string;
  decide(rules: string, call: Call, changes?: StageChanges): Promise<Decision>;
  /** "run", "escalate" or "deny", and what the reason says. */
  answer(rules: string, call: Call, changes?: StageChanges): Promise<string>;
}

interface StageChanges extends Partial<Omit<DeciderOptions, "ruleSet">> {
  origin?: RuleOrigin;
  resolve?: Broker["resolve"];
}

export function makeStage(context: TestContext): Stage {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "decision-")));
  const descriptors: number[] = [];
  context.after(() => {
    for (const descriptor of descriptors) closeSync(descriptor);
    rmSync(root, { recursive: true });
  });
  const work = join(root, "work");
  const bin = join(root, "bin");
  for (const folder of [work, bin]) mkdirSync(folder);
  const path = `${bin}:/usr/bin:/bin`;
  const base: Omit<DeciderOptions, "ruleSet"> = {
    session: { env: [`PATH=${path}`, "HOME=/home/somebody", "TERM=dumb"], path, cwd: work },
    wall: { walled: true, writableRoots: [work], translate: (name) => name, denyRead: ["/secret"] },
    brokerIsRoot: false,
    brokerPid: process.pid,
  };
  const decide: Stage["decide"] = async (rules, call, changes = {}) => {
    const { origin = "user", resolve: ask = resolver(call, work, descriptors), ...options } = changes;
    const decider = createDecider({ ...base, ...options, ruleSet: ruleSetOf(rules, origin) });
    return await decider.decide(makeEvent(call, work, descriptors), ask);
  };
  return {
    root,
    work,
    bin,
    decide,
    answer: async (rules, call, changes) => {
      const { verdict, reason } = await decide(rules, call, changes);
      return `${verdict.kind} ${reason.kind}: ${reason.text.replaceAll(root, "~")}`;
    },
  };
}

export function ruleSetOf(text: string, origin: RuleOrigin = "user"): RuleSet {
  const { rules, hosts, errors } = parseRules(text, "t.rules");
  if (errors[0] !== undefined) throw new Error(errors[0].text);
  return { rules: rules.map((rule) => ({ ...rule, origin })), hosts, files: [] };
}

export function makeEvent(call: Call, work: string, descriptors: number[]): ExecEvent {
  const cwd = call.cwd ?? work;
  const chain = openChain(resolve(cwd, call.file), descriptors);
  call.amend?.(chain);
  return {
    requestId: 1,
    pid: 100,
    tid: 100,
    parents: [],
    parentRequestId: null,
    answeredAtMs: null,
    outside: call.outside ?? false,
    file: call.file,
    argv: call.argv,
    cwd: call.reportedCwd ?? cwd,
    env: Buffer.from((call.env ?? []).map((entry) => `${entry}\0`).join("")),
    chain,
  };
}

function resolver(call: Call, work: string, descriptors: number[]): Broker["resolve"] {
  return async (_requestId, path) => {
    if (typeof path !== "string") return { errno: 2 };
    try {
      return { chain: openChain(resolve(call.cwd ?? work, path), descriptors) };
    } catch {
      return { errno: 2 };
    }
  };
}

export function openChain(path: string, descriptors: number[]): ExecFile[] {
  const chain: ExecFile[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const file = openFile(next, descriptors);
    chain.push(file);
    const line = file.interpreter?.file;
    next = typeof line === "string" && isAbsolute(line) ? line : undefined;
  }
  return chain;
}

function openFile(path: string, descriptors: number[]): ExecFile {
  const fd = openSync(path, "r");
  descriptors.push(fd);
  const stats = fstatSync(fd, { bigint: true });
  const head = Buffer.alloc(256);
  const start = head.toString("utf8", 0, readSync(fd, head, 0, head.length, 0));
  const line = /^#! *(\S+)(?: +(.*\S))? *\n/.exec(start);
  return {
    path: readlinkSync(`/proc/self/fd/${fd}`),
    key: `${stats.dev}:${stats.ino}`,
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    nlink: Number(stats.nlink),
    kind: line !== null ? "script" : start.startsWith("\u007fELF") ? "elf" : "other",
    foreign: false,
    ...(line === null
      ? {}
      : { interpreter: { file: line[1] ?? "", ...(line[2] === undefined ? {} : { argument: line[2] }) } }),
    fd,
  };
}

export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
