/** The decision: rules and an exec in, a verdict with its reason out. */
export { createDecider } from "./decider.ts";
export { explainExec } from "./explain.ts";
export type { ExplainOptions, Explanation } from "./explain.ts";
export type { Opinion } from "./rule-book.ts";
export type {
  BoundedSandbox,
  Decider,
  DeciderOptions,
  Decision,
  ExecAnswer,
  ExecForOpinion,
  ExecOpinion,
  ExecQuestion,
  ExecRule,
  WantedSandbox,
} from "./types.ts";
