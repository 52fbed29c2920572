/** The door for wrappers: what they ask becomes an exec like any other, and what was decided becomes an answer.
 *
 *      wrapper           broker            WrapperDoor                 decision, journal
 *         | -- message 1 --> | -- session ----> | opens the files          |
 *         |                  |                  | -- onExec -------------> |
 *         | <---- message 2  | <- send -------- | <- verdict ------------- |
 *         | -- message 3 --> | -- message ----> | -- start --> broker      |
 *         | <---- message 4  | <- send -------- | <- onExecEnd ----------- |
 *
 *  Fails closed: what can't be understood is denied, and a wrapper without an answer runs nothing. */
import { isDeepStrictEqual } from "node:util";
import type { EscalateEvent, Text } from "@sallyport/protocol";
import type {
  Broker,
  BrokerHandlers,
  ExecEndEvent,
  ExecEvent,
  SessionEvent,
  SessionMessage,
  SessionState,
  Verdict,
  WrapperSessions,
} from "@sallyport/supervisor";
import { textToDisplay } from "@sallyport/supervisor";
import {
  commonVersion,
  denyAnswer,
  escalateAnswer,
  eventMessage,
  readDescriptors,
  readRequest,
  readSignal,
  resultMessage,
  runAnswer,
} from "./messages.ts";
import type { WrapperRequest } from "./messages.ts";

interface Session {
  version: 1 | 2;
  request: WrapperRequest;
  /** "" where the wrapper is where it says. */
  folder: Text;
  /** What was judged. */
  files: ExecFiles | null;
  /** Set while its descriptors are awaited. */
  granted: { verdict: Verdict & { kind: "escalate" }; numbers: number[] } | null;
  isStarted: boolean;
  /** Why the program could not be started outside. */
  failure: string | null;
}

type ExecFiles = { cwd: ExecEvent["cwd"]; chain: ExecEvent["chain"] };

/** The peer's wrapper ignores SIGPIPE for itself; its program must not inherit that. */
const allButSigpipe = ~(1n << 12n) & 0xffff_ffff_ffff_ffffn;
const allSignals = 0xffff_ffff_ffff_ffffn;

export class WrapperDoor {
  readonly #handlers: Pick<BrokerHandlers, "onExec" | "onExecEnd">;
  readonly #shell: string | null;
  readonly #sessions = new Map<number, Session>();
  #broker: WrapperSessions | null = null;

  /** `shell` runs files that the kernel does not know how to run. */
  constructor(handlers: Pick<BrokerHandlers, "onExec" | "onExecEnd">, shell: string | null) {
    this.#handlers = handlers;
    this.#shell = shell;
  }

  get handlers(): BrokerHandlers {
    return {
      onExec: (event) => this.#handlers.onExec(event),
      onExecEnd: (event) => this.#onExecEnd(event),
      onSession: (event) => this.#onSession(event),
      onSessionMessage: (message) => this.#onMessage(message),
      onSessionState: (state) => this.#onState(state),
    };
  }

  open(broker: Broker): void {
    this.#broker = broker.sessions;
  }

  resolve(requestId: number, path: Parameters<Broker["resolve"]>[1]): ReturnType<Broker["resolve"]> {
    return this.#broker?.resolve(requestId, path) ?? Promise.resolve({ errno: -1 });
  }

  verdict(requestId: number, verdict: Verdict): void {
    const session = this.#sessions.get(requestId);
    if (session === undefined) return;
    switch (verdict.kind) {
      case "run":
        if (verdict.ifSame === true) return this.#runIfSame(requestId, session);
        this.#run(requestId, session);
        return;
      case "deny":
        this.#deny(requestId, verdict.reason);
        return;
      case "escalate":
        session.granted = { verdict, numbers: [] };
        this.#broker?.send(requestId, "grant", escalateAnswer(session.version));
    }
  }

  #run(sessionId: number, { version }: Session): void {
    this.#sessions.delete(sessionId);
    this.#broker?.send(sessionId, "run", runAnswer(version, this.#shellOf()));
  }

  /** The wrapper finds the program anew, by its name: what that names is looked at once more. */
  #runIfSame(sessionId: number, session: Session): void {
    this.#broker?.open(sessionId, session.folder, session.request.file, (files) => {
      if (!this.#sessions.has(sessionId)) return; // killed meanwhile
      if (!("errno" in files) && session.files !== null && isSame(files, session.files))
        return this.#run(sessionId, session);
      this.#deny(sessionId, "it was changed while it was asked about");
      const ending = { exitCode: null, signal: null, by: null, atMs: Date.now() };
      this.#handlers.onExecEnd({ requestId: sessionId, how: "changed", ...ending });
    });
  }

  #shellOf(): { shell?: string } {
    return this.#shell === null ? {} : { shell: this.#shell };
  }

  #deny(sessionId: number, reason: string): void {
    this.#sessions.delete(sessionId);
    this.#broker?.send(sessionId, "deny", denyAnswer(reason));
  }

  #onSession(event: SessionEvent): void {
    const { sessionId } = event;
    const request = readRequest(event.message);
    if (typeof request === "string") return this.#deny(sessionId, `the wrapper sent ${request}`);
    const version = commonVersion(request.version);
    const folder = request.workdir === event.cwd ? "" : request.workdir;
    const session: Session = {
      version,
      request,
      folder,
      files: null,
      granted: null,
      isStarted: false,
      failure: null,
    };
    this.#sessions.set(sessionId, session);
    this.#broker?.open(sessionId, folder, request.file, (files) => {
      if (!this.#sessions.has(sessionId)) return; // killed meanwhile
      if (!("errno" in files)) {
        session.files = files;
        return this.#handlers.onExec(execOf(event, request, files));
      }
      if (files.errno < 0) return this.#deny(sessionId, `it can't be told what "${textToDisplay(request.file)}" is`);
      // An exec that fails anyway is not decided on, so that it fails as it would without us. The wrapper is told with what, because
      // the file might be there a moment later.
      this.#sessions.delete(sessionId);
      this.#broker?.send(sessionId, "run", runAnswer(version, { errno: files.errno, ...this.#shellOf() }));
    });
  }

  #onMessage({ sessionId, descriptorCount, message }: SessionMessage): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    if (session.granted !== null) {
      this.#takeDescriptors(sessionId, session, { descriptorCount, message });
      return;
    }
    const signal = session.version === 1 || !session.isStarted ? "nothing to wait for" : readSignal(message);
    // It can only have harmed itself.
    if (typeof signal === "string") return;
    this.#broker?.signal(sessionId, signal.signal, signal.fromTerminal);
  }

  #takeDescriptors(
    sessionId: number,
    session: Session,
    { descriptorCount, message }: { descriptorCount: number; message: Buffer },
  ): void {
    const { granted } = session;
    const sent = readDescriptors(message);
    if (granted === null) return;
    if (typeof sent === "string") return this.#giveUp(sessionId, session, `the wrapper sent ${sent}`);
    granted.numbers.push(...sent.numbers);
    if (sent.more && session.version > 1) return;
    // The attack: numbers for descriptors that were not sent, so that the program gets others than it was given.
    if (granted.numbers.length !== descriptorCount || new Set(granted.numbers).size !== descriptorCount) {
      const found = `${descriptorCount} descriptors for ${granted.numbers.length} numbers`;
      return this.#giveUp(sessionId, session, `the wrapper sent ${found}`);
    }
    session.granted = null;
    session.isStarted = true;
    const { chainIndex, argv, env, cwd, denyRead, bounds } = granted.verdict;
    const isPlain = session.version === 1;
    this.#broker?.start(sessionId, {
      chainIndex,
      argv,
      env,
      cwd,
      denyRead,
      ...(bounds === undefined ? {} : { bounds }),
      numbers: granted.numbers,
      blockedSignals: session.request.blockedSignals,
      keptIgnored: isPlain ? allButSigpipe : allSignals,
    });
  }

  #giveUp(sessionId: number, session: Session, reason: string): void {
    this.#sessions.delete(sessionId);
    this.#broker?.send(sessionId, "end", failureMessage(session, reason));
  }

  #onState(state: SessionState): void {
    const session = this.#sessions.get(state.sessionId);
    if (session === undefined) return;
    if (state.kind === "failed") session.failure = failureOf(state);
    else if (state.kind === "started") this.#tell(state.sessionId, session, { started: true });
    else this.#tell(state.sessionId, session, { stopped: state.signal });
  }

  #tell(sessionId: number, session: Session, event: EscalateEvent): void {
    if (session.version > 1)
      this.#broker?.send(sessionId, "stopped" in event ? "stopped" : "none", eventMessage(event));
  }

  #onExecEnd(event: ExecEndEvent): void {
    const session = this.#sessions.get(event.requestId);
    this.#sessions.delete(event.requestId);
    if (session?.isStarted === true) {
      const { failure, version } = session;
      const message = failure === null ? resultMessage(version, event) : failureMessage(session, failure);
      this.#broker?.send(event.requestId, "end", message);
    }
    this.#handlers.onExecEnd(event);
  }
}

/** In all but the broker's descriptors, which are new ones. */
function isSame(files: ExecFiles, judged: ExecFiles): boolean {
  const plain = ({ cwd, chain }: ExecFiles): unknown => [cwd, chain.map((file) => ({ ...file, fd: -1 }))];
  return isDeepStrictEqual(plain(files), plain(judged));
}

function failureOf({ what, errno }: SessionState & { kind: "failed" }): string {
  return errno === 0 ? what : `${what} failed (errno ${errno})`;
}

/** The plain protocol has no words for it. */
function failureMessage({ version }: Session, reason: string): Buffer {
  return version === 1 ? resultMessage(1, { exitCode: null, signal: null }) : eventMessage({ error: reason });
}

function execOf(
  event: SessionEvent,
  request: WrapperRequest,
  files: { cwd: ExecEvent["cwd"]; chain: ExecEvent["chain"] },
): ExecEvent {
  return {
    requestId: event.sessionId,
    pid: event.pid,
    tid: event.pid,
    parents: event.parents,
    parentRequestId: event.parentRequestId,
    answeredAtMs: null,
    outside: false,
    file: request.file,
    argv: request.argv,
    cwd: files.cwd,
    env: request.env,
    chain: files.chain,
  };
}
