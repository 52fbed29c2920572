/** The public surface of @sallyport/shell-escalation: a command behind the guarded door, and the parts a harness needs around it. */
export { runGuarded } from "./run-guarded.ts";
export type { ExecPolicy, GuardedRunOptions, RunSummary } from "./run-guarded.ts";
export { createDecider } from "./decision/index.ts";
export type { Decider, Decision } from "./decision/index.ts";
export { checkHome, createHome, locateHome } from "./home.ts";
export { findVariable, readEnvironment, readLastArguments } from "./session-bytes.ts";
export { surveyCgroups } from "./tree-cgroup.ts";
export type { CgroupSurvey } from "./tree-cgroup.ts";
