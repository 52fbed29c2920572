/** A stored thread as text. */
import type { StoredThread } from "@sallyport/core";
import type { ExecRun, ThreadItem, Turn } from "@sallyport/protocol";
import { displayText } from "../display-text.ts";
import { paint } from "../terminal.ts";
import type { Look } from "../terminal.ts";

const shownOutputLines = 10;

/** A thread with its turns, their hook runs, items and programs. */
export function showThread(thread: StoredThread, turns: readonly Turn[], look: Look): string[] {
  const head = [
    paint(`thread ${thread.id}`, "bold", look),
    `  in ${displayText(thread.cwd)}, model ${displayText(thread.model ?? "none")}`,
  ];
  return [...head, ...turns.flatMap((turn) => showTurn(turn, look))];
}

function showTurn(turn: Turn, look: Look): string[] {
  const runs = turn.hookRuns.flatMap((run) => [
    `  hook ${run.eventName}: ${run.status}${run.continuation === true ? ", one more round" : ""}`,
    ...run.entries.map(({ kind, text }) => `    ${kind}: ${displayText(text.split("\n", 1)[0] ?? "")}`),
  ]);
  const blocked = turn.blockedInput === undefined ? [] : ["  the prompt was refused by a hook"];
  const error = turn.error === null ? [] : [`  error: ${displayText(turn.error.message)}`];
  const items = turn.items.flatMap((item) => showItem(item, turn.execRuns ?? []));
  return ["", paint(`turn ${turn.id}: ${turn.status}`, "bold", look), ...runs, ...blocked, ...items, ...error];
}

function showItem(item: ThreadItem, execRuns: readonly ExecRun[]): string[] {
  if (item.type === "userMessage")
    return item.content.map((part) =>
      part.type === "text" ? `  user: ${displayText(part.text)}` : `  user: (${part.type})`,
    );
  if (item.type === "agentMessage") return [`  agent: ${displayText(item.text)}`];
  if (item.type === "reasoning") return item.summary.map((text) => `  thought: ${displayText(text)}`);
  if (item.type === "fileChange")
    return item.changes.map(({ path, kind }) => `  ${kind.type} ${displayText(path)}: ${item.status}`);
  if (item.type === "mcpToolCall") {
    const error = item.error === null ? [] : [`    | ${displayText(item.error.message)}`];
    return [`  ${displayText(`${item.server}: ${item.tool}`)}: ${item.status}`, ...error];
  }
  if (item.type === "contextCompaction") return ["  the conversation so far was summarised"];
  const lines = (item.aggregatedOutput ?? "").trimEnd().split("\n").slice(0, shownOutputLines);
  return [
    `  $ ${displayText(item.command)}: ${item.status}, exit ${item.exitCode ?? "unknown"}`,
    ...execRuns.filter(({ itemId }) => itemId === item.id).map(showExecRun),
    ...lines.filter((line) => line !== "").map((line) => `    | ${displayText(line)}`),
  ];
}

function showExecRun({ file, decision, reason }: ExecRun): string {
  const name = typeof file === "string" ? file : "(a name that is no text)";
  return `    ${decision} ${displayText(name)}: ${displayText(reason.text)}`;
}
