/** `-t`: what is typed here goes to the command's pty, and what the pty says comes out here. The broker has put the terminal
 *  here into raw mode, so keys arrive as they are, Ctrl-C included. */
import { signalNumber } from "@sallyport/supervisor";
import type { GuardedRunOptions, PtyOptions } from "@sallyport/shell-escalation";
import { writeBytes } from "./terminal.ts";

const graceMs = 2000;

export interface TerminalRelay {
  options: Required<Pick<GuardedRunOptions, "stdio" | "pty">>;
  /** Leaves what is typed to somebody else until the returned function is called. */
  pauseInput(): () => void;
}

export function relayTerminal(cleanup: DisposableStack): TerminalRelay {
  let isPaused = false;
  let hasUntaken = false;
  const readOn = (): void => {
    if (!isPaused && !hasUntaken) process.stdin.resume();
  };
  let terminal: Parameters<PtyOptions["onOpen"]>[0] | null = null;
  let hasReader = true;
  const onOutput = (chunk: Buffer): void => {
    if (!hasReader || writeBytes(chunk, 1)) return;
    // A terminal whose window was closed: whatever ignores that would print for ever to nobody.
    hasReader = false;
    terminal?.signal(signalNumber("SIGHUP"));
    const timer = setTimeout(() => terminal?.terminate(graceMs), graceMs);
    cleanup.defer(() => clearTimeout(timer));
  };
  const onOpen: PtyOptions["onOpen"] = (opened) => {
    terminal = opened;
    const follow = (): void => opened.followSize();
    process.on("SIGWINCH", follow);
    cleanup.defer(() => process.removeListener("SIGWINCH", follow));
    const { stdin } = process;
    const end = (): void => opened.input(Buffer.alloc(0));
    stdin.on("data", (chunk: Buffer) => {
      stdin.pause(); // until the pty has taken it
      hasUntaken = true;
      opened.input(chunk);
    });
    stdin.once("end", end);
    stdin.once("error", end); // a terminal that is gone, or a folder
    cleanup.defer(() => stdin.destroy());
  };
  const onInputTaken = (): void => {
    hasUntaken = false;
    readOn();
  };
  return {
    options: {
      stdio: ["inherit", "inherit", "inherit"],
      pty: { size: "size-of-caller", onOutput, onOpen, onInputTaken },
    },
    pauseInput: () => {
      isPaused = true;
      process.stdin.pause();
      return () => {
        isPaused = false;
        readOn();
      };
    },
  };
}
