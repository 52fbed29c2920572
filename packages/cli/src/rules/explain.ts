/** `sallyport rules explain -- CMD...`: what would be decided about a program here, and by what. */
import { explainEvent } from "@sallyport/hooks";
import type { ExplainedHook } from "@sallyport/hooks";
import { patternText } from "@sallyport/exec-policy";
import { openApprovals } from "@sallyport/rules-store";
import { explainExec, locateHome, readEnvironment } from "@sallyport/shell-escalation";
import type { Explanation } from "@sallyport/shell-escalation";
import { textToDisplay } from "@sallyport/supervisor";
import { displayText } from "../display-text.ts";
import { loadHooks } from "../hooks-place.ts";
import { complain, lookOf, paint, write } from "../terminal.ts";
import { approvalText } from "./approval-text.ts";
import { sourceOf } from "./list.ts";
import { readRules } from "./rule-files.ts";
import { readSessionLayers } from "./session-layers.ts";

export interface ExplainCommand {
  rules: readonly string[];
  json: boolean;
  argv: readonly string[];
}

type Outcome = "run" | "escalate" | "deny" | "ask";

const meanings = {
  run: "it runs inside the sandbox",
  escalate: "it runs outside the sandbox",
  deny: "it does not start",
} as const;
const styles = { run: "green", escalate: "yellow", deny: "red", ask: "cyan" } as const;
const wall = "as sallyport run has it by default: this folder and a private /tmp can be written from inside";

export async function runExplain({ rules: files, json, argv }: ExplainCommand): Promise<number> {
  const ruleSet = await readRules(files, { only: false });
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const cwd = process.cwd();
  const approvals = openApprovals({ home, onWarning: complain, countsUses: false });
  const { defaultDecision } = await readSessionLayers(home, cwd);
  const found = await explainExec({ ruleSet, argv, env: readEnvironment(), cwd, approvals, defaultDecision });
  const program = found.files[0] ?? argv[0] ?? "";
  const { hooks } = explainEvent(loadHooks({}).found.handlers, "PreExec", {
    input: { file: program, argv: [...argv], workdir: cwd },
  });
  write(json ? `${JSON.stringify(jsonOf(found, hooks))}\n` : textOf(found, hooks), 1);
  return 0;
}

function outcomeOf({ decision, question }: Explanation): Outcome {
  return question === null ? decision.verdict.kind : "ask";
}

function jsonOf(found: Explanation, hooks: readonly ExplainedHook[]): object {
  const { files, decision, opinions, question } = found;
  return {
    files,
    decision: outcomeOf(found),
    reason: question === null ? decision.reason : { kind: decision.reason.kind, text: question.reason },
    ...(question === null
      ? {}
      : { afterYes: decision.verdict.kind, answeredBy: question.answeredBy, proposals: question.proposals }),
    droppedEnv: decision.droppedEnv ?? [],
    rules: opinions.map(({ rule, counts, why }) => ({ counts, why, rule })),
    hooks: hooks.map(({ handler, runs, why }) => ({ key: handler.key, matcher: handler.matcherText, runs, why })),
    wall,
  };
}

function textOf(found: Explanation, hooks: readonly ExplainedHook[]): string {
  const { files, decision, opinions, question } = found;
  const look = lookOf(process.stdout, process.env);
  const outcome = outcomeOf(found);
  const { kind } = decision.verdict;
  const shown = files.map((file) => displayText(textToDisplay(file)));
  const nobodyElse = question?.answeredBy === "person" ? ", and nobody can answer for them" : "";
  const meaning = question === null ? meanings[kind] : `a person is asked${nobodyElse}; after a yes ${meanings[kind]}`;
  const lines = [
    `${paint(outcome, styles[outcome], look)}: ${meaning}`,
    `  because  ${displayText(question?.reason ?? decision.reason.text)}`,
    ...(question === null ? [] : [`  yes      ${displayText(decision.reason.text)}`]),
    ...(question?.proposals ?? []).map((proposal) => `  always   ${approvalText(proposal)}`),
    `  program  ${shown.join(", run by ")}`,
    ...opinions.map(({ rule, counts, why }) => {
      const said = `${rule.decision} ${displayText(patternText(rule))}`;
      const verdict = counts ? `counts, ${displayText(why)}` : `does not count: ${displayText(why)}`;
      return `  rule     ${said} ${verdict} (${sourceOf(rule)})`;
    }),
    ...(opinions.length === 0 ? ["  rule     none is about this program"] : []),
    ...hookLines(outcome, hooks),
    ...(decision.droppedEnv === undefined || decision.droppedEnv.length === 0
      ? []
      : [`  left behind  ${displayText(decision.droppedEnv.map(textToDisplay).join(" "))}`]),
    `  wall     ${wall}`,
  ];
  return `${lines.join("\n")}\n`;
}

function hookLines(outcome: Outcome, hooks: readonly ExplainedHook[]): string[] {
  if (hooks.length === 0) return ["  hook     no PreExec hook is configured"];
  if (outcome === "deny") return ["  hook     none is asked: it is denied already"];
  return hooks.map(({ handler, runs, why }) => {
    const verdict = runs === "no" ? "is not asked" : "is asked, and may tighten this";
    return `  hook     ${displayText(handler.key)} ${verdict}: ${displayText(why)}`;
  });
}
