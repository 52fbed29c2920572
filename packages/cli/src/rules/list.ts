/** `sallyport rules list`: every rule and every kept approval, what it says and where it comes from. */
import { readFileSync } from "node:fs";
import { isExpired, patternText } from "@sallyport/exec-policy";
import { approvalUses, readApprovals, readNote, readRuleUses, readUses } from "@sallyport/rules-store";
import type { ApprovalRecord, StoredRule, Use } from "@sallyport/rules-store";
import { locateHome } from "@sallyport/shell-escalation";
import { displayText } from "../display-text.ts";
import { lookOf, paint, write } from "../terminal.ts";
import type { Look, Style } from "../terminal.ts";
import { approvalText } from "./approval-text.ts";
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
const indent: string = " ".repeat(decisionWidth + 1);

interface Addition {
  addedAt: string;
  by: string;
}

export async function runList(options: ListOptions): Promise<number> {
  const { rules, files } = await readRules(options.rules, { only: false });
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const approvals = readApprovals(home);
  const uses = readUses(approvalUses(home));
  const useOf = readRuleUses(home);
  const additionOf = additionReader();
  if (options.json) {
    const listed = {
      rules: rules.map((rule) => ({ ...rule, added: additionOf(rule), ...countsOf(useOf(rule)) })),
      files: files.map(({ path, origin }) => ({ path, origin })),
      approvals: approvals.map((approval) => ({
        ...approval,
        ...countsOf(uses.get(approval.id) ?? null),
      })),
    };
    write(`${JSON.stringify(listed)}\n`, 1);
    return 0;
  }
  const look = lookOf(process.stdout, process.env);
  const lines = [
    ...rules.map((rule) => ruleLine(rule, { added: additionOf(rule), use: useOf(rule) }, look)),
    ...approvals.map((approval) => approvalLine(approval, uses.get(approval.id) ?? null, look)),
  ];
  write(`${lines.length === 0 ? "No rules." : lines.join("\n")}\n`, 1);
  return 0;
}

function countsOf(use: Use | null): { hits: number; lastUsedAt: string | null } {
  return { hits: use?.hits ?? 0, lastUsedAt: use?.lastUsedAt ?? null };
}

interface Known {
  added: Addition | null;
  use: Use | null;
}

function ruleLine(rule: StoredRule, { added, use }: Known, look: Look): string {
  const decision = paint(rule.decision.padEnd(decisionWidth), decisionStyles[rule.decision], look);
  const notes = notesOf(rule).map((note) => `, ${displayText(note)}`);
  const by = added === null ? "" : `, added ${displayText(`${added.addedAt} by ${added.by}`)}`;
  const head = `${decision} ${displayText(patternText(rule))}${notes.join("")}`;
  const reason = rule.justification === undefined ? [] : [displayText(rule.justification.trim())];
  return [`${head}  ${paint(`${sourceOf(rule)}${by}; ${displayText(usedText(use))}`, "dim", look)}`, ...reason].join(
    `\n${indent}`,
  );
}

function approvalLine(approval: ApprovalRecord, use: Use | null, look: Look): string {
  const { id, addedAt, expires, origin } = approval;
  const thread = origin.threadId === undefined ? "" : `, thread ${origin.threadId}`;
  const isOver = expires !== null && Date.now() >= Date.parse(`${expires}T00:00:00Z`);
  const until = expires === null ? "" : `, ${isOver ? "EXPIRED" : "until"} ${expires}`;
  const source = `approval ${id}, ${addedAt.slice(0, 10) || "some day"} by ${origin.by || "somebody"}${thread}${until}`;
  return [
    `${paint("approved".padEnd(decisionWidth), "green", look)} ${approvalText(approval)}`,
    paint(`${displayText(source)}; ${displayText(usedText(use))}`, "dim", look),
    ...(origin.for === "" ? [] : [displayText(`asked because: ${origin.for}`)]),
  ].join(`\n${indent}`);
}

function usedText(use: Use | null): string {
  if (use === null) return "not used yet";
  return `used ${use.hits === 1 ? "once" : `${use.hits} times`}, last ${use.lastUsedAt}`;
}

/** Reads the notes that `sallyport rules add` leaves above its rules. */
function additionReader(): (rule: StoredRule) => Addition | null {
  const lines = new Map<string, readonly string[]>();
  return ({ at }) => {
    if (!lines.has(at.file)) lines.set(at.file, linesOf(at.file));
    return readNote(lines.get(at.file)?.[at.line - 2] ?? "");
  };
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return []; // gone since it was read: then nobody knows
  }
}

/** `user FILE:LINE`. */
export function sourceOf({ origin, at }: StoredRule): string {
  return displayText(`${origin} ${at.file}:${at.line}`);
}

function notesOf(rule: StoredRule): string[] {
  return [
    ...(rule.exact ? ["exact"] : []),
    ...(rule.onlyPerson === true ? ["a person each time"] : []),
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
