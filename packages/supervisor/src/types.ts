/** What the broker is told and what it tells. The broker (C, `native/broker.c`) holds descriptors, sockets and processes;
 *  it knows nothing of rules. Everything here is mechanism. */
import type { Text } from "@sallyport/protocol";

/** One file as the broker opened it in the caller's own root, before anything was decided. */
export interface ExecFile {
  /** Absolute path after resolving symlinks, as the kernel names it; ends in " (deleted)" for an unlinked file. */
  path: Text;
  /** `dev:ino`, the file's identity while the broker holds it open. */
  key: string;
  size: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** st_mode, with the type bits. */
  mode: number;
  uid: number;
  nlink: number;
  kind: "elf" | "script" | "other";
  /** ELF class and machine that this kernel runs through a foreign ABI (32-bit). */
  foreign: boolean;
  /** The `#!` line of a script: interpreter as written, and its one optional argument. */
  interpreter?: { file: Text; argument?: Text };
  /** Number of the broker's descriptor of this very file, or -1 in the answer to a question. Can be opened as `/proc/<brokerPid>/fd/<fd>` until the verdict is given. */
  fd: number;
}

/** A blocked execve or execveat that waits for a verdict. A caller whose memory may not be read (it made itself not dumpable) is
 *  shown with an empty `file`, `argv` and `chain`; whatever the verdict, it is refused. */
export interface ExecEvent {
  /** The broker's number for this exec; unique within one broker. */
  requestId: number;
  /** Thread group id and thread id in the broker's (outside) numbering. */
  pid: number;
  tid: number;
  /** Parent chain, nearest first, up to the nearest process that had an exec decided (or the command's ancestor). */
  parents: number[];
  /** The exec that the last of `parents` runs, where it had one decided; else null. */
  parentRequestId: number | null;
  /** When the broker let it run by itself, on a verdict that stands (milliseconds since the epoch); null: it waits for its
   *  verdict. What was answered has to be given its `run` before `onExec` returns, which acknowledges it; else the whole
   *  command is ended. */
  answeredAtMs: number | null;
  /** True below an escalated program: there "run" means "go on outside". */
  outside: boolean;
  /** With `outside`: in a sandbox of its own, and there "run" means "go on inside that one". */
  inBounds?: true;
  /** The path as the caller passed it. */
  file: Text;
  argv: Text[];
  cwd: Text;
  /** The raw environment block: NAME=value entries, each ended by a NUL. Parse it only when needed. */
  env: Buffer;
  /** `chain[0]` is the file itself; then its `#!` interpreter, that one's interpreter, and so on. */
  chain: ExecFile[];
}

/** How an exec that was decided ended. */
export interface ExecEndEvent {
  requestId: number;
  /** `ended`: the process is gone; `replaced`: it exec'd again, `by` is the request that replaced it;
   *  `vanished`: it was killed before the verdict took effect; `failed`: the kernel refused the exec after all;
   *  `changed`: it was to run if it was still the same, and was not. */
  how: "ended" | "replaced" | "vanished" | "failed" | "changed";
  exitCode: number | null;
  /** Signal number. */
  signal: number | null;
  by: number | null;
  /** Milliseconds since the epoch, taken when it ended: the event itself may come a few milliseconds later. */
  atMs: number;
}

export type Verdict =
  /** `stands`: later execs run without waiting, as long as path, cwd, `argv[0]`, `outside` and all of `chain` but `fd` are the same
   *  and the environment has no `LD_...` variable. Say so only where nothing else was looked at. */
  /** `ifSame`: only if path, cwd, arguments, environment and files are what they were when the exec was told; else the caller gets
   *  EACCES, and the exec ends as `changed`. For answers that take as long as people do. */
  | { kind: "run"; stands?: true; ifSame?: never }
  | { kind: "run"; stands?: never; ifSame?: true }
  | { kind: "deny"; reason: string }
  | {
      kind: "escalate";
      /** Which file of the chain is executed: 0, or the last interpreter of a script. */
      chainIndex: number;
      argv: Text[];
      /** NAME=value entries. Must not be changed afterwards: the same list may be given again, and is encoded once. */
      env: readonly Text[];
      /** The caller's working directory as it is named outside the sandbox. */
      cwd: Text;
      /** Paths that the escalated program may not read. */
      denyRead: string[];
      /** A sandbox of its own instead of none; `denyRead` is then what its mounts hide, and `cwd` is looked up in it. What is left in
       *  it when the program has ended is ended too. */
      bounds?: Bounds;
    };

/** As in `LaunchSpec`; it needs a pid namespace and a wall. */
export type Bounds = Pick<LaunchSpec, "outerArgv"> & { wall: WallSpec };

/** Landlock rights are the kernel's own bits (linux/landlock.h). The broker drops the bits that the kernel does not know. */
export interface LandlockRule {
  path: string;
  access: bigint;
}

/** What the init process sets up around the command, from inside. */
export interface WallSpec {
  landlock: {
    handledFs: bigint;
    handledNet: bigint;
    scoped: bigint;
    rules: LandlockRule[];
    /** Paths that get `exceptAccess` nowhere below them while everything else on `/` gets it; only without mount namespace. */
    exceptPaths: string[];
    exceptAccess: bigint;
  } | null;
  /** Install the filter that refuses mounts, namespaces, modules, bpf and the rest. */
  seccomp: boolean;
  /** Refuse socket(2) of these kinds by filter; used where no network namespace does it. */
  refuseUnixSockets: boolean;
  refuseInetSockets: boolean;
  /** Capabilities (bit mask by number) that stay when the caller is root; bounding set too. */
  keepCapabilities: bigint;
  /** What is tried from inside before anything runs; one success that is not in `gaps` and nothing runs. */
  probe: { canaryFile: string; canaryFolder: string; network: boolean; gaps: string[] } | null;
}

export interface LaunchSpec {
  /** `plain`: the program as it is. `guarded`: below an init process, with wall and interceptor. */
  mode: "plain" | "guarded";
  /** Report every exec and wait for a verdict (guarded mode). */
  intercept: boolean;
  /** Argument vector that builds the namespaces and ends by executing the init; the element `"@init"` stands for the init's
   *  path, and what follows it is added by the broker. Empty: the init is started directly. */
  outerArgv: string[];
  file: Text;
  argv: Text[];
  /** NAME=value entries. */
  env: Text[];
  cwd: string;
  wall: WallSpec | null;
  /** True where `outerArgv` makes a pid namespace: then ending its init is sure to end the tree. */
  pidNamespace: boolean;
  /** Folder of a cgroup made for this tree, or null. The broker puts the tree in, kills through it and removes it. */
  cgroup: string | null;
  /** Folder of a pids cgroup (v1) made for this tree, where it is not the same as `cgroup`. */
  pidsCgroup: string | null;
  /** Folder of a freezer cgroup (v1) made for this tree, where `cgroup` can't freeze it; left out: there is none. */
  freezerCgroup?: string | null;
  /** Share the caller's terminal, and its foreground where the caller has that (guarded mode). */
  terminal: boolean;
  /** What Node changed for itself and the command shall have as the caller had it: the soft limit of open files (0: leave it)
   *  the signals that were ignored (bit n-1 for signal n), and which of the descriptors 0 to 2 were closed (bit n). */
  caller?: { nofileSoft: number; ignoredSignals: bigint; closedDescriptors: number };
  /** Number at which everything inside inherits the socket that wrappers ask over; null or left out: there is none. Set
   *  `intercept` or this, never both. */
  escalateSocket?: number | null;
  /** Run on a pty of the broker's making; output and input then go through `onOutput` and `input()`. In guarded mode the broker
   *  leads the pty's session, so that escalated programs have it as terminal too, and puts its own descriptor 0 into raw mode
   *  until the end, where that is a terminal. */
  pty: { rows: number; columns: number } | "size-of-caller" | null;
  /** Descriptors 1 and 2 are one pipe of the broker's making, read through `onOutput`: every byte in the order in which it was
   *  written. A pipe and not the socket that Node would make, so that `/dev/stdout` can be opened. Not together with `pty`. */
  mergedOutput?: boolean;
  /** Plain mode: the program leads a session of its own and has no controlling terminal. */
  ownSession?: boolean;
  /** Plain mode: how long what the program leaves behind may go on after its end; 0 (default): it is ended at once. Who then still runs
   *  is ended and named in `leftBehind`. */
  lingerMs?: number;
}

export interface BrokerHandlers {
  onExec(event: ExecEvent): void;
  onExecEnd(event: ExecEndEvent): void;
  /** What a pty or a merged pipe gave. While a returned promise is pending nothing more is read from the broker, which then
   *  stops reading the output and takes up no new exec: so a flood waits in the command and not in our memory. */
  onOutput?(chunk: Buffer): void | Promise<void>;
  /** The program of a launch with `lingerMs` has ended; its tree ends within that time. */
  onLingering?(): void;
  /** All input so far has been typed. */
  onInputTaken?(): void;
  onSession?(event: SessionEvent): void;
  onSessionMessage?(message: SessionMessage): void;
  onSessionState?(state: SessionState): void;
}

/** The first message of a wrapper, and who sent it as the kernel tells. A session's id is the request id of its exec. */
export interface SessionEvent {
  sessionId: number;
  pid: number;
  /** As in `ExecEvent`. */
  parents: number[];
  parentRequestId: number | null;
  /** Where the process is, which need not be the folder that the message names. */
  cwd: Text;
  message: Buffer;
}

/** A later message, after the session was granted. */
export interface SessionMessage {
  sessionId: number;
  /** Descriptors that have come so far. */
  descriptorCount: number;
  message: Buffer;
}

/** What became of the program that a session has started; its end comes as `onExecEnd`. */
export type SessionState =
  | { sessionId: number; kind: "started" }
  | { sessionId: number; kind: "stopped"; signal: number }
  | { sessionId: number; kind: "failed"; errno: number; what: string };

/** How the whole command ended, after its tree was ended too. */
export interface RunResult {
  exitCode: number | null;
  signal: number | null;
  /** How the tree was ended, and whether that way is sure. */
  cleanup: { how: "pid-namespace" | "cgroup" | "process-walk" | "process-group"; sure: boolean; killed: number };
  /** Names of the programs that had to be ended after `lingerMs`, at most 16; not there when there was none. */
  leftBehind?: string[];
}
