/** Decides on every exec: collects the evidence, asks the rules, strictest wins. Fails closed because this answer is all that the
 *  waiting exec gets: an error, or no answer in time, denies.
 *
 *      event -> evidence (programs, copies, loader) -> forbidden? unclear? -> opinion -> prompt? -> allow? -> conditions -> verdict
 *               read and looked up, in time            deny                   deny       ask        run       escalate or run  */
import { isDeepStrictEqual } from "node:util";
import type { ReasonKind, Text } from "@sallyport/protocol";
import { strictest } from "@sallyport/exec-policy";
import type {
  ApprovalExec,
  ApprovalKeep,
  ApprovalRecord,
  RuleSet,
  RuleWatch,
  StoredRule,
} from "@sallyport/rules-store";
import { textToDisplay } from "@sallyport/supervisor";
import type { Broker, ExecEvent, ExecFile, Verdict } from "@sallyport/supervisor";
import { environmentChanges } from "./environment-changes.ts";
import { grantingRules, planEscalation } from "./escalation.ts";
import type { EscalationContext } from "./escalation.ts";
import type { Evidence } from "./evidence.ts";
import { EvidenceCollector } from "./evidence.ts";
import { approvalExecOf, proposalsFor } from "./kept-approvals.ts";
import type { ApprovalContext } from "./kept-approvals.ts";
import { Launchers } from "./launchers.ts";
import { loaderSettings, writableSetting } from "./loader-variables.ts";
import { findBoxes } from "./multi-call.ts";
import { isAnonymous } from "./programs.ts";
import { describeRule, deciding } from "./reasons.ts";
import { RuleBook } from "./rule-book.ts";
import type { Copies, Digests, Match, Meanings, Opinion } from "./rule-book.ts";
import { SearchPath } from "./search-path.ts";
import { mayBeWithinReach } from "./second-names.ts";
import { SessionEnvironment } from "./session-environment.ts";
import { displayPath } from "./text-path.ts";
import type { Decider, DeciderOptions, Decision, ExecAnswer, ExecForOpinion, ExecOpinion, ExecRule } from "./types.ts";
import { followWay, Places } from "./way.ts";

const defaultTimeoutMs = 10_000;
const standing: Verdict = { kind: "run", stands: true };

export function createDecider(options: DeciderOptions): Decider {
  const { watch } = options;
  return watch === undefined ? new RuleDecider(options, startSession(options)) : new FollowingDecider(options, watch);
}

/** What is settled when the session starts, whatever the rules are later. */
interface SessionStart {
  places: Places;
  /** For names outside. */
  outsidePlaces: Places;
  searchPath: SearchPath;
  meanings: Meanings;
  launchers: Launchers;
  environment: SessionEnvironment;
  boxes: ReturnType<typeof findBoxes>;
}

function startSession({ session, wall, brokerPid }: DeciderOptions): SessionStart {
  const places = new Places(wall);
  const searchPath = new SearchPath(session);
  return {
    places,
    outsidePlaces: new Places({ ...wall, translate: (path) => path }),
    searchPath,
    meanings: new Map(),
    // It looks at every folder, also at those that can be written from inside.
    launchers: new Launchers(new SearchPath(session), brokerPid),
    environment: new SessionEnvironment(session, places),
    boxes: findBoxes(searchPath),
  };
}

/** The decision, and what each rule about the program had to say. Rejects where `decide()` would deny for an error. */
export async function explainDecision(
  options: DeciderOptions,
  event: ExecEvent,
  resolve: Broker["resolve"],
): Promise<{ decision: Decision; opinions: Opinion[] }> {
  return await new RuleDecider(options, startSession(options)).explain(event, resolve);
}

/** How long an exec that an earlier verdict let run may take to be reported. */
const reportedWithinMs = 10_000;

/** Decides by the rules as they are now. */
class FollowingDecider implements Decider {
  readonly #options: DeciderOptions;
  readonly #watch: RuleWatch;
  readonly #start: SessionStart;
  #ruleSet: RuleSet;
  #current: RuleDecider;
  #previous: { decider: RuleDecider; untilMs: number } | null = null;
  readonly #unsubscribe: () => void;

  constructor(options: DeciderOptions, watch: RuleWatch) {
    this.#options = options;
    this.#watch = watch;
    this.#start = startSession(options);
    this.#ruleSet = watch.ruleSet;
    this.#current = this.#make(watch.ruleSet);
    this.#start.searchPath.close((path) => this.#start.outsidePlaces.isWritable(path));
    this.#unsubscribe = watch.subscribe((ruleSet) => this.#change(ruleSet));
  }

  decide(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision> {
    this.#watch.check();
    if (event.answeredAtMs !== null) return this.#confirm(event, resolve);
    const decider = this.#current;
    const decision = decider.decide(event, resolve);
    return decision instanceof Promise ? this.#decideAgain(event, resolve, decider, decision) : decision;
  }

  /** Rules that came while somebody was asked, or a file was read, count for what waits as well. */
  async #decideAgain(
    event: ExecEvent,
    resolve: Broker["resolve"],
    decider: RuleDecider,
    pending: Promise<Decision>,
  ): Promise<Decision> {
    const decision = await pending;
    this.#watch.check();
    const isOver = this.#current === decider || decision.verdict.kind === "deny";
    return isOver ? decision : await this.decide(event, resolve);
  }

  /** It runs already, because a verdict stood. Where a change was on its way to the broker, that was one of the rules before, and it is
   *  by them that it runs: later ones must not end a command for what they did not forbid yet. */
  #confirm(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision> {
    const previous = this.#previous;
    if (previous !== null && performance.now() <= previous.untilMs) {
      const before = previous.decider.decide(event, resolve);
      if (!(before instanceof Promise) && before.verdict.kind === "run") return before;
    }
    return this.#current.decide(event, resolve);
  }

  close(): void {
    this.#unsubscribe();
  }

  #make(ruleSet: RuleSet): RuleDecider {
    return new RuleDecider({ ...this.#options, ruleSet }, this.#start);
  }

  #change(changed: RuleSet): void {
    const ruleSet = this.#withoutReachable(changed);
    if (isDeepStrictEqual(ruleSet, this.#ruleSet)) return;
    this.#options.onRulesChanged?.();
    this.#previous = { decider: this.#current, untilMs: performance.now() + reportedWithinMs };
    this.#ruleSet = ruleSet;
    this.#current = this.#make(ruleSet);
  }

  /** The attack: a rules file in a writable folder is protected by a mount over it, and an editor that replaces the file takes the mount
   *  away. From then on the command could write its own rules. So of such a file what was read at the start stays. */
  #withoutReachable(changed: RuleSet): RuleSet {
    const before = this.#ruleSet;
    const reachable = new Set(
      [...before.files, ...changed.files].map(({ path }) => path).filter((path) => this.#isReachable(path)),
    );
    if (reachable.size === 0) return changed;
    const isOf = ({ at }: StoredRule): boolean => reachable.has(at.file);
    const kept = before.rules.filter(isOf);
    if (!isDeepStrictEqual(kept, changed.rules.filter(isOf))) {
      const names = [...reachable].map((path) => JSON.stringify(path)).join(", ");
      const where = "where the command can write, so what changed in it counts from the next start on";
      this.#options.onPolicyWarning?.(`${names} lies ${where}`);
    }
    const rules = [...changed.rules.filter((rule) => !isOf(rule)), ...kept];
    const isOfProject = [...before.files, ...changed.files].every(
      ({ path, origin }) => origin === "project" || !reachable.has(path),
    );
    return {
      ...(before.projectHosts === undefined ? {} : { projectHosts: before.projectHosts }),
      // A project's lists are no part of the others', which go on to follow their files.
      hosts: isOfProject ? changed.hosts : before.hosts,
      listed: bothLists(before, changed),
      rules,
      files: before.files,
    };
  }

  #isReachable(path: string): boolean {
    const way = followWay(path, this.#start.outsidePlaces);
    return way.writable !== null || way.private;
  }
}

/** What is forbidden by a name only gets more places: a list that has become shorter may have been made so from inside. */
function bothLists(before: RuleSet, changed: RuleSet): Map<string, readonly string[]> {
  const both = new Map<string, readonly string[]>();
  for (const { listed, hosts } of [before, changed]) {
    for (const [name, paths] of listed ?? hosts) both.set(name, [...new Set([...(both.get(name) ?? []), ...paths])]);
  }
  return both;
}

class RuleDecider implements Decider {
  readonly #options: DeciderOptions;
  readonly #places: Places;
  readonly #outsidePlaces: Places;
  readonly #rules: RuleBook;
  readonly #evidence: EvidenceCollector;
  readonly #escalation: EscalationContext;
  readonly #approvals: ApprovalContext;

  constructor(options: DeciderOptions, start: SessionStart) {
    const { places, outsidePlaces, searchPath, meanings, launchers, environment, boxes } = start;
    const { wall, brokerPid } = options;
    this.#options = options;
    this.#places = places;
    // Below an escalated program every path is named as it is outside.
    this.#outsidePlaces = outsidePlaces;
    this.#rules = new RuleBook(options.ruleSet, searchPath, meanings);
    this.#evidence = new EvidenceCollector({
      watched: this.#rules.watched,
      boxes,
      asksForContent: (program, cwd, copies) => this.#rules.asksForContent(program, cwd, copies),
      wall,
      places: this.#places,
      brokerPid,
    });
    this.#escalation = { options, places, launchers, environment };
    this.#approvals = { places, launchers, brokerPid };
  }

  decide(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision> {
    try {
      if (event.chain.length === 0)
        return deny(event.file, "identity", "the caller hides its memory, so what it executes can't be read");
      const evidence = this.#evidence.collect(event, resolve);
      if (evidence instanceof Promise) return this.#decideLater(event, evidence);
      const decision = this.#judge(event, evidence);
      return decision instanceof Promise ? decision.catch((error: unknown) => failed(event, error)) : decision;
    } catch (error) {
      return failed(event, error);
    }
  }

  async #decideLater(event: ExecEvent, pending: Promise<Evidence>): Promise<Decision> {
    const timeoutMs = this.#options.evidenceTimeoutMs ?? defaultTimeoutMs;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    const timer = setTimeout(() => giveUp(null), timeoutMs);
    try {
      const evidence = await Promise.race([pending, late]);
      if (evidence !== null) return await this.#judge(event, evidence);
      return deny(fileOf(event), "identity", `it could not be told within ${timeoutMs / 1000} s what would run`);
    } catch (error) {
      return failed(event, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async explain(event: ExecEvent, resolve: Broker["resolve"]): Promise<{ decision: Decision; opinions: Opinion[] }> {
    const evidence = await this.#evidence.collect(event, resolve);
    const { copies, digests } = lookUpsOf(evidence);
    const matches = [...this.#restrictions(event, evidence), ...this.#permissions(event, evidence)];
    const opinions = this.#rules.opinions(evidence.programs, event.cwd, copies, digests, matches);
    return { decision: await this.#judge(event, evidence), opinions };
  }

  #restrictions(event: ExecEvent, evidence: Evidence): Match[] {
    const { copies, digests } = lookUpsOf(evidence);
    return this.#rules.restrictions(evidence.programs, event.cwd, copies, digests);
  }

  #permissions(event: ExecEvent, evidence: Evidence, granted: "allows" | "prompts" = "allows"): Match[] {
    const { sureCopies, digests } = lookUpsOf(evidence);
    return this.#rules.permissions(judgedPrograms(evidence), event.cwd, sureCopies, digests, granted);
  }

  #judge(event: ExecEvent, evidence: Evidence): Decision | Promise<Decision> {
    const file = evidence.loaded?.file.path ?? fileOf(event);
    const restrictions = this.#restrictions(event, evidence);
    const strict = strictest(restrictions.map(({ rule }) => rule.decision));
    const decisive = strict === undefined ? undefined : deciding(strictestPrompts(restrictions), strict);
    if (decisive !== undefined && strict === "forbidden")
      return { ...deny(file, "rule", describeRule(decisive)), decidedBy: decisive.rule };
    const foreign = event.chain.find((part) => part.foreign);
    if (foreign !== undefined)
      return deny(file, "identity", `${displayPath(foreign.path)} is a program for another machine`);
    if (evidence.unclear !== null) return deny(file, "identity", evidence.unclear);
    const judged: Judged = { evidence, file, prompt: decisive ?? null, answers: answersTo(restrictions) };
    return this.#options.consult === undefined
      ? this.#byRules(event, judged, null)
      : this.#withOpinion(event, judged, this.#options.consult.bind(this.#options));
  }

  /** A hook or a harness may tighten what the rules say; never loosen it. */
  async #withOpinion(
    event: ExecEvent,
    judged: Judged,
    consult: (exec: ExecForOpinion) => Promise<ExecOpinion | null>,
  ): Promise<Decision> {
    const { file, prompt, evidence } = judged;
    const allowing = this.#permissions(event, evidence)[0];
    const match = prompt ?? allowing;
    const { requestId, argv, cwd } = event;
    const opinion = await consult({
      requestId,
      file,
      argv,
      cwd,
      parents: this.#options.parentsOf?.(event) ?? [],
      rule: match === undefined ? null : ruleOf(match, prompt === null ? "allow" : "prompt"),
    });
    if (opinion?.decision === "deny") {
      const text = `${opinion.reason}: denied by ${opinion.by}`;
      return { verdict: { kind: "deny", reason: opinion.reason }, reason: { kind: "hook", text }, file };
    }
    return await this.#byRules(event, judged, opinion);
  }

  #byRules(event: ExecEvent, judged: Judged, opinion: ExecOpinion | null): Decision | Promise<Decision> {
    const { evidence, file, prompt, answers } = judged;
    const rule = prompt === null ? null : describeRule(prompt);
    const wish = rule ?? (opinion?.decision === "ask" ? opinion.reason : null);
    if (wish !== null) {
      const kind = rule === null ? "hook" : "rule";
      const asking = rule ?? `${wish} (asked for by ${opinion?.by})`;
      const unasked = `${asking} wants a person to be asked, and nobody was asked`;
      const answered = this.#askFirst(event, { file, reason: wish, kind, evidence, unasked, answers }, (by) => {
        // Judged only now: what stood on the disk when the question was asked may have been changed since.
        const granted = this.#permissions(event, evidence, "prompts");
        const kept = granted.length === 0 || keepsInside(event, opinion);
        const decision = kept ? run(file, "approval", `${asking}${by}`) : this.#allow(event, evidence, granted, file);
        return prompt === null ? decision : { ...decision, rule: ruleOf(prompt, "prompt") };
      });
      if (prompt === null) return answered;
      const named = (decision: Decision): Decision => ({ ...decision, decidedBy: prompt.rule });
      return answered instanceof Promise ? answered.then(named) : named(answered);
    }
    const permissions = this.#permissions(event, evidence);
    const [first] = permissions;
    if (first === undefined) return this.#withoutRule(event, evidence, file, opinion);
    const matched = ruleOf(first, "allow");
    const allowed = { ...this.#allow(event, evidence, permissions, file), rule: matched };
    if (opinion === null || allowed.verdict.kind !== "escalate" || !keepsInside(event, opinion)) return allowed;
    return {
      ...run(file, "hook", `${opinion.reason}: kept inside by ${opinion.by}`),
      rule: matched,
      decidedBy: first.rule,
    };
  }

  #withoutRule(
    event: ExecEvent,
    evidence: Evidence,
    file: Text,
    opinion: ExecOpinion | null,
  ): Decision | Promise<Decision> {
    const doubt = this.#doubtAbout(event, evidence, file);
    const { defaultDecision } = this.#options;
    if (defaultDecision === "forbidden")
      return deny(file, "default", 'no rule matches, and the configuration says default = "forbidden"');
    if (doubt === null && defaultDecision === "prompt") return this.#askByDefault(event, evidence, file);
    if (doubt === null && opinion?.decision === "escalate" && opinion.mayEscalate === true)
      return this.#onItsWord(event, evidence, file, opinion);
    if (doubt === null) {
      const decision = run(file, "default", `no rule matches${goesOn(event)}`);
      return this.#stands(event, evidence) ? { ...decision, verdict: standing } : decision;
    }
    const unasked = `${doubt}: no rule allows it, and nobody was asked`;
    const reason = `${doubt}, and no rule allows it`;
    return this.#askFirst(event, { file, reason, kind: "identity", evidence, unasked }, (by) =>
      run(file, "approval", `${doubt}${by}`),
    );
  }

  /** An opinion that may escalate is no more than an allow rule for this very program, without any setting. */
  #onItsWord(event: ExecEvent, evidence: Evidence, file: Text, { reason, by }: ExecOpinion): Decision {
    if (event.outside || !this.#options.wall.walled) return run(file, "default", `no rule matches${goesOn(event)}`);
    const escalation = planEscalation(ownMatch(file), event, evidence, this.#escalation);
    if (escalation.kind === "refused")
      return run(
        file,
        escalation.because,
        `${reason}: ${by} wants it outside, but it is kept inside: ${escalation.text}`,
      );
    const { verdict, droppedEnv } = escalation;
    return { verdict, reason: { kind: "hook", text: `${reason}: carried outside by ${by}` }, droppedEnv, file };
  }

  /** What no rule is about is asked about, and a yes does not carry it outside. */
  #askByDefault(event: ExecEvent, evidence: Evidence, file: Text): Decision | Promise<Decision> {
    const reason = 'no rule matches, and the configuration says default = "prompt"';
    const unasked = `${reason}: nobody was asked`;
    return this.#askFirst(event, { file, reason, kind: "default", evidence, unasked }, (by) =>
      run(file, "approval", `no rule matches${by}`),
    );
  }

  #doubtAbout(event: ExecEvent, evidence: Evidence, file: Text): string | null {
    const anonymous = evidence.programs.find((program) => isAnonymous(program.file));
    if (anonymous !== undefined) return `${displayPath(anonymous.file.path)} has no name in the file system`;
    return this.#loaderProblem(event, evidence, file);
  }

  /** A kept approval answers before anybody is asked. It answers this question and no other: what is forbidden never comes here. */
  #askFirst(event: ExecEvent, about: Doubt, allowed: (by: string) => Decision): Decision | Promise<Decision> {
    const exec = this.#approvalExec(event, about.evidence, about.file);
    const kept = this.#keptFor(exec, about);
    if (kept === null && this.#options.ask === undefined) return deny(about.file, about.kind, about.unasked);
    if (kept === null) return this.#ask(event, about, exec, allowed);
    const by = `approval ${kept.id}`;
    return approved(allowed(`; approved by ${by}`), by);
  }

  #keptFor(exec: ApprovalExec | null, { answers = "all" }: Doubt): ApprovalRecord | null {
    const { approvals } = this.#options;
    if (exec === null || approvals === undefined || answers === "person") return null;
    return answers === "session" ? approvals.find(exec, "session") : approvals.find(exec);
  }

  async #ask(
    event: ExecEvent,
    about: Doubt,
    exec: ApprovalExec | null,
    allowed: (by: string) => Decision,
  ): Promise<Decision> {
    const { answers = "all" } = about;
    const proposals =
      exec === null || answers !== "all" ? [] : proposalsFor(exec, judgedPrograms(about.evidence), this.#approvals);
    const answer: ExecAnswer | undefined = await this.#options.ask?.({
      requestId: event.requestId,
      file: about.file,
      argv: event.argv,
      cwd: event.cwd,
      reason: about.reason,
      identity: identityOf(event, this.#variablesForOutside(event, about.evidence)),
      proposals,
      answeredBy: answers === "person" ? "person" : "anybody",
      parents: this.#options.parentsOf?.(event) ?? [],
      ...environmentChanges(event.env, this.#options.session.env),
      rule: about.kind === "rule" ? about.reason : null,
      keptMeanwhile: () => this.#keptFor(exec, about)?.id ?? null,
    });
    if (answer?.kind !== "allow") {
      const why = answer?.kind === "deny" ? answer.reason : "the answer was not understood";
      return deny(about.file, answer?.kind === "deny" ? "approval" : about.kind, `${about.reason}: ${why}`);
    }
    const keep = answers === "person" ? undefined : answer.keep;
    const known = keep?.scope === "always" ? proposals.find((one) => isDeepStrictEqual(one, keep.proposal)) : undefined;
    // A client's word for what a yes holds for: only what was shown to the person may be kept.
    if (keep?.scope === "always" && known === undefined)
      return deny(about.file, about.kind, `${about.reason}: the answer names an approval that was not proposed`);
    const by = keep === undefined || exec === null ? answer.by : this.#keep(keep, exec, about.reason, answer.by);
    return ifSame(approved(allowed(`; approved by ${by}`), by));
  }

  /** Who said yes, and what became of it. */
  #keep(keep: ApprovalKeep, exec: ApprovalExec, reason: string, by: string): string {
    const { approvals, threadId } = this.#options;
    if (approvals === undefined) return by;
    try {
      const origin = { by, for: reason, ...(threadId === undefined ? {} : { threadId }) };
      const { id } = approvals.keep(keep, exec, origin);
      return `${by}, kept as approval ${id}`;
    } catch (error) {
      // The yes was given, so it counts; that it will be asked again is told at once, and is in the record.
      const why = `for this once: ${error instanceof Error ? error.message : String(error)}`;
      this.#options.onPolicyWarning?.(`The yes for longer holds ${why}`);
      return `${by}, ${why}`;
    }
  }

  #approvalExec(event: ExecEvent, evidence: Evidence, file: Text): ApprovalExec | null {
    const hasLoaderProblem = this.#loaderProblem(event, evidence, file) !== null;
    // Outside no wall stands around what the loader is told to load, so each such start is asked about.
    if (this.#options.approvals === undefined || (hasLoaderProblem && event.outside)) return null;
    const settings = hasLoaderProblem ? [...loaderSettings(event.env), ...evidence.settings] : [];
    // What a person has said yes to once is no yes to the same arguments with another GIT_DIR.
    const unusual = [
      ...settings.map(({ name, value }) => [name, value]),
      ...this.#variablesForOutside(event, evidence),
    ];
    return approvalExecOf(event, { programs: judgedPrograms(evidence), unusual }, this.#approvals);
  }

  /** What the caller has set, and a rule would hand on to the program outside. */
  #variablesForOutside(event: ExecEvent, evidence: Evidence): Text[] {
    const granted = this.#permissions(event, evidence, "prompts").map(({ rule }) => rule);
    const names = new Set(granted.flatMap(({ env, escalateWith }) => [...env, ...(escalateWith?.env ?? [])]));
    if (names.size === 0) return [];
    const { changedEnv } = environmentChanges(event.env, this.#options.session.env);
    return changedEnv.filter((entry) => names.has(textToDisplay(entry).split("=", 1)[0] ?? ""));
  }

  /** Whether the same program by the same name has to run whatever its other arguments and its environment are. The attack:
   *  a file that can be changed from inside becomes another program under the eyes of a verdict that stands, so only what is
   *  out of reach can have one. */
  #stands(event: ExecEvent, evidence: Evidence): boolean {
    return (
      event.answeredAtMs === null &&
      // Whoever is consulted may look at the arguments.
      this.#options.consult === undefined &&
      this.#options.wall.walled &&
      !event.outside &&
      evidence.plain &&
      evidence.programs.every((program) => program.multiCall === null) &&
      event.chain.every((file) => this.#isOutOfReach(file)) &&
      !this.#rules.concerns(evidence.programs, event.cwd)
    );
  }

  #isOutOfReach(file: ExecFile): boolean {
    const { path } = file;
    if (typeof path !== "string" || !path.startsWith("/") || this.#places.isWritable(path)) return false;
    return !mayBeWithinReach(file, this.#places, this.#options.brokerIsRoot);
  }

  #loaderProblem(event: ExecEvent, evidence: Evidence, program: Text): string | null {
    const settings = [...loaderSettings(event.env), ...evidence.settings];
    const places = event.outside ? this.#outsidePlaces : this.#places;
    return writableSetting(settings, { cwd: event.cwd, program, places });
  }

  #allow(event: ExecEvent, evidence: Evidence, permissions: Match[], file: Text): Decision {
    const first = deciding(permissions, "allow");
    const decision = this.#allowBy(event, evidence, permissions, {
      file,
      named: first === undefined ? "" : describeRule(first),
    });
    return { ...(first === undefined ? {} : { decidedBy: first.rule }), ...decision };
  }

  #allowBy(
    event: ExecEvent,
    evidence: Evidence,
    permissions: Match[],
    { file, named }: { file: Text; named: string },
  ): Decision {
    if (event.outside) {
      // Here the environment is the caller's own, and no wall stands around what it loads.
      const problem = this.#loaderProblem(event, evidence, file);
      if (problem !== null) return deny(file, "identity", `${problem}, and this is outside the wall`);
      return run(file, "rule", `${named} allows it${goesOn(event)}`);
    }
    if (!this.#options.wall.walled) return run(file, "rule", `${named} allows it; there is no wall to leave`);
    let kept: Decision | undefined;
    // Each rule is judged with its own settings: two rules together never grant what neither grants.
    for (const match of grantingRules(permissions)) {
      const escalation = planEscalation(match, event, evidence, this.#escalation);
      if (escalation.kind === "possible") {
        const { verdict, droppedEnv } = escalation;
        const bounded = verdict.bounds === undefined ? "" : ", in a sandbox of its own";
        return {
          verdict,
          reason: { kind: "rule", text: `${describeRule(match)} allows it${bounded}` },
          droppedEnv,
          file,
          decidedBy: match.rule,
        };
      }
      kept ??= run(
        file,
        escalation.because,
        `${describeRule(match)} allows it, but it is kept inside: ${escalation.text}`,
      );
    }
    return kept ?? run(file, "rule", named);
  }
}

/** What was found out about an exec that no rule forbids. */
interface Judged {
  evidence: Evidence;
  file: Text;
  /** The rule that wants a person to be asked. */
  prompt: Match | null;
  answers: Answers;
}

/** What may answer a question besides a person: all that was kept, what was kept for the session, or nothing. */
type Answers = "all" | "session" | "person";

/** What is managed is not loosened by what a user has kept. The attack: a line in approvals.rules, or a yes from before the managed rule
 *  was there, answers for good what the machine's rules want to be asked about. */
function answersTo(restrictions: readonly Match[]): Answers {
  if (restrictions.some(({ rule }) => rule.onlyPerson === true)) return "person";
  return restrictions.some(({ rule }) => rule.origin === "managed") ? "session" : "all";
}

/** Where a person's own word is wanted, the rule to name is one that says so. */
function strictestPrompts(restrictions: readonly Match[]): readonly Match[] {
  const ofPerson = restrictions.filter(({ rule }) => rule.onlyPerson === true || rule.decision === "forbidden");
  return ofPerson.length > 0 ? ofPerson : restrictions;
}

function ruleOf({ rule }: Match, decision: ExecRule["decision"]): ExecRule {
  return { decision, justification: rule.justification ?? null };
}

/** As if a rule of the user's allowed the program by its path, and nothing more. */
function ownMatch(file: Text): Match {
  return {
    rule: {
      program: textToDisplay(file),
      rest: [],
      decision: "allow",
      escalate: false,
      env: [],
      canonical: false,
      exact: false,
      at: { file: "", line: 0, column: 0 },
      origin: "user",
    },
    by: "path",
    known: null,
  };
}

/** What run means there. */
function goesOn({ outside, inBounds }: ExecEvent): string {
  if (!outside) return "";
  return inBounds === true ? "; it goes on inside the bounded sandbox" : "; it goes on outside";
}

/** Outside there is no inside to keep it in: there `run` means that it goes on. */
function keepsInside(event: ExecEvent, opinion: ExecOpinion | null): boolean {
  return opinion?.decision === "run" && !event.outside;
}

interface Doubt {
  file: Text;
  reason: string;
  kind: ReasonKind;
  evidence: Evidence;
  /** What is said where there is nobody to ask. */
  unasked: string;
  /** Default `all`. */
  answers?: Answers;
}

/** The record names who allowed it, wherever it then runs. */
function approved(decision: Decision, by: string): Decision {
  const { text } = decision.reason;
  const named = text.endsWith(`approved by ${by}`) ? text : `${text}; approved by ${by}`;
  return {
    ...decision,
    reason: { kind: decision.reason.kind === "rule" ? "approval" : decision.reason.kind, text: named },
  };
}

/** All that an approval is given for: the very files, unchanged, and how they are called. */
function identityOf({ chain, argv, cwd, env }: ExecEvent, variables: readonly Text[]): string {
  const files = chain.map(({ path, key, ctimeNs }) => [path, key, String(ctimeNs)]);
  return JSON.stringify([files, argv, cwd, loaderSettings(env), variables]);
}

function lookUpsOf(evidence: Evidence): { copies: Copies; sureCopies: Copies; digests: Digests } {
  const copies: Copies = (of) => evidence.copies.get(of)?.files ?? [];
  return {
    copies,
    sureCopies: (of) => (evidence.copies.get(of)?.sure === true ? copies(of) : []),
    digests: (of) => evidence.digests.get(of) ?? null,
  };
}

/** What was asked for, or what the dynamic loader was told to run. */
function judgedPrograms({ programs, loaded }: Evidence): Evidence["programs"] {
  return loaded === null ? programs : programs.slice(programs.indexOf(loaded));
}

function fileOf(event: ExecEvent): Text {
  return event.chain[0]?.path ?? event.file;
}

function run(file: Text, kind: ReasonKind, text: string): Decision {
  return { verdict: { kind: "run" }, reason: { kind, text }, file };
}

/** The attack: another program is put in the place of the one that the person reads about. What is carried outside has been opened. */
function ifSame(decision: Decision): Decision {
  return decision.verdict.kind === "run" ? { ...decision, verdict: { kind: "run", ifSame: true } } : decision;
}

function deny(file: Text, kind: ReasonKind, text: string): Decision {
  return { verdict: { kind: "deny", reason: text }, reason: { kind, text }, file };
}

function failed(event: ExecEvent, error: unknown): Decision {
  const message = error instanceof Error ? error.message : String(error);
  return deny(fileOf(event), "default", `the decision failed: ${message}`);
}
