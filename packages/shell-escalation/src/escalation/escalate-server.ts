/** Policy in, sessions out: the escalation protocol for a harness that decides itself. Each session is one command behind the
 *  guarded door with a broker, a socket and a wall of its own. */
import type { GuardedRunOptions, RunSummary } from "../run-guarded.ts";
import { runGuarded } from "../run-guarded.ts";
import { readEnvironment } from "../session-bytes.ts";
import type { EscalationPolicy } from "./escalation-policy.ts";

export interface EscalateServerOptions {
  policy: EscalationPolicy;
  /** Sallyport's home, absolute: `locateHome()`. */
  home: string;
  /** Default "auto". With "bash" the escalation protocol is spoken on every machine, with "kernel" on none. */
  interceptor?: GuardedRunOptions["interceptor"];
  /** As in `GuardedRunOptions`. */
  shell?: string;
  execveWrapper?: string;
  /** Default 300000. */
  decisionTimeoutMs?: number;
}

/** One command. What is left out is as `sallyport run` has it: the current environment, workspace-write, no network. */
export interface EscalationCommand
  extends
    Pick<GuardedRunOptions, "argv" | "cwd">,
    Partial<
      Pick<
        GuardedRunOptions,
        "env" | "stdio" | "timeoutMs" | "maxProcesses" | "journal" | "onRecord" | "onGaps" | "onStreams"
      >
    > {
  sandbox?: Partial<GuardedRunOptions["sandbox"]>;
}

export interface EscalationSession {
  /** When the command and all that it started have ended. Rejects as `runGuarded()` does, and then nothing has run. */
  readonly finished: Promise<RunSummary>;
  /** TERM to the whole tree, two seconds later KILL. */
  terminate(): void;
}

const usualSandbox: GuardedRunOptions["sandbox"] = {
  mode: "workspace-write",
  writable: [],
  network: false,
  denyRead: [],
  allowGitInit: false,
  sockets: [],
  wall: "auto",
};

export class EscalateServer {
  readonly #options: EscalateServerOptions;
  readonly #sessions = new Map<EscalationSession, AbortController>();

  constructor(options: EscalateServerOptions) {
    this.#options = options;
  }

  /** Starts a command; sessions run side by side. */
  start(command: EscalationCommand): EscalationSession {
    const { policy, ...server } = this.#options;
    const { sandbox, env, ...rest } = command;
    const controller = new AbortController();
    const finished = runGuarded({
      interceptor: "auto",
      ...server,
      ...rest,
      env: env ?? readEnvironment(),
      sandbox: { ...usualSandbox, ...sandbox },
      policy: { kind: "policy", policy },
      rulesFiles: [],
      passSignals: false,
      signal: controller.signal,
    }).finally(() => this.#sessions.delete(session));
    finished.catch(() => {}); // whoever awaits it is told
    const session: EscalationSession = { finished, terminate: () => controller.abort() };
    this.#sessions.set(session, controller);
    return session;
  }

  /** Terminates every session and waits until all have ended. */
  async close(): Promise<void> {
    const sessions = [...this.#sessions.keys()];
    for (const session of sessions) session.terminate();
    await Promise.allSettled(sessions.map(({ finished }) => finished));
  }
}
