/** When an allowed program may be carried outside. Anything in the sandbox, hostile code included, can call an allowed program, so
 *  the rule alone is not enough. Every condition that fails has its own words, which go into the record. */
import type { ReasonKind, Text } from "@sallyport/protocol";
import type { RuleOrigin } from "@sallyport/rules-store";
import { textToDisplay } from "@sallyport/supervisor";
import type { ExecEvent, ExecFile, Verdict } from "@sallyport/supervisor";
import { replaceVariables } from "../session-bytes.ts";
import { planBounds } from "./bounds.ts";
import type { Evidence } from "./evidence.ts";
import type { Launchers } from "./launchers.ts";
import { interpreterArgv, isAnonymous } from "./programs.ts";
import type { Program } from "./programs.ts";
import type { Match } from "./rule-book.ts";
import { mayBeWithinReach } from "./second-names.ts";
import type { SessionEnvironment } from "./session-environment.ts";
import { baseName, displayPath, hasSlash } from "./text-path.ts";
import type { DeciderOptions } from "./types.ts";
import { followWay } from "./way.ts";
import type { Places } from "./way.ts";

export interface EscalationContext {
  options: DeciderOptions;
  places: Places;
  launchers: Launchers;
  environment: SessionEnvironment;
}

export type Escalation =
  | { kind: "possible"; verdict: Verdict & { kind: "escalate" }; droppedEnv: Text[] }
  /** `text` completes "kept inside: ...". */
  | { kind: "refused"; because: ReasonKind; text: string };

type Refusal = Escalation & { kind: "refused" };

const regularFile = 0o100000;
const fileType = 0o170000;
const setIds = 0o6000;

// A rule that comes with the code that is worked on may spare a question; it may not open the wall for that code.
const mayEscalate: ReadonlySet<RuleOrigin> = new Set(["system", "user", "flag", "managed"]);

export function planEscalation(
  match: Match,
  event: ExecEvent,
  evidence: Evidence,
  context: EscalationContext,
): Escalation {
  const refusal =
    refuseFiles(event, context) ??
    refuseWays(event, context.places) ??
    refuseFolder(event.cwd, context.places) ??
    refuseProgram(match, evidence, context);
  if (refusal !== null) return refusal;
  const { cwd } = event;
  const caller = { env: event.env, cwd: typeof cwd === "string" ? cwd : null };
  const { escalateWith } = match.rule;
  const sandbox = escalateWith === undefined ? null : planBounds(escalateWith, event, context.options);
  if (typeof sandbox === "string") return refuse("rule", sandbox);
  const passed = escalateWith === undefined ? match.rule.env : [...match.rule.env, ...escalateWith.env];
  const { env, dropped } = context.environment.forEscalation(caller, passed);
  const verdict: Verdict = {
    kind: "escalate",
    chainIndex: event.chain.length - 1,
    argv: [...escalatedArgv(event)],
    env: sandbox === null ? env : replaceVariables([...env], sandbox.env),
    cwd: typeof cwd === "string" ? context.places.outside(cwd) : cwd,
    denyRead: [...context.options.wall.denyRead],
    ...(sandbox === null ? {} : { bounds: sandbox.bounds }),
  };
  return { kind: "possible", verdict, droppedEnv: dropped };
}

/** The rules that may carry it outside, the longest first; of equals the later one. Strictest wins: where one that may escalate has
 *  bounds, none without is looked at, be the sandbox there to be had or not. */
export function grantingRules(matches: readonly Match[]): Match[] {
  const byLength = matches.toReversed().toSorted((left, right) => right.rule.rest.length - left.rule.rest.length);
  const bounded = byLength.filter(({ rule }) => rule.escalateWith !== undefined && mayEscalate.has(rule.origin));
  return bounded.length > 0 ? bounded : byLength;
}

function refuse(because: ReasonKind, text: string): Refusal {
  return { kind: "refused", because, text };
}

/** What the files are: (a) regular and out of reach, (b) opened, so that the judged file is the one that is executed. */
function refuseFiles(event: ExecEvent, { options, places }: EscalationContext): Refusal | null {
  for (const file of event.chain) {
    const name = displayPath(file.path);
    if (isAnonymous(file)) return refuse("identity", `${name} has no name in the file system`);
    if ((file.mode & fileType) !== regularFile) return refuse("identity", `${name} is not a regular file`);
    if (typeof file.path !== "string") return refuse("identity", "the name of the program is not UTF-8");
    if (places.isPrivate(file.path)) return refuse("identity", `${name} lies in a file system of the sandbox's own`);
    if (places.isWritable(file.path)) return refuse("identity", `${name} can be written from inside`);
    if (mayBeWithinReach(file, places, options.brokerIsRoot))
      return refuse("identity", `${name} has ${file.nlink} names, and not all are known to be out of reach`);
    if (file.fd < 0)
      return refuse("identity", `${name} could not be opened, so it cannot be made sure that this very file runs`);
  }
  const executed = event.chain.at(-1);
  if (executed !== undefined && (executed.mode & setIds) !== 0 && !options.brokerIsRoot) {
    return refuse("identity", `${displayPath(executed.path)} would lose its privilege below the interceptor`);
  }
  return null;
}

/** How the files were reached: (a) named absolutely, on a way that nothing inside can bend. */
function refuseWays(event: ExecEvent, places: Places): Refusal | null {
  let calledAs = event.file;
  for (const file of event.chain) {
    const refusal = refuseWay(calledAs, file, places);
    if (refusal !== null) return refusal;
    calledAs = file.interpreter?.file ?? "";
  }
  return null;
}

/** The working folder has to be the same folder outside. */
function refuseFolder(cwd: Text, places: Places): Refusal | null {
  // Only the start of a path decides on its translation, so bytes that are not UTF-8 further on do no harm.
  const shown = textToDisplay(cwd);
  if (places.isPrivate(shown)) return refuse("rule", "its working folder lies in a file system of the sandbox's own");
  const isNamable = typeof cwd === "string" || places.outside(shown) === shown;
  return isNamable ? null : refuse("rule", "its working folder is private, and its name is not UTF-8");
}

/** A way that nothing inside can bend stays what it was; with the identity of the file that it led to. */
const straightWays = new WeakMap<Places, Map<string, string>>();
const straightWaysLimit = 1000;

function refuseWay(calledAs: Text, file: ExecFile, places: Places): Refusal | null {
  const known = straightWays.get(places) ?? new Map<string, string>();
  straightWays.set(places, known);
  const identity = `${textToDisplay(file.path)}\0${file.key}\0${file.ctimeNs}`;
  if (typeof calledAs === "string" && known.get(calledAs) === identity) return null;
  const refusal = followAndRefuse(calledAs, file, places);
  if (refusal === null && typeof calledAs === "string" && known.size < straightWaysLimit) known.set(calledAs, identity);
  return refusal;
}

function followAndRefuse(calledAs: Text, file: ExecFile, places: Places): Refusal | null {
  const name = displayPath(calledAs);
  if (typeof calledAs !== "string" || !calledAs.startsWith("/")) {
    return refuse("identity", `${name} is neither on the PATH that the session started with nor an absolute path`);
  }
  const way = followWay(calledAs, places);
  if (way.writable !== null)
    return refuse(
      "identity",
      `the way to ${name} leads through ${displayPath(way.writable)}, which can be written from inside`,
    );
  if (way.private) return refuse("identity", `the way to ${name} leads through a file system of the sandbox's own`);
  if (way.resolved !== file.path)
    return refuse("identity", `${name} does not lead to ${displayPath(file.path)} outside`);
  return null;
}

/** What it would do: (d) whose rule it is, (e) launchers, and names that make a program another one. */
function refuseProgram(match: Match, evidence: Evidence, { launchers }: EscalationContext): Refusal | null {
  const { rule } = match;
  const [asked, second] = evidence.programs;
  if (asked === undefined) return refuse("identity", "no program was found");
  if (evidence.loaded !== null) return refuse("identity", "it is started through the dynamic loader");
  if (!mayEscalate.has(rule.origin)) return refuse("rule", "a rule of the project does not carry programs outside");
  const applet = second?.part === "applet" && second.names.includes(baseName(rule.program)) ? second : null;
  const launcher = rule.escalate ? null : launchers.reasonFor(applet ?? asked);
  if (launcher !== null) return refuse("launcher", `${launcher}, and the rule does not say escalate = True`);
  return asked.file.kind === "script" ? null : refuseCallName(rule.program, asked);
}

/** Many programs do other things under other names (git-push, unxz, python in a tree of its own): argv[0] is the caller's word. */
function refuseCallName(ruleProgram: string, asked: Program): Refusal | null {
  const callName = asked.argv[0] ?? "";
  const isPlain = callName === baseName(ruleProgram);
  const isPath = hasSlash(callName) && callName === asked.calledAs && baseName(callName) === baseName(ruleProgram);
  return isPlain || isPath ? null : refuse("identity", `it is called by another name, ${displayPath(callName)}`);
}

/** The interpreter of a script is executed with the arguments that the kernel would give it. The ways to the script and to its
 *  interpreters are out of reach by now, so their names as written are safe to hand on. */
function escalatedArgv(event: ExecEvent): readonly Text[] {
  let argv: readonly Text[] = event.argv;
  let calledAs = event.file;
  for (const file of event.chain) {
    if (file.interpreter === undefined) break;
    argv = interpreterArgv(file.interpreter, calledAs, argv);
    calledAs = file.interpreter.file;
  }
  return argv;
}
