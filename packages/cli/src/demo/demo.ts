/** `sallyport demo`: a real build script behind the guarded door, in a throw-away folder, and then the proof of what happened; then
 *  one turn of an agent, with hooks. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { RunSummary } from "@sallyport/shell-escalation";
import { SallyportError, signalNumber } from "@sallyport/supervisor";
import { ExecTree } from "../exec-tree.ts";
import { printTree, runInside, tellFailures } from "../run-command.ts";
import { parseRunArguments } from "../run-options.ts";
import { lookOf, paint, write } from "../terminal.ts";
import type { Look } from "../terminal.ts";
import { preciousFile, projectFiles, releaseMark, rulesText, scriptText } from "./project.ts";
import type { DemoPlace } from "./project.ts";
import { playTurn, turnChecks, turnLines } from "./turn.ts";
import type { PlayedTurn } from "./turn.ts";

const neededTools = ["bash", "git", "make", "cc"];
const endSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const timeoutSeconds = 60;
const gitIdentity = ["-c", "user.name=Demo", "-c", "user.email=demo@example.com"];

interface Check {
  text: string;
  holds: boolean;
}

export async function runDemo(options: { json: boolean }): Promise<number> {
  requireTools();
  const base = makeBase();
  const guard = removeAtEnd(base);
  const listener = await listen();
  try {
    const place = prepare(base, listener.port);
    if (!options.json) introduce(place);
    const tree = new ExecTree();
    guard.commandRuns = true;
    const summary = await runScript(base, place, tree);
    guard.commandRuns = false;
    tellFailures(summary, timeoutSeconds * 1000);
    if (wasCutShort(summary)) {
      printTree(tree, summary, 2);
      return summary.exitStatus;
    }
    const doorChecks = checkOutcome(place, listener.connections(), summary);
    if (!options.json) concludeDoor(tree, summary, doorChecks);
    const played = await playTurn(base, place.project);
    const checks = [...doorChecks, ...turnChecks(played)];
    if (options.json) write(`${JSON.stringify({ summary, turns: played.turns, checks })}\n`, 1);
    else concludeTurn(played);
    return checks.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    listener.server.close();
    guard.remove();
  }
}

function requireTools(): void {
  const folders = (process.env["PATH"] ?? "").split(":");
  const missing = neededTools.filter((tool) => !folders.some((folder) => isExecutable(join(folder, tool))));
  if (missing.length === 0) return;
  throw new SallyportError(
    "DEMO_UNAVAILABLE",
    `The demo needs ${missing.join(", ")}, not found on the PATH; on Debian: apt install bash git make gcc libc6-dev`,
    { data: { missing } },
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** In the home folder, so that the folder outside of the project can be seen from inside; /tmp is private there. */
function makeBase(): string {
  for (const folder of [homedir(), tmpdir()]) {
    try {
      return mkdtempSync(join(folder, "sallyport-demo-"));
    } catch {
      continue;
    }
  }
  throw new SallyportError(
    "DEMO_UNAVAILABLE",
    `No folder can be made in "${homedir()}" or "${tmpdir()}", expected one of them writable`,
  );
}

/** Ctrl-C while the command runs goes to the command; at any other time it ends the demo, and the folder goes too. */
function removeAtEnd(base: string): { commandRuns: boolean; remove(): void } {
  const guard = { commandRuns: false, remove: (): void => rmSync(base, { recursive: true, force: true }) };
  process.once("exit", guard.remove);
  for (const name of endSignals) {
    process.on(name, () => {
      if (!guard.commandRuns) process.exit(128 + signalNumber(name));
    });
  }
  return guard;
}

/** Something real to reach for: the demo itself waits on this port, outside. */
async function listen(): Promise<{ server: Server; port: number; connections(): number }> {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return { server, port: (server.address() as AddressInfo).port, connections: () => count };
}

function prepare(base: string, port: number): DemoPlace {
  const place: DemoPlace = { project: join(base, "project"), outside: join(base, "outside"), port };
  for (const folder of [place.project, place.outside]) mkdirSync(folder);
  mkdirSync(join(base, "home"), { mode: 0o700 });
  writeFileSync(preciousFile(place), "Do not lose this\n");
  writeFileSync(join(base, "demo.rules"), rulesText(place), { mode: 0o600 });
  for (const [name, text] of Object.entries(projectFiles)) writeFileSync(join(place.project, name), text);
  writeFileSync(join(place.project, "ship.sh"), scriptText(place));
  git(place, "init", "-q", "-b", "main");
  git(place, "add", "Makefile", "main.c", "greeting.h", "ship.sh", ".gitignore");
  git(place, ...gitIdentity, "commit", "-q", "-m", "Start the project");
  git(place, "add", "greeting.c");
  git(place, ...gitIdentity, "commit", "-q", "-m", "Say hello");
  git(place, "remote", "add", "origin", join(place.outside, "origin.git"));
  return place;
}

function git(place: DemoPlace, ...args: string[]): void {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  const { status, stderr, error } = spawnSync("git", args, { cwd: place.project, env, encoding: "utf8" });
  if (status === 0) return;
  throw new SallyportError("DEMO_UNAVAILABLE", `git ${args[0] ?? ""} failed: ${error?.message ?? stderr.trim()}`);
}

async function runScript(base: string, place: DemoPlace, tree: ExecTree): Promise<RunSummary> {
  const words = [
    "--no-rules",
    "--rules",
    join(base, "demo.rules"),
    "--timeout",
    String(timeoutSeconds),
    "--",
    "bash",
    "ship.sh",
  ];
  const given = parseRunArguments(words);
  if (given === null) throw new SallyportError("DEMO_UNAVAILABLE", "The demo's own command line was not understood");
  return await runInside(given, { cwd: place.project, home: join(base, "home"), tree });
}

/** Ctrl-C, a timeout or a failure: then nothing is proved either way. */
function wasCutShort(summary: RunSummary): boolean {
  return summary.signal !== null || summary.timedOut || summary.failures.length > 0;
}

function checkOutcome(place: DemoPlace, connections: number, summary: RunSummary): Check[] {
  return [
    { text: "the project was built inside the wall", holds: existsSync(join(place.project, "hello")) },
    { text: "nothing reached the network", holds: connections === 0 },
    { text: "the file outside is still there", holds: existsSync(preciousFile(place)) },
    { text: "publishing was refused by a rule", holds: summary.execs.deny === 1 },
    {
      text: "one program was carried outside, and left its mark there",
      holds: summary.execs.escalate === 1 && existsSync(releaseMark(place)),
    },
  ];
}

function introduce(place: DemoPlace): void {
  const look = lookOf(process.stdout, process.env);
  const rules = rulesText(place).trimEnd().split("\n");
  const lines = [
    paint("Sallyport: a build script behind the guarded door", "bold", look),
    "",
    "The script may change its own folder and nothing else, and has no network.",
    "Every program that it starts is decided on. These rules are in force:",
    "",
    ...rules.map((line) => (line === "" ? "" : paint(`    ${line}`, "dim", look))),
  ];
  write(`${lines.join("\n")}\n`, 1);
}

function concludeDoor(tree: ExecTree, summary: RunSummary, checks: Check[]): void {
  const look = lookOf(process.stdout, process.env);
  write(`\n${paint("Every program that ran, and what was decided", "bold", look)}\n\n`, 1);
  printTree(tree, summary, 1);
  const lines = [
    "",
    `${paint("run", "green", look)}       inside the wall`,
    `${paint("escalate", "yellow", look)}  outside, on the same terminal and files: a rule allows it`,
    `${paint("deny", "red", look)}      not at all; the caller got exit status 1 and the reason`,
    "",
    ...checks.map((check) => checkLine(check, look)),
  ];
  write(`${lines.join("\n")}\n`, 1);
}

function concludeTurn(played: PlayedTurn): void {
  const look = lookOf(process.stdout, process.env);
  const lines = [
    "",
    paint("One turn of an agent in the same folder, with hooks; its model is a file", "bold", look),
    "",
    ...turnLines(played, look),
    "",
    ...turnChecks(played).map((check) => checkLine(check, look)),
    "",
    paint("Try next, in a project of yours:", "bold", look),
    "",
    "    sallyport run --tree -- make            any command, and its tree",
    "    sallyport run --tree -c 'npm test'      a script",
    "    sallyport doctor                        what this machine can do",
    "    sallyport exec 'explain this project'   a turn of an agent; docs/models.md says how to choose the model",
    "    docs/rules.md, docs/hooks.md            write rules and hooks of your own",
  ];
  write(`${lines.join("\n")}\n`, 1);
}

function checkLine({ text, holds }: Check, look: Look): string {
  return holds
    ? `${paint("ok", "green", look)}  ${text}`
    : `${paint("NO", "red", look)}  expected, but not so: ${text}`;
}
