/** Finds processes by a mark in their environment, so that a test can say that none is left. */
import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

/** An environment entry that no other process on this machine has. */
export function makeMark(): string {
  return `SALLYPORT_TEST_MARK=${randomUUID()}`;
}

function isAlive(pid: string): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
}

/** The living processes that carry the mark. */
export function processesWith(mark: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark) && isAlive(pid) ? [Number(pid)] : [];
    } catch {
      return []; // it ended meanwhile, or is somebody else's
    }
  });
}

/** Waits until `isTrue`, at most `withinMs`; throws with `what` when it does not come. */
export async function until(what: string, isTrue: () => boolean, withinMs = 60_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited ${withinMs} ms in vain until ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until no process carries the mark. */
export async function untilNoneHas(mark: string): Promise<void> {
  await until(
    `no process has ${mark}; left: ${processesWith(mark).join(", ")}`,
    () => processesWith(mark).length === 0,
  );
}

/** One line of `/proc/PID/status`, without its name. */
export function statusLine(pid: number, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
}

export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
