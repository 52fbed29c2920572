/** LIMIT_MS --rules FILE -c SCRIPT: asks at the terminal as `sallyport run` does, with another limit. */
import { loadRules } from "@sallyport/rules-store";
import { readEnvironment, runGuarded } from "@sallyport/shell-escalation";
import { TerminalAsker } from "../../../packages/cli/src/ask-terminal.ts";

const [limitMs, , rules = "", , script = ""] = process.argv.slice(2);
const home = process.env["SALLYPORT_HOME"] ?? "";
const asker = new TerminalAsker({ screen: "screen", keeps: false, limitMs: Number(limitMs), settleMs: 0 });
const summary = await runGuarded({
  argv: ["bash", "-c", script],
  cwd: process.cwd(),
  env: readEnvironment(),
  home,
  policy: { kind: "rules", ruleSet: loadRules({ home, files: [rules], discover: false }) },
  rulesFiles: [rules],
  sandbox: {
    mode: "workspace-write",
    writable: [],
    network: false,
    denyRead: [],
    allowGitInit: false,
    sockets: [],
    wall: "auto",
  },
  interceptor: "kernel",
  passSignals: true,
  ask: (question, withdrawn, hold) => asker.ask(question, withdrawn, hold),
});
process.exitCode = summary.exitStatus;
