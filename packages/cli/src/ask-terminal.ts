/** Asks at the terminal that the command uses. While a question is open the whole tree stands still (docs/approvals.md), so what waits
 *  is asked one after the other in one go.
 *
 *      question  -> hold the tree, unless it is held -> show, ask -> answer
 *      question  -> ............................ waits ..-> still needed? -> show, ask -> answer, let go        */
import { writeFileSync } from "node:fs";
import type { ExecAnswer, ExecQuestion, GuardedRunOptions } from "@sallyport/shell-escalation";
import type { HeldTree } from "@sallyport/supervisor";
import { deny, denyFor, offerChoices, readChoice, readWords } from "./ask-choices.ts";
import type { OfferedChoice } from "./ask-choices.ts";
import { fullLines, shortLines, usableSize } from "./ask-screen.ts";
import { cutToRoom } from "./display-text.ts";

type Hold = Parameters<NonNullable<GuardedRunOptions["ask"]>>[2];

const defaultLimitMs = 300_000;
const defaultSettleMs = 800;
const endSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
const clearScreen = "\u001b[H\u001b[2J";
const leavingScreen = "\u001b[0m\u001b[r\u001b[?7;25h\u001b[?1049l";

export interface TerminalAskerOptions {
  /** `screen`: the terminal understands control sequences. */
  screen: "screen" | "lines";
  /** A yes can go on to hold. */
  keeps: boolean;
  /** Each question's own, from when it is shown; default 300000. */
  limitMs?: number;
  /** How long what is typed counts for nothing after a question came up, because it was meant for the program; default 800. */
  settleMs?: number;
  /** Null: nobody can be asked now, and why. */
  check?(): string | null;
  /** Reads nothing from the terminal from here on, until the returned function is called. */
  pauseInput?(): () => void;
}

interface Waiting {
  question: ExecQuestion;
  withdrawn: AbortSignal;
  answer: (answer: ExecAnswer) => void;
}

type Outcome = { kind: "next" } | { kind: "over"; reason: string; letGo?: "interrupt" };

export class TerminalAsker {
  readonly #options: TerminalAskerOptions;
  readonly #limitMs: number;
  readonly #waiting: Waiting[] = [];
  #isAsking = false;

  constructor(options: TerminalAskerOptions) {
    this.#options = options;
    this.#limitMs = options.limitMs ?? defaultLimitMs;
  }

  ask(question: ExecQuestion, withdrawn: AbortSignal, hold: Hold): Promise<ExecAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ExecAnswer>();
    this.#waiting.push({ question, withdrawn, answer: resolve });
    if (!this.#isAsking) this.#serve(hold).catch(reject);
    return promise;
  }

  async #serve(hold: Hold): Promise<void> {
    this.#isAsking = true;
    using cleanup = new DisposableStack();
    cleanup.defer(() => {
      this.#isAsking = false;
      this.#denyAll("the question failed"); // of no effect when all were answered
    });
    const refusal = this.#options.check?.() ?? null;
    if (refusal !== null) {
      this.#denyAll(`nobody was asked: ${refusal}`);
      return;
    }
    const resume = this.#options.pauseInput?.();
    if (resume !== undefined) cleanup.defer(resume);
    const answer = await hold(this.#options.screen);
    if (answer.kind === "refused") {
      this.#denyAll(`nobody was asked: ${answer.why}`);
      return;
    }
    const { tree } = answer;
    let outcome: Outcome = { kind: "next" };
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        outcome = await this.#askOne(tree, next);
        this.#waiting.shift();
        if (outcome.kind === "over") break;
        // A yes that is kept is kept by now, and may answer what waits.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    } finally {
      if (outcome.kind === "over") this.#denyAll(outcome.reason);
      if (tree.isLost() && this.#options.screen === "screen") leaveScreen();
      tree.letGo(outcome.kind === "over" ? outcome.letGo : undefined);
    }
  }

  #denyAll(reason: string): void {
    for (const { answer } of this.#waiting.splice(0)) answer(deny(reason));
  }

  async #askOne(tree: HeldTree, { question, withdrawn, answer }: Waiting): Promise<Outcome> {
    const kept = question.keptMeanwhile();
    if (kept !== null) answer({ kind: "allow", by: `approval ${kept}` });
    if (kept !== null || withdrawn.aborted) return { kind: "next" };
    using ending = new Ending(withdrawn, this.#limitMs);
    const result = await new QuestionDialog(tree, question, this.#options, ending.reached).run();
    if (result.kind === "answer") answer(result.answer);
    if (result.kind === "answer" || result.kind === "withdrawn") return { kind: "next" };
    const reason = result.kind === "late" ? `nobody answered within ${this.#limitMs / 1000} s` : endings[result.kind];
    answer(deny(reason));
    return { kind: "over", reason, ...(result.kind === "interrupt" ? { letGo: "interrupt" } : {}) };
  }
}

const endings = {
  interrupt: "the user interrupted the question",
  closed: "the terminal gave no answer",
  signalled: "Sallyport was told to stop",
} as const;

type EndingKind = "withdrawn" | "late" | "signalled";

/** What ends a question besides a line that answers it. */
class Ending implements Disposable {
  readonly reached: Promise<{ kind: EndingKind }>;
  readonly #cleanup = new DisposableStack();

  constructor(withdrawn: AbortSignal, limitMs: number) {
    const { promise, resolve } = Promise.withResolvers<{ kind: EndingKind }>();
    this.reached = promise;
    const onWithdrawn = (): void => resolve({ kind: "withdrawn" });
    const onSignal = (): void => resolve({ kind: "signalled" });
    const timer = setTimeout(() => resolve({ kind: "late" }), limitMs);
    withdrawn.addEventListener("abort", onWithdrawn);
    // Passed on to the command as always, but that stands still until there is an answer.
    for (const name of endSignals) process.on(name, onSignal);
    this.#cleanup.defer(() => {
      clearTimeout(timer);
      withdrawn.removeEventListener("abort", onWithdrawn);
      for (const name of endSignals) process.removeListener(name, onSignal);
    });
  }

  [Symbol.dispose](): void {
    this.#cleanup.dispose();
  }
}

type DialogResult = { kind: "answer"; answer: ExecAnswer } | { kind: EndingKind | "interrupt" | "closed" };

/** One question, until it is answered or ended. */
class QuestionDialog {
  readonly #tree: HeldTree;
  readonly #question: ExecQuestion;
  readonly #options: TerminalAskerOptions;
  readonly #ended: Promise<{ kind: EndingKind }>;
  readonly #offered: OfferedChoice[];
  #hasSettled = false;

  constructor(
    tree: HeldTree,
    question: ExecQuestion,
    options: TerminalAskerOptions,
    ended: Promise<{ kind: EndingKind }>,
  ) {
    this.#tree = tree;
    this.#question = question;
    this.#options = options;
    this.#ended = ended;
    this.#offered = offerChoices(question, options.keeps);
  }

  async run(): Promise<DialogResult> {
    const early = await this.#showQuestion();
    if (early !== null) return early;
    for (let prompt = "Your choice: "; ;) {
      const line = await this.#readLine(prompt);
      if (!Buffer.isBuffer(line)) return line;
      const choice = readChoice(line, this.#offered);
      switch (choice.kind) {
        case "answer":
        case "interrupt":
        case "closed":
          return choice;
        case "deny-with-reason":
          return await this.#askForReason();
        case "show-all": {
          const ended = await this.#showAll();
          if (ended !== null) return ended;
          prompt = "Your choice: ";
          break;
        }
        case "unclear":
          prompt = `Not understood. Type one of ${this.#offered.map(({ keys }) => keys.at(-1)).join(", ")}: `;
          break;
      }
    }
  }

  async #askForReason(): Promise<DialogResult> {
    for (;;) {
      const line = await this.#readLine("Tell the agent: ");
      if (!Buffer.isBuffer(line)) return line;
      const words = readWords(line);
      if (typeof words === "string") return { kind: "answer", answer: denyFor(words) };
      if (words.kind !== "unclear") return { kind: words.kind };
    }
  }

  /** Null when the last choices are on the screen. What doesn't fit comes before, page by page: the attack is a long folder name that
   *  drives the program's name over the upper edge. */
  async #showQuestion(): Promise<DialogResult | null> {
    const { rows, columns } = usableSize(this.#tree);
    const choices = this.#offered.map(({ keys, text }) =>
      cutToRoom(`  ${keys.join(" or ").padEnd(7)} ${text}`, columns),
    );
    const lines = shortLines(this.#question, this.#tree, choices.length + 2);
    const all = [...lines, "", ...choices];
    const before = Math.max(all.length - Math.max(rows - 2, 1), 0);
    const ended = await this.#showPages(all.slice(0, before), "the choices");
    if (ended !== null) return ended;
    this.#print(all.slice(before));
    return await this.#settle();
  }

  /** Null when the question is on the screen again. */
  async #showAll(): Promise<DialogResult | null> {
    const lines = fullLines(this.#question, this.#tree);
    return (await this.#showPages(lines, "back to the question")) ?? (await this.#showQuestion());
  }

  async #showPages(lines: readonly string[], then: string): Promise<DialogResult | null> {
    const page = Math.max(usableSize(this.#tree).rows - 2, 1);
    for (let from = 0; from < lines.length; from += page) {
      this.#print(lines.slice(from, from + page));
      const early = await this.#settle();
      if (early !== null) return early;
      const isLast = from + page >= lines.length;
      const line = await this.#readLine(isLast ? `Enter: ${then} ` : `Enter: more, q: ${then} `);
      if (!Buffer.isBuffer(line)) return line;
      const words = readWords(line);
      if (typeof words !== "string" && words.kind !== "unclear") return { kind: words.kind };
      if (words === "q") break;
    }
    return null;
  }

  /** The attack: the program says "press y" and starts, at that moment, what is asked about. */
  async #settle(): Promise<DialogResult | null> {
    if (this.#hasSettled) return null;
    this.#hasSettled = true;
    return (await this.#orEnded(settled(this.#options.settleMs ?? defaultSettleMs))) ?? null;
  }

  #print(lines: readonly string[]): void {
    const clear = this.#options.screen === "screen" ? clearScreen : "\n";
    this.#tree.show(`${clear}${lines.join("\n")}\n`);
  }

  async #readLine(prompt: string): Promise<Buffer | { kind: EndingKind }> {
    return await this.#orEnded(this.#tree.readLine(prompt));
  }

  #orEnded<T>(promise: Promise<T>): Promise<T | { kind: EndingKind }> {
    return Promise.race([promise, this.#ended]);
  }
}

/** In place of the broker. The modes Node puts back by itself. */
function leaveScreen(): void {
  try {
    writeFileSync("/dev/tty", leavingScreen);
  } catch (_gone) {
    // With the terminal the screen is gone too.
  }
}

function settled(ms: number): Promise<undefined> {
  return new Promise((resolve) => void setTimeout(() => resolve(undefined), ms).unref());
}
