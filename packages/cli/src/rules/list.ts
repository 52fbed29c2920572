/** `sallyport rules list`: every rule, what it says and where it comes from. */
import { isExpired, patternText } from "@sallyport/exec-policy";
import type { StoredRule } from "@sallyport/rules-store";
import { displayText } from "../display-text.ts";
import { lookOf, paint, write } from "../terminal.ts";
import type { Style } from "../terminal.ts";
import { readRules } from "./rule-files.ts";

export interface ListOptions {
  rules: readonly string[];
  json: boolean;
}

const decisionStyles: Record<StoredRule["decision"], Style> = {
  allow: "green",
  prompt: "yellow",
  forbidden: "red",
};
const decisionWidth = "forbidden".length;

export function runList(options: ListOptions): number {
  const { rules, files } = readRules(options.rules, { only: false });
  if (options.json) {
    write(`${JSON.stringify({ rules, files: files.map(({ path, origin }) => ({ path, origin })) })}\n`, 1);
    return 0;
  }
  const look = lookOf(process.stdout, process.env);
  const lines = rules.map((rule) => {
    const decision = paint(rule.decision.padEnd(decisionWidth), decisionStyles[rule.decision], look);
    const pattern = displayText(patternText(rule));
    const notes = notesOf(rule).map((note) => `, ${displayText(note)}`);
    const reason =
      rule.justification === undefined
        ? ""
        : `\n${" ".repeat(decisionWidth + 1)}${displayText(rule.justification.trim())}`;
    return `${decision} ${pattern}${notes.join("")}  ${paint(sourceOf(rule), "dim", look)}${reason}`;
  });
  const text = lines.length === 0 ? "No rules." : lines.join("\n");
  write(`${text}\n`, 1);
  return 0;
}

/** `user FILE:LINE`. */
export function sourceOf({ origin, at }: StoredRule): string {
  return displayText(`${origin} ${at.file}:${at.line}`);
}

function notesOf(rule: StoredRule): string[] {
  return [
    ...(rule.exact ? ["exact"] : []),
    ...(rule.canonical ? ["canonical"] : []),
    ...(rule.escalate ? ["launcher may leave"] : []),
    ...(rule.escalateWith === undefined ? [] : ["bounded"]),
    ...(rule.env.length === 0 ? [] : [`env ${rule.env.join(" ")}`]),
    ...(rule.under === undefined ? [] : [`under ${rule.under}`]),
    ...(rule.sha256 === undefined ? [] : [`sha256 ${rule.sha256.slice(0, 12)}`]),
    ...(rule.expires === undefined
      ? []
      : [isExpired(rule, Date.now()) ? `EXPIRED ${rule.expires}` : `until ${rule.expires}`]),
  ];
}
