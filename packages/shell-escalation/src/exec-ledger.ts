/** Keeps the records of the execs that have not ended yet: what was decided, who started whom, what became of it. */
import type { ExecRecord, Text } from "@sallyport/protocol";
import { signalName } from "@sallyport/supervisor";
import type { ExecEndEvent, ExecEvent } from "@sallyport/supervisor";
import type { Decision } from "./decision/index.ts";
import { createRecordIds } from "./record-id.ts";

export interface ExecCounts {
  run: number;
  escalate: number;
  deny: number;
}

const mostParents = 32;

interface OpenExec {
  record: ExecRecord;
  /** The programs of the processes above it, the nearest first, as far as is worth telling. */
  parents: readonly Text[];
  /** Requests of earlier execs of the same process; an event may still name one of them as a parent. */
  earlier: number[];
}

/** Memory is bounded by the number of living processes: a record that has ended is handed out and forgotten. */
export class ExecLedger {
  readonly counts: ExecCounts = { run: 0, escalate: 0, deny: 0 };
  /** By request, and by the requests that it has replaced. */
  readonly #open = new Map<number, OpenExec>();
  readonly #nextId: () => string;
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#nextId = createRecordIds(now);
  }

  /** The record of an exec at the moment of its decision. */
  decided(event: ExecEvent, decision: Decision): ExecRecord {
    const parent = event.parentRequestId === null ? undefined : this.#open.get(event.parentRequestId);
    const record: ExecRecord = {
      id: this.#nextId(),
      atMs: event.answeredAtMs ?? this.#now(),
      pid: event.pid,
      ppid: event.parents[0] ?? 0,
      parentId: parent?.record.id ?? null,
      file: decision.file,
      calledAs: event.file,
      argv: event.argv,
      cwd: event.cwd,
      decision: decision.verdict.kind,
      reason: decision.reason,
      exitCode: null,
      signal: null,
      durationMs: null,
      replacedBy: null,
      outside: event.outside,
    };
    if (decision.droppedEnv !== undefined && decision.droppedEnv.length > 0) record.droppedEnv = decision.droppedEnv;
    this.#open.set(event.requestId, { record, parents: this.parentsOf(event), earlier: [] });
    this.counts[record.decision] += 1;
    return record;
  }

  /** The programs of the processes above, the nearest first. */
  parentsOf(event: ExecEvent): readonly Text[] {
    const parent = event.parentRequestId === null ? undefined : this.#open.get(event.parentRequestId);
    return parent === undefined ? [] : [parent.record.file, ...parent.parents].slice(0, mostParents);
  }

  /** Puts another decision in the place of one that could not be kept. */
  overrule(requestId: number, decision: Decision): ExecRecord | null {
    const open = this.#open.get(requestId);
    if (open === undefined) return null;
    this.counts[open.record.decision] -= 1;
    open.record = { ...open.record, decision: decision.verdict.kind, reason: decision.reason };
    this.counts[open.record.decision] += 1;
    return open.record;
  }

  /** The complete record, or null for an exec that was never decided: its process was killed while it waited. */
  ended(event: ExecEndEvent): ExecRecord | null {
    const open = this.#open.get(event.requestId);
    if (open === undefined) return null;
    for (const requestId of [event.requestId, ...open.earlier]) this.#open.delete(requestId);
    const by = event.by === null ? undefined : this.#open.get(event.by);
    if (by !== undefined) this.#inherit(by, [event.requestId, ...open.earlier]);
    return {
      ...open.record,
      reason: reasonAtEnd(open.record.reason, event.how),
      exitCode: event.exitCode,
      signal: event.signal === null ? null : signalName(event.signal),
      durationMs: Math.max(0, event.atMs - open.record.atMs),
      replacedBy: by?.record.id ?? null,
    };
  }

  /** Ends every record that is still open, with no exit status: the tree is gone and nobody told how they ended. */
  close(): ExecRecord[] {
    const atMs = this.#now();
    const left = [...this.#open.keys()].map((requestId) =>
      this.ended({ requestId, how: "ended", exitCode: null, signal: null, by: null, atMs }),
    );
    return left.filter((record) => record !== null);
  }

  #inherit(by: OpenExec, requests: number[]): void {
    by.earlier.push(...requests);
    for (const requestId of requests) this.#open.set(requestId, by);
  }
}

/** The record has no field for an exec that was decided and then did not happen, so its reason says it. */
function reasonAtEnd(reason: ExecRecord["reason"], how: ExecEndEvent["how"]): ExecRecord["reason"] {
  const what = withoutEffect[how];
  return what === null ? reason : { kind: reason.kind, text: `${reason.text}; ${what}` };
}

const withoutEffect: Record<ExecEndEvent["how"], string | null> = {
  ended: null,
  replaced: null,
  failed: "the kernel then refused the exec",
  changed: "what it would have executed was changed meanwhile, so it did not start",
  vanished: "the process was killed before it could exec",
};
