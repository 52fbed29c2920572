/** The tree of programs of one run: who started whom, what was decided, how it ended. */
import type { ExecRecord, Text } from "@sallyport/protocol";
import { cutToWidth, displayArgument, displayText, displayWidth, wrapToWidth } from "./display-text.ts";
import { paint } from "./terminal.ts";
import type { Look, Style } from "./terminal.ts";

/** More programs than anybody reads; past it they are only counted, so that memory stays bounded. */
const maxNodes = 20_000;
/** What a line can show of the arguments; the rest is never kept. */
const maxLabelLength = 400;
const markWidth = 9;
const statusWidth = 7;
const durationWidth = 9;
const minLabelWidth = 20;
const commonFolders = new Set(["/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin"]);
const markStyles: Record<ExecRecord["decision"], Style> = { run: "green", escalate: "yellow", deny: "red" };

interface Node {
  decision: ExecRecord["decision"];
  label: string;
  /** Null for the default decision, which says nothing new. */
  reason: string | null;
  status: string;
  duration: string;
  /** The program that ran in the same process before. */
  replaces: string | null;
  parentId: string | null;
}

/** Collects records as they come, each one twice (decided, ended). */
export class ExecTree {
  readonly #nodes = new Map<string, Node>();
  #left = 0;

  add(record: ExecRecord): void {
    const known = this.#nodes.get(record.id);
    if (known === undefined && this.#nodes.size >= maxNodes) {
      if (record.durationMs === null) this.#left += 1;
      return;
    }
    this.#nodes.set(record.id, { ...nodeOf(record), replaces: known?.replaces ?? null });
    if (record.replacedBy !== null) {
      const next = this.#nodes.get(record.replacedBy);
      if (next !== undefined) next.replaces = record.id;
    }
  }

  /** One line a program, children below their parent in the order in which they were decided. */
  format(look: Look): string[] {
    const children = new Map<string | null, string[]>();
    for (const [id, node] of this.#nodes) {
      const above = node.replaces ?? node.parentId;
      const key = above !== null && this.#nodes.has(above) ? above : null;
      const siblings = children.get(key);
      if (siblings === undefined) children.set(key, [id]);
      else siblings.push(id);
    }
    const lines: string[] = [];
    const pending = (children.get(null) ?? []).map((id) => ({ id, lead: "", isLast: true, depth: 0 })).reverse();
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const node = this.#nodes.get(next.id);
      if (node === undefined) continue;
      const below = children.get(next.id) ?? [];
      const art = branches(next, below.length > 0, look);
      lines.push(...formatNode(node, art, look));
      const { depth } = next;
      below.forEach((_, index) => {
        const at = below.length - 1 - index;
        pending.push({ id: below[at] ?? "", lead: art.childLead, isLast: at === below.length - 1, depth: depth + 1 });
      });
    }
    if (this.#left > 0) lines.push(`${" ".repeat(markWidth)}and ${this.#left} more`);
    return lines;
  }
}

interface Branches {
  own: string;
  reason: string;
  childLead: string;
}

/** Deep trees stop moving to the right, so that there is always room for the program. */
function branches(at: { lead: string; isLast: boolean; depth: number }, hasChildren: boolean, look: Look): Branches {
  const [last, middle, line] = look.unicode ? ["└─ ", "├─ ", "│  "] : ["`- ", "|- ", "|  "];
  if (at.depth === 0) return { own: "", reason: hasChildren ? line : "   ", childLead: "" };
  const isDeep = displayWidth(at.lead) > look.columns / 3;
  const own = at.lead + (at.isLast ? last : middle);
  const childLead = isDeep ? at.lead : at.lead + (at.isLast ? "   " : line);
  return { own, reason: childLead + (hasChildren ? line : "   "), childLead };
}

function formatNode(node: Node, art: Branches, look: Look): string[] {
  const room = Math.max(minLabelWidth, look.columns - markWidth - displayWidth(art.own) - statusWidth - durationWidth);
  const label = cutToWidth((node.replaces === null ? "" : "exec ") + node.label, room);
  const mark = paint(node.decision, markStyles[node.decision], look) + " ".repeat(markWidth - node.decision.length);
  const gap = " ".repeat(room - displayWidth(label));
  const end = node.status.padStart(statusWidth) + node.duration.padStart(durationWidth);
  const lines = [mark + art.own + label + gap + paint(end, "dim", look)];
  for (const part of wrapReason(node.reason, look.columns - markWidth - displayWidth(art.reason))) {
    lines.push(" ".repeat(markWidth) + art.reason + paint(part, "dim", look));
  }
  return lines;
}

/** At most three lines of a reason; it is written by people, in rules, and may be long. */
function wrapReason(reason: string | null, room: number): string[] {
  const maxLines = 3;
  const width = Math.max(minLabelWidth, room);
  const lines = wrapToWidth(reason ?? "", width);
  const shown =
    lines.length <= maxLines ? lines : [...lines.slice(0, maxLines - 1), lines.slice(maxLines - 1).join(" ")];
  return shown.map((line) => cutToWidth(line, width));
}

function nodeOf(record: ExecRecord): Node {
  const isDefault = record.reason.kind === "default" && record.decision === "run";
  return {
    decision: record.decision,
    label: labelOf(record),
    reason: isDefault ? null : displayText(record.reason.text),
    status: statusOf(record),
    duration: record.durationMs === null ? "" : formatDuration(record.durationMs),
    replaces: null,
    parentId: record.parentId,
  };
}

function labelOf(record: ExecRecord): string {
  let label = nameOf(record);
  for (const argument of record.argv.slice(1)) {
    if (label.length > maxLabelLength) break;
    // Cut before it is escaped: an argument may be megabytes long.
    const start = typeof argument === "string" ? argument.slice(0, maxLabelLength) : argument;
    label += ` ${displayArgument(start)}`;
  }
  return label.slice(0, 2 * maxLabelLength);
}

/** The file that runs. In the system's folders the name that was called says more than the file behind it (cc, not
 *  x86_64-linux-gnu-gcc-12), and only root can make it say something else. */
function nameOf({ file, calledAs }: ExecRecord): string {
  for (const path of isInCommonFolder(file) ? [calledAs, file] : []) {
    if (isInCommonFolder(path)) return displayArgument(path.slice(path.lastIndexOf("/") + 1));
  }
  return displayArgument(file);
}

function isInCommonFolder(path: Text): path is string {
  return typeof path === "string" && commonFolders.has(path.slice(0, path.lastIndexOf("/")));
}

function statusOf(record: ExecRecord): string {
  if (record.durationMs === null || record.replacedBy !== null) return "";
  if (record.signal !== null) return record.signal.replace(/^SIG/, "");
  return record.exitCode === null ? "?" : String(record.exitCode);
}

/** "12 ms", "1.2 s", "3 m 05 s". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  const seconds = ms / 1000;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
}
