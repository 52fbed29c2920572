/** `sallyport rules explain -- CMD...`: what would be decided about a program here, and by which rules. */
import { patternText } from "@sallyport/exec-policy";
import { explainExec, readEnvironment } from "@sallyport/shell-escalation";
import type { Explanation } from "@sallyport/shell-escalation";
import { textToDisplay } from "@sallyport/supervisor";
import { displayText } from "../display-text.ts";
import { lookOf, paint, write } from "../terminal.ts";
import { sourceOf } from "./list.ts";
import { readRules } from "./rule-files.ts";

export interface ExplainCommand {
  rules: readonly string[];
  json: boolean;
  argv: readonly string[];
}

const meanings = {
  run: "it runs inside the sandbox",
  escalate: "it runs outside the sandbox",
  deny: "it does not start",
} as const;

export async function runExplain({ rules: files, json, argv }: ExplainCommand): Promise<number> {
  const ruleSet = readRules(files, { only: false });
  const found = await explainExec({ ruleSet, argv, env: readEnvironment(), cwd: process.cwd() });
  write(json ? `${JSON.stringify(jsonOf(found))}\n` : textOf(found), 1);
  return 0;
}

function jsonOf({ files, decision, opinions }: Explanation): object {
  return {
    files,
    decision: decision.verdict.kind,
    reason: decision.reason,
    droppedEnv: decision.droppedEnv ?? [],
    rules: opinions.map(({ rule, counts, why }) => ({ counts, why, rule })),
  };
}

function textOf({ files, decision, opinions }: Explanation): string {
  const look = lookOf(process.stdout, process.env);
  const { kind } = decision.verdict;
  const style = kind === "deny" ? "red" : kind === "escalate" ? "yellow" : "green";
  const shown = files.map((file) => displayText(textToDisplay(file)));
  const lines = [
    `${paint(kind, style, look)}: ${meanings[kind]}`,
    `  because  ${displayText(decision.reason.text)}`,
    `  program  ${shown.join(", run by ")}`,
    ...opinions.map(({ rule, counts, why }) => {
      const said = `${rule.decision} ${displayText(patternText(rule))}`;
      const verdict = counts ? `counts, ${displayText(why)}` : `does not count: ${displayText(why)}`;
      return `  rule     ${said} ${verdict} (${sourceOf(rule)})`;
    }),
    ...(opinions.length === 0 ? ["  rule     none is about this program"] : []),
    ...(decision.droppedEnv === undefined || decision.droppedEnv.length === 0
      ? []
      : [`  left behind  ${displayText(decision.droppedEnv.map(textToDisplay).join(" "))}`]),
    "  wall     as sallyport run has it by default: this folder and a private /tmp can be written from inside",
  ];
  return `${lines.join("\n")}\n`;
}
