/** Finds processes by a mark in their environment, so that a test can say that none is left. */
import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

export interface Mark {
  name: string;
  value: string;
}

/** A variable that no other process on this machine has. */
export function makeMark(): Mark {
  return { name: "HOOK_TEST_MARK", value: randomUUID() };
}

export function processesWith({ value }: Mark): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const isDead = stat.charAt(stat.lastIndexOf(")") + 2) === "Z";
      return !isDead && readFileSync(`/proc/${pid}/environ`, "latin1").includes(value) ? [Number(pid)] : [];
    } catch {
      return []; // it ended meanwhile, or is somebody else's
    }
  });
}

/** What the starter has running for us: a keeper for each program. The starter itself waits for the next hook for some seconds. */
export function keepersOfOurs(): number[] {
  return childrenOf(process.pid).flatMap(childrenOf);
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Waits until `isTrue`, at most `withinMs`. */
export async function until(what: string, isTrue: () => boolean, withinMs = 60_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited ${withinMs} ms in vain until ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
