/** What Codex did with the rows of the tables, kept so that tests compare without it. The hooks' own words only; the peer's texts are
 *  left out. */
import { readFileSync, writeFileSync } from "node:fs";
import type { HookEventName } from "@sallyport/protocol";
import { cases } from "../conformance/cases.ts";
import type { Hook } from "../conformance/hook-command.ts";
import { severalCases } from "../conformance/several.ts";
import type { Observed } from "./codex-runs.ts";

export interface Recorded {
  peer: string;
  rows: Record<string, Observed & { hooks: Hook[] }>;
}

/** A row of either table, and what Sallyport makes of it. */
export interface ComparedRow {
  id: string;
  event: HookEventName;
  hooks: Hook[];
  ours: Observed;
}

const recordedFile = new URL("./codex.jsonl", import.meta.url);

/** All rows of events that the peer has. */
export const comparedRows: readonly ComparedRow[] = [
  ...cases.map(({ id, event, hook, expected: { status, entries, effect } }) => ({
    id,
    event,
    hooks: [hook],
    ours: { runs: [{ status, entries }], effect },
  })),
  ...severalCases.map(({ expected, ...row }) => ({ ...row, ours: expected })),
].filter(({ event }) => event !== "PreExec" && event !== "PostExec");

/** The peer's version, then one row a line, so that a change shows as what it is. */
export function writeRecorded({ peer, rows }: Recorded): void {
  const lines = [{ peer }, ...Object.entries(rows).map(([id, row]) => ({ id, ...row }))];
  writeFileSync(recordedFile, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

export function readRecorded(): Recorded {
  const [{ peer } = { peer: "" }, ...lines] = readFileSync(recordedFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line)); // written by peer.test.ts
  return { peer, rows: Object.fromEntries(lines.map(({ id, ...row }) => [id, row])) };
}
