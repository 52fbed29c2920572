/** [FREEZER]: a command that counts in two processes is brought to a stand, looked at, and let go. Prints what was seen as JSON. */
import { mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { startBroker } from "@sallyport/supervisor";

const [freezer = null] = process.argv.slice(2);
const files = ["counted-1", "counted-2"].map((name) => join(process.cwd(), name));
const script = `sh -c 'while :; do echo; done >> "$0"' ${files[0]} & exec sh -c 'while :; do echo; done >> "$0"' ${files[1]}`;

if (freezer !== null) mkdirSync(freezer);
const broker = await startBroker({
  stdio: ["inherit", "inherit", "inherit"],
  handlers: { onExec: () => undefined, onExecEnd: () => undefined },
});
await broker.launch({
  mode: "guarded",
  intercept: false,
  outerArgv: [],
  file: "/bin/sh",
  argv: ["sh", "-c", script],
  env: ["PATH=/usr/bin:/bin"],
  cwd: process.cwd(),
  wall: null,
  pidNamespace: false,
  cgroup: null,
  pidsCgroup: null,
  freezerCgroup: freezer,
  terminal: true,
  pty: null,
});

const sizes = (): number[] => files.map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);

async function grown(since: number[], withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (performance.now() < until) {
    if (sizes().every((size, at) => size > (since[at] ?? 0))) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}

/** States of the shells that count. */
function states(): string[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const words = readFileSync(join("/proc", name, "cmdline"), "latin1").split("\0");
      const stat = readFileSync(join("/proc", name, "stat"), "latin1");
      return files.includes(words[3] ?? "") ? [stat.charAt(stat.lastIndexOf(")") + 2)] : [];
    } catch {
      return []; // gone meanwhile, or no process
    }
  });
}

const ran = await grown([0, 0], 10_000);
const held = await broker.hold("lines");
if (held.kind !== "held") throw new Error(held.why);
const before = sizes();
const standing = !(await someGrowth(before));
const seen = { ran, how: held.tree.how, standing, stopped: states().filter((state) => state === "T").length };
held.tree.letGo();
const goesOn = await grown(before, 10_000);
broker.terminate(0);
await broker.finished;
for (const file of files) rmSync(file, { force: true });
if (freezer !== null) {
  try {
    rmdirSync(freezer);
  } catch {
    // The broker has removed it.
  }
}
process.stdout.write(`${JSON.stringify({ ...seen, goesOn })}\n`);

async function someGrowth(since: number[]): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return sizes().some((size, at) => size !== since[at]);
}
