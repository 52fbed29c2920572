/** What can be answered, and what a typed line means. */
import type { ExecAnswer, ExecQuestion } from "@sallyport/shell-escalation";
import { describeProposal } from "./ask-screen.ts";

const by = "the user";
const longestReason = 300;
const controlC = 3;
const controlBackslash = 28;

export type Choice =
  | { kind: "answer"; answer: ExecAnswer }
  /** No, and a line for the agent follows. */
  | { kind: "deny-with-reason" }
  | { kind: "show-all" }
  | { kind: "interrupt" }
  /** The end of the input: nobody will answer. */
  | { kind: "closed" }
  | { kind: "unclear" };

export interface OfferedChoice {
  /** What is typed for it. */
  keys: readonly string[];
  text: string;
  choice: Choice;
}

/** `keeps`: a yes can go on to hold. */
export function offerChoices({ proposals, answeredBy }: ExecQuestion, keeps: boolean): OfferedChoice[] {
  const isForSession = keeps && answeredBy === "anybody";
  const allow = (
    keys: string[],
    text: string,
    keep: Pick<ExecAnswer & { kind: "allow" }, "keep"> = {},
  ): OfferedChoice => ({
    keys,
    text,
    choice: { kind: "answer", answer: { kind: "allow", by, ...keep } },
  });
  const always = (keeps ? proposals : []).map((proposal, at) =>
    allow([...(at === 0 ? ["a"] : []), String(at + 1)], `yes, always: ${describeProposal(proposal)}`, {
      keep: { scope: "always", proposal },
    }),
  );
  return [
    allow(["y"], "yes, this once"),
    ...(isForSession ? [allow(["s"], "yes, until this command has ended", { keep: { scope: "session" } })] : []),
    ...always,
    { keys: ["n"], text: "no", choice: { kind: "answer", answer: deny("the user said no") } },
    { keys: ["t"], text: "no, and tell the agent why", choice: { kind: "deny-with-reason" } },
    { keys: ["v"], text: "view everything in full", choice: { kind: "show-all" } },
  ];
}

export function deny(reason: string): ExecAnswer & { kind: "deny" } {
  return { kind: "deny", reason };
}

export function denyFor(words: string): ExecAnswer {
  return deny(words === "" ? "the user said no" : `the user said no: ${words}`);
}

/** The attack: a terminal that was asked things by the job answers while the question is open, and its answer is part of the line. Those
 *  begin with a control character, so a line that has one is nobody's answer; nor is one that is more than the key. */
export function readChoice(line: Buffer, offered: readonly OfferedChoice[]): Choice {
  const words = readWords(line);
  if (typeof words !== "string") return words;
  return offered.find(({ keys }) => keys.includes(words.toLowerCase()))?.choice ?? { kind: "unclear" };
}

/** The text of a line; or what it is instead. */
export function readWords(line: Buffer): string | { kind: "interrupt" | "closed" | "unclear" } {
  const last = line.at(-1);
  if (last === undefined) return { kind: "closed" };
  if (last === controlC || last === controlBackslash) return { kind: "interrupt" };
  if (last !== 0x0a) return { kind: "unclear" };
  const text = line.subarray(0, -1).toString("utf8");
  return /\p{C}|\ufffd/u.test(text) ? { kind: "unclear" } : text.trim().slice(0, longestReason);
}
