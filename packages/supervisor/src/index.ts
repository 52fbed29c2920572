/** The public surface of @sallyport/supervisor: the one way to run a process and to end its whole tree. */
export { startBroker } from "./broker.ts";
export type { Broker, BrokerOptions } from "./broker.ts";
export type { HeldTree, HoldAnswer } from "./held-tree.ts";
export { hasBroker, startPlainProgram } from "./plain-program.ts";
export type { PlainProgram, PlainProgramOptions } from "./plain-program.ts";
export type { SendNext, SessionFiles, SessionProgram, WrapperSessions } from "./wrapper-sessions.ts";
export { probeKernel } from "./kernel-report.ts";
export type { KernelReport } from "./kernel-report.ts";
export { makeFolders } from "./make-folders.ts";
export { SallyportError, isSallyportError } from "./errors.ts";
export { signalName, signalNumber } from "./signals.ts";
export { textFromBytes, textToBytes, textToDisplay } from "./text-bytes.ts";
export { unfitCharacters, unfitInLine } from "./unfit-characters.ts";
export { brokerPath, nativeBuildFolder } from "./native-paths.ts";
export type {
  Bounds,
  BrokerHandlers,
  ExecEndEvent,
  ExecEvent,
  ExecFile,
  LandlockRule,
  LaunchSpec,
  RunResult,
  SessionEvent,
  SessionMessage,
  SessionState,
  Verdict,
  WallSpec,
} from "./types.ts";
