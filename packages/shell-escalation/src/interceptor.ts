/** Who sees the programs that start, and what has to be there for it. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import type { Text } from "@sallyport/protocol";
import { SallyportError, isSallyportError } from "@sallyport/supervisor";
import { findInstalledShell } from "./installed-shells.ts";

export type InterceptorChoice = "auto" | "kernel" | "bash" | "none";

export type Interceptor =
  | { kind: "kernel" }
  | { kind: "none" }
  | {
      kind: "bash";
      /** The patched shell and the wrapper, absolute. */
      shell: string;
      wrapper: string;
      /** Where everything inside finds the socket. */
      socketNumber: number;
    };

/** The wrapper of this package. */
export const ownWrapperPath: string = fileURLToPath(new URL("../native/build/codex-execve-wrapper", import.meta.url));

const socketVariable = "CODEX_ESCALATE_SOCKET";
const wrapperVariables = ["EXEC_WRAPPER", "BASH_EXEC_WRAPPER"] as const;
/** High, so that no script's `exec 10>file` takes its place, and below what programs with a bitmap of descriptors can hold. */
const usualSocketNumber = 1023;
const lowestSocketNumber = 3;

interface InterceptorOptions {
  interceptor: InterceptorChoice;
  home: string;
  shell?: string;
  execveWrapper?: string;
  caller?: { nofileSoft: number };
}

/** What is to be tried, in this order. Throws `INTERCEPTOR_UNAVAILABLE` where the patched shell is asked for and is not there. */
export function planInterceptor(options: InterceptorOptions): Interceptor[] {
  const { interceptor, home } = options;
  if (interceptor === "kernel" || interceptor === "none") return [{ kind: interceptor }];
  if (interceptor === "bash") return [patchedShell(options, requireShell(options))];
  const shell = options.shell ?? findInstalledShell(home)?.path;
  const hasShell = shell !== undefined && isPatched(shell);
  return hasShell ? [{ kind: "kernel" }, patchedShell(options, shell)] : [{ kind: "kernel" }];
}

/** True where a launch failed because the kernel's interceptor can't be had: nothing has run. */
export function isInterceptorMissing(error: unknown): boolean {
  if (!isSallyportError(error) || error.code !== "LAUNCH_FAILED") return false;
  const stage = error.data["stage"];
  return stage === "installing the exec filter" || stage === "waiting without interruption (Linux 5.19)";
}

export function protocolVariables(interceptor: Interceptor): Record<string, string> {
  if (interceptor.kind !== "bash") return {};
  const wrapper = Object.fromEntries(wrapperVariables.map((name) => [name, interceptor.wrapper]));
  return { [socketVariable]: String(interceptor.socketNumber), ...wrapper };
}

/** The session that this one runs in may have a wrapper of its own, whose socket nothing inside has. */
export function withoutProtocol(env: readonly Text[]): Text[] {
  const names: string[] = [socketVariable, ...wrapperVariables];
  return env.filter((entry) => typeof entry !== "string" || !names.includes(entry.split("=", 1)[0] ?? ""));
}

function patchedShell(options: InterceptorOptions, shell: string): Interceptor & { kind: "bash" } {
  const limit = options.caller?.nofileSoft ?? 0;
  const highest = limit === 0 ? usualSocketNumber : Math.min(usualSocketNumber, limit - 1);
  return {
    kind: "bash",
    shell,
    wrapper: requireWrapper(options.execveWrapper),
    socketNumber: Math.max(lowestSocketNumber, highest),
  };
}

function requireShell(options: InterceptorOptions): string {
  const shell = options.shell ?? findInstalledShell(options.home)?.path;
  if (shell === undefined) {
    throw unavailable(
      `No patched shell is installed in "${options.home}/shells": run sallyport shell build, or name one with --shell PATH`,
    );
  }
  if (!isAbsolute(shell) || !isExecutable(shell)) {
    throw unavailable(`The shell "${shell}" can't be executed, expected the absolute path of a patched shell`);
  }
  if (!isPatched(shell)) {
    throw unavailable(
      `The shell "${shell}" does not know EXEC_WRAPPER, so its programs would start undecided, expected a patched one; run sallyport shell build`,
    );
  }
  return shell;
}

/** The mistake: an ordinary shell, under which everything would work and nothing be decided. Looked for in the file, and not by
 *  starting it: a shell that lies where code inside can write must not run outside. */
function isPatched(shell: string): boolean {
  try {
    return readFileSync(shell).includes("EXEC_WRAPPER");
  } catch {
    return false;
  }
}

function requireWrapper(given: string | undefined): string {
  const wrapper = given ?? ownWrapperPath;
  if (isAbsolute(wrapper) && isExecutable(wrapper)) return wrapper;
  const advice = given === undefined ? "run npm run build" : "expected the absolute path of an executable file";
  throw unavailable(
    existsSync(wrapper)
      ? `The wrapper "${wrapper}" can't be executed: ${advice}`
      : `The wrapper "${wrapper}" is missing: ${advice}`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function unavailable(message: string): SallyportError {
  return new SallyportError("INTERCEPTOR_UNAVAILABLE", message);
}
