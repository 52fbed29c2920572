/** The decision: rules and an exec in, a verdict with its reason out. */
export { createDecider } from "./decider.ts";
export type { Decider, DeciderOptions, Decision } from "./types.ts";
