/** The public surface of @sallyport/shell-escalation: a command behind the guarded door, and the parts a harness needs around it. */
export { runGuarded } from "./run-guarded.ts";
export type { ExecPolicy, GuardedRunOptions, PtyOptions, RunSummary } from "./run-guarded.ts";
export { EscalateServer } from "./escalation/escalate-server.ts";
export type { EscalateServerOptions, EscalationCommand, EscalationSession } from "./escalation/escalate-server.ts";
export { runShell } from "./escalation/run-shell.ts";
export type { RunShellOptions, ShellResult } from "./escalation/run-shell.ts";
export type { Interceptor, InterceptorChoice } from "./interceptor.ts";
export type { EscalationDecision, EscalationPolicy, EscalationRequest } from "./escalation/escalation-policy.ts";
export { createDecider, explainExec } from "./decision/index.ts";
export type {
  Decider,
  Decision,
  ExplainOptions,
  Explanation,
  Opinion,
  ExecAnswer,
  ExecForOpinion,
  ExecOpinion,
  ExecQuestion,
  ExecRule,
} from "./decision/index.ts";
export { checkHome, createHome, locateHome } from "./home.ts";
export { findProgram } from "./program-search.ts";
export { findVariable, readEnvironment, readLastArguments } from "./session-bytes.ts";
export { surveyCgroups } from "./tree-cgroup.ts";
export type { CgroupSurvey } from "./tree-cgroup.ts";
export { findInstalledShell, listInstalledShells, readInstalledShell, shellFolder } from "./installed-shells.ts";
export type { InstalledShell, ShellListing } from "./installed-shells.ts";
export { buildShell } from "./shell-build/build-shell.ts";
export type { BuildShellOptions, BuiltShell, StepName, StepReport } from "./shell-build/build-shell.ts";
