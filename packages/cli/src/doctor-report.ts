/** The doctor's report for people. */
import { displayText, wrapToWidth } from "./display-text.ts";
import { paint } from "./terminal.ts";
import type { Look, Style } from "./terminal.ts";

export interface Finding {
  name: string;
  state: "ok" | "weaker" | "no";
  /** `sallyport run` does not work with its default options when this is a no. */
  needed: boolean;
  text: string;
  /** What to do about it, unless it is ok. */
  todo?: string;
}

export interface MachineRow {
  kernel: string;
  landlockAbi: number;
  userNamespaces: boolean;
  /** What newer kernels have, each with its version. */
  lacks: string[];
}

const stateStyles: Record<Finding["state"], Style> = { ok: "green", weaker: "yellow", no: "red" };
const stateWidth = 8;
const nameWidth = 23;

export function formatReport(
  report: { works: boolean; findings: Finding[]; machine: MachineRow | null },
  mcp: readonly string[],
  look: Look,
): string[] {
  const lines = report.findings.flatMap((finding) => formatFinding(finding, look));
  if (report.machine !== null) lines.push("", ...formatMachine(report.machine, look));
  if (mcp.length > 0) lines.push("", ...mcp);
  const verdict = report.works ? "sallyport run works here" : "sallyport run does not work here; see each no above";
  return [...lines, "", paint(verdict, report.works ? "green" : "red", look)];
}

function formatFinding({ name, state, text, todo }: Finding, look: Look): string[] {
  const lead = `${paint(state, stateStyles[state], look)}${" ".repeat(stateWidth - state.length)}${name.padEnd(nameWidth)}`;
  const indent = " ".repeat(stateWidth + nameWidth);
  const room = look.columns - indent.length;
  const [first = "", ...rest] = wrapToWidth(displayText(text), room);
  const what =
    todo === undefined
      ? []
      : wrapToWidth(`-> ${displayText(todo)}`, room).map((line) => indent + paint(line, "bold", look));
  return [lead + first, ...rest.map((line) => indent + line), ...what];
}

function formatMachine(row: MachineRow, look: Look): string[] {
  const namespaces = row.userNamespaces ? "user namespaces" : "no user namespaces";
  const first = `This machine: Linux ${displayText(row.kernel)}, Landlock ABI ${row.landlockAbi}, ${namespaces}.`;
  const second =
    row.lacks.length === 0 ? "It lacks nothing that newer kernels have." : `It lacks: ${row.lacks.join("; ")}.`;
  return [...wrapToWidth(first, look.columns), ...wrapToWidth(second, look.columns)];
}
