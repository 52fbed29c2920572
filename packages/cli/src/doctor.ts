/** `sallyport doctor`: tries out what this machine can do. Nothing is guessed from a version. */
import { accessSync, closeSync, constants, openSync, readSync } from "node:fs";
import { loadRules } from "@sallyport/rules-store";
import { findBubblewrap } from "@sallyport/sandbox";
import { checkHome, findInstalledShell, locateHome, surveyCgroups } from "@sallyport/shell-escalation";
import { brokerPath, isSallyportError, probeKernel } from "@sallyport/supervisor";
import type { Bubblewrap } from "@sallyport/sandbox";
import type { InstalledShell } from "@sallyport/shell-escalation";
import type { KernelReport } from "@sallyport/supervisor";
import { formatReport } from "./doctor-report.ts";
import type { Finding, MachineRow } from "./doctor-report.ts";
import type { McpReport } from "./mcp-doctor.ts";
import { lookOf, write } from "./terminal.ts";

const landlockAbiWithTruncate = 3;
const landlockAbiWithTcp = 4;
const landlockAbiWithScopes = 6;

interface DoctorReport {
  /** `sallyport run` works here with its default options. */
  works: boolean;
  findings: Finding[];
  machine: MachineRow | null;
}

/** Exit status: 0 if `sallyport run` works here, and with `prove` every MCP server too; else 1. */
export async function runDoctor(options: { json: boolean; prove: boolean }): Promise<number> {
  const report = await examine();
  const { examineMcpServers, formatMcpReport } = await import("./mcp-doctor.ts");
  const mcp = await examineMcpServers(options);
  const look = lookOf(process.stdout, process.env);
  const text = options.json
    ? JSON.stringify({ ...report, mcp })
    : formatReport(report, formatMcpReport(mcp, look), look).join("\n");
  write(`${text}\n`, 1);
  return report.works && !(options.prove && hasFailed(mcp)) ? 0 : 1;
}

function hasFailed({ servers, problems }: McpReport): boolean {
  return problems.length > 0 || servers.some(({ state }) => state === "failed");
}

async function examine(): Promise<DoctorReport> {
  const kernel = await tryKernel();
  const bubblewrap = findBubblewrap(process.env["PATH"] ?? "", [], { asRoot: process.geteuid?.() === 0 });
  const wall = kernel === null ? [] : wallFindings(kernel, bubblewrap);
  const findings = [
    nodeFinding(),
    brokerFinding(),
    ...withPatchedShell(kernelFindings(kernel)),
    ...wall,
    ...cgroupFindings(),
    ...homeFindings(),
  ];
  return {
    works: findings.every(({ state, needed }) => state !== "no" || !needed),
    findings,
    machine: kernel === null ? null : machineRow(kernel),
  };
}

function nodeFinding(): Finding {
  return { name: "Node", state: "ok", needed: true, text: `${process.version}, at least 24.21 is needed` };
}

function brokerFinding(): Finding {
  const name = "broker";
  try {
    accessSync(brokerPath, constants.X_OK);
  } catch {
    return { name, state: "no", needed: true, text: `"${brokerPath}" can't be executed`, todo: "run npm run build" };
  }
  if (isStatic(brokerPath)) return { name, state: "ok", needed: true, text: "built, static" };
  return {
    name,
    state: "weaker",
    needed: true,
    text: "built against this machine's C library: it runs only where that is",
    todo: "install musl-tools, then run make -C packages/supervisor/native clean all",
  };
}

async function tryKernel(): Promise<KernelReport | null> {
  try {
    return await probeKernel();
  } catch {
    return null;
  }
}

function kernelFindings(kernel: KernelReport | null): Finding[] {
  if (kernel === null) {
    const text = "the kernel could not be probed, because the broker did not run";
    return [{ name: "interception", state: "no", needed: true, text, todo: "see broker" }];
  }
  const interception: Finding = kernel.notify
    ? { name: "interception", state: "ok", needed: true, text: "every exec is seen (seccomp user notification)" }
    : {
        name: "interception",
        state: "no",
        needed: true,
        text: `execs can't be seen: ${kernel.notifyReason ?? "the kernel refused the filter"}`,
        todo: "use Linux 5.19 or newer, not below another supervisor or a container profile that forbids seccomp; or --interceptor none",
      };
  return [
    interception,
    yesNo("escalate and deny", kernel.ptrace && kernel.addFdSend, {
      yes: "a waiting program can be replaced (ptrace, descriptors)",
      no: "a waiting program can't be replaced",
      todo: "allow ptrace of own children: sysctl kernel.yama.ptrace_scope=1, or a container profile with ptrace",
      needed: true,
    }),
    yesNo("signals while waiting", kernel.killableWait, {
      yes: "a signal never repeats or loses an exec",
      no: "a storm of signals can repeat a waiting exec",
      todo: "use Linux 5.19 or newer",
      needed: false,
    }),
    yesNo("exit status of Run", kernel.pidfdExitStatus, {
      yes: "known for every program",
      no: "unknown for programs that run inside; null in the journal",
      todo: "use Linux 6.15 or newer",
      needed: false,
    }),
  ];
}

/** What `--interceptor auto` takes where the kernel can't report programs. With it `sallyport run` works without the kernel's. */
function withPatchedShell(findings: Finding[]): Finding[] {
  const name = "patched shell";
  const shell = installedShell();
  const isSeen = findings.some((finding) => finding.name === "interception" && finding.state === "ok");
  if (shell !== null) {
    const text = `"${shell.path}", Bash ${shell.bashVersion}`;
    if (isSeen) return [...findings, { name, state: "ok", needed: false, text }];
    const todo = "know that only what this shell itself starts is decided on";
    const others = findings.map((finding) => ({ ...finding, needed: false }));
    return [...others, { name, state: "weaker", needed: true, text: `${text}, in the kernel's place`, todo }];
  }
  if (isSeen) return [...findings, { name, state: "ok", needed: false, text: "none, and none is needed" }];
  return [...findings, { name, state: "no", needed: false, text: "none", todo: "run sallyport shell build" }];
}

function installedShell(): InstalledShell | null {
  try {
    return findInstalledShell(locateHome(process.env["SALLYPORT_HOME"]));
  } catch {
    return null; // the home's own line says what is wrong with it
  }
}

function wallFindings(kernel: KernelReport, bubblewrap: Bubblewrap): Finding[] {
  const { landlockAbi } = kernel;
  const hasFallback = landlockAbi >= landlockAbiWithTruncate;
  const instead = hasFallback
    ? "Landlock alone is used instead, with gaps that each run names"
    : "Landlock alone is not enough here either";
  const first: Finding =
    bubblewrap.kind === "works"
      ? { name: "wall", state: "ok", needed: true, text: `bubblewrap works (${bubblewrap.file})` }
      : {
          name: "wall",
          state: hasFallback ? "weaker" : "no",
          needed: true,
          text: `${bubblewrap.reason}; ${instead}`,
          todo: bubblewrap.advice,
        };
  const landlock: Finding = {
    name: "Landlock",
    state: landlockAbi >= landlockAbiWithScopes ? "ok" : landlockAbi > 0 ? "weaker" : "no",
    needed: false,
    text:
      landlockAbi === 0 ? "not in this kernel, or not switched on" : `ABI ${landlockAbi}${landlockGaps(landlockAbi)}`,
    ...(landlockAbi >= landlockAbiWithScopes ? {} : { todo: landlockTodo(landlockAbi) }),
  };
  return [first, landlock];
}

function landlockGaps(abi: number): string {
  const gaps = [
    ...(abi < landlockAbiWithTruncate ? ["truncate"] : []),
    ...(abi < landlockAbiWithTcp ? ["TCP"] : []),
    ...(abi < landlockAbiWithScopes ? ["signals and abstract sockets"] : []),
  ];
  return gaps.length === 0 ? "" : `: does not cover ${gaps.join(", ")}`;
}

function landlockTodo(abi: number): string {
  return abi === 0
    ? "add landlock to the kernel's lsm= list; Linux 6.12 or newer covers everything"
    : "use Linux 6.12 or newer";
}

function cgroupFindings(): Finding[] {
  const { kill, pids } = surveyCgroups();
  return [
    "folder" in kill
      ? {
          name: "sure ending",
          state: "ok",
          needed: false,
          text: `whole trees are ended through cgroup.kill in ${kill.folder}`,
        }
      : {
          name: "sure ending",
          state: "weaker",
          needed: false,
          text: "escalated programs are ended by walking the process tree, which a fork bomb can outrun",
          todo: kill.missing,
        },
    "folder" in pids
      ? { name: "--max-procs", state: "ok", needed: false, text: `kept by the pids cgroup (version ${pids.version})` }
      : { name: "--max-procs", state: "no", needed: false, text: "refused here", todo: pids.missing },
  ];
}

function homeFindings(): Finding[] {
  try {
    const home = locateHome(process.env["SALLYPORT_HOME"]);
    const exists = checkHome(home);
    return [homeFinding(home, exists), rulesFinding(home, exists)];
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return [{ name: "home", state: "no", needed: true, text: error.message, todo: "see the message" }];
  }
}

function homeFinding(home: string, exists: boolean): Finding {
  if (!exists)
    return { name: "home", state: "ok", needed: false, text: `"${home}" does not exist yet; it is made when needed` };
  try {
    accessSync(home, constants.W_OK);
    return { name: "home", state: "ok", needed: false, text: `"${home}", and nobody else may write it` };
  } catch {
    const todo = "make it writable: placeholders for .git and the like are remembered there";
    return { name: "home", state: "weaker", needed: false, text: `"${home}" is read-only`, todo };
  }
}

function rulesFinding(home: string, exists: boolean): Finding {
  try {
    const { rules } = loadRules({ home, files: [], discover: exists });
    const own = rules.filter(({ origin }) => origin === "user").length;
    const machines = rules.length > own ? `, ${rules.length - own} of the machine` : "";
    return { name: "rules", state: "ok", needed: true, text: `${own} in "${home}/rules"${machines}` };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return {
      name: "rules",
      state: "no",
      needed: true,
      text: error.message,
      todo: "correct the file; --no-rules leaves out those of the home",
    };
  }
}

function yesNo(
  name: string,
  holds: boolean,
  texts: { yes: string; no: string; todo: string; needed: boolean },
): Finding {
  if (holds) return { name, state: "ok", needed: texts.needed, text: texts.yes };
  return { name, state: texts.needed ? "no" : "weaker", needed: texts.needed, text: texts.no, todo: texts.todo };
}

function machineRow(kernel: KernelReport): MachineRow {
  const { landlockAbi } = kernel;
  const abilities: [has: boolean, what: string, since: string][] = [
    [kernel.killableWait, "killable wait", "5.19"],
    [landlockAbi >= landlockAbiWithTruncate, "Landlock ABI 3 (truncate)", "6.2"],
    [landlockAbi >= landlockAbiWithTcp, "Landlock ABI 4 (TCP)", "6.7"],
    [landlockAbi >= landlockAbiWithScopes, "Landlock ABI 6 (signals, abstract sockets)", "6.12"],
    [kernel.pidfdExitStatus, "exit status of programs that run inside", "6.15"],
  ];
  const lacks = abilities.filter(([has]) => !has).map(([, what, since]) => `${what}: Linux ${since}`);
  return { kernel: kernel.release, landlockAbi, userNamespaces: kernel.userNamespace, lacks };
}

/** A program that needs a loader names it in a header of type PT_INTERP. */
function isStatic(file: string): boolean {
  const ptInterp = 3;
  const header = Buffer.alloc(4096);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, header, 0, header.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const start = Number(header.readBigUInt64LE(32));
  const entrySize = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  for (let at = start; at < start + count * entrySize && at + 4 <= header.length; at += entrySize) {
    if (header.readUInt32LE(at) === ptInterp) return false;
  }
  return true;
}
