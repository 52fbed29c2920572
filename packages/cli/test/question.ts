import type { ExecQuestion } from "@sallyport/shell-escalation";

/** A question about `git push`, with changes. */
export function questionAbout(changes: Partial<ExecQuestion> = {}): ExecQuestion {
  return {
    requestId: 1,
    file: "/usr/bin/git",
    argv: ["git", "push"],
    cwd: "/home/me/project",
    reason: 'rule ["git", "push"] at git.rules:1',
    identity: "",
    proposals: [],
    answeredBy: "anybody",
    parents: ["/usr/bin/make", "/usr/bin/bash"],
    changedEnv: [],
    droppedEnv: [],
    rule: 'rule ["git", "push"] at git.rules:1',
    keptMeanwhile: () => null,
    ...changes,
  };
}
