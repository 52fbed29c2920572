/** What `sallyport exec` shows a person: progress on stderr as it happens, the last message of the agent on stdout. */
import type { ExecRun, HookRunSummary, ServerNotification, ThreadItem } from "@sallyport/protocol";
import { displayText } from "../display-text.ts";
import { paint } from "../terminal.ts";
import type { Look, Style } from "../terminal.ts";

const hookStyles: Partial<Record<HookRunSummary["status"], Style>> = {
  failed: "red",
  blocked: "yellow",
  stopped: "yellow",
};

/** The lines that one notification is worth; none for most. */
export function linesOf({ method, params }: ServerNotification, look: Look): string[] {
  if (method === "item/started")
    return params.item.type === "commandExecution"
      ? [paint(`$ ${displayText(params.item.command)}`, "bold", look)]
      : [];
  if (method === "item/completed") return completedLines(params.item, look);
  if (method === "hook/completed") return hookLines(params.run, look);
  if (method === "exec/decided") return decidedLines(params.run, look);
  if (method === "turn/plan/updated")
    return params.plan.map(({ step, status }) => `  [${status === "completed" ? "x" : " "}] ${displayText(step)}`);
  if (method === "warning") return [paint(`warning: ${displayText(params.message)}`, "yellow", look)];
  if (method === "error") return [paint(displayText(params.error.message), params.willRetry ? "yellow" : "red", look)];
  return [];
}

/** What goes on inside is the usual case, and says nothing new. */
function decidedLines({ file, decision, reason }: ExecRun, look: Look): string[] {
  if (decision === "run") return [];
  const name = typeof file === "string" ? displayText(file) : "(a name that is no text)";
  return [paint(`  ${decision}: ${name}: ${displayText(reason.text)}`, "yellow", look)];
}

function completedLines(item: ThreadItem, look: Look): string[] {
  if (item.type === "commandExecution") {
    const output = (item.aggregatedOutput ?? "").trimEnd();
    const end = item.status === "declined" ? "refused" : `exit ${item.exitCode ?? "unknown"}`;
    const shown = output === "" ? [] : output.split("\n").map((line) => `  ${displayText(line)}`);
    return [...shown, paint(`  ${end}`, item.exitCode === 0 ? "dim" : "red", look)];
  }
  if (item.type === "fileChange")
    return item.changes.map(({ path, kind }) =>
      paint(`${kind.type} ${displayText(path)}: ${item.status}`, "bold", look),
    );
  if (item.type === "mcpToolCall")
    return [paint(`${displayText(`${item.server}: ${item.tool}`)}: ${item.status}`, "bold", look)];
  if (item.type === "reasoning")
    return item.summary.flatMap((text) => text.split("\n")).map((line) => paint(displayText(line), "dim", look));
  return [];
}

function hookLines(run: HookRunSummary, look: Look): string[] {
  const head = `hook ${run.eventName}: ${run.status} (${run.durationMs ?? 0} ms)`;
  const style = hookStyles[run.status];
  const entries = run.entries.map(({ kind, text }) => `  ${kind}: ${displayText(text.split("\n", 1)[0] ?? "")}`);
  return [style === undefined ? paint(head, "dim", look) : paint(head, style, look), ...entries];
}

/** Text of several lines for a terminal: what could paint on it is escaped, and the lines stay. */
export function displayLines(text: string): string {
  return text.split("\n").map(displayText).join("\n");
}
