/** What this kernel can do, each thing tried and not guessed from a version. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SallyportError } from "./errors.ts";
import { brokerPath } from "./native-paths.ts";

export interface KernelReport {
  release: string;
  /** seccomp user notification with a listener. */
  notify: boolean;
  /** Why not: "EBUSY" where an outer supervisor holds the listener; else the system's text. */
  notifyReason: string | null;
  /** The wait in execve is not interrupted by signals (Linux 5.19). */
  killableWait: boolean;
  addFdSend: boolean;
  ptrace: boolean;
  /** 0 where there is no Landlock. */
  landlockAbi: number;
  userNamespace: boolean;
  /** The kernel tells the exit status of processes that are not our children (Linux 6.15). */
  pidfdExitStatus: boolean;
  /** The broker is a static program. */
  staticBuild: boolean;
}

/** Runs the broker's trials; about 10 ms. Throws `BROKER_MISSING` when it was not built. */
export async function probeKernel(): Promise<KernelReport> {
  let output: string;
  try {
    ({ stdout: output } = await promisify(execFile)(brokerPath, ["--kernel-report"], { encoding: "utf8" }));
  } catch (cause) {
    throw new SallyportError("BROKER_MISSING", `Cannot run "${brokerPath}": build it with npm run build`, { cause });
  }
  const values = new Map(
    output
      .split("\n")
      .filter((line) => line.includes(" "))
      .map((line): [string, string] => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
  );
  const yes = (name: string): boolean => values.get(name) === "1";
  return {
    release: values.get("release") ?? "",
    notify: yes("notify"),
    notifyReason: yes("notify") ? null : (values.get("notify_error") ?? null),
    killableWait: yes("killable_wait"),
    addFdSend: yes("add_descriptor"),
    ptrace: yes("ptrace"),
    landlockAbi: Number(values.get("landlock_abi") ?? 0),
    userNamespace: yes("user_namespace"),
    pidfdExitStatus: yes("exit_status"),
    staticBuild: yes("static"),
  };
}
