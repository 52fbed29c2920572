/** The messages of the escalation protocol, read and written by hand: `sallyport run` reads one for every program, and loading the
 *  schemas would cost more than its whole start. A test holds both to the same answers.
 *
 *  Who writes the messages that are read here is hostile: nothing of them is believed but what it asks for itself. */
import type { EscalateAnswer, EscalateEvent, EscalateResult, Text } from "@sallyport/protocol";
import { textToBytes } from "@sallyport/supervisor";

const protocolVersion = 2;

/** What a wrapper asks. */
export interface WrapperRequest {
  file: Text;
  argv: Text[];
  workdir: Text;
  /** NAME=value entries, each ended by a NUL. */
  env: Buffer;
  /** Version 1 is the plain protocol. */
  version: number;
  /** Signals that were blocked when the wrapper was started; bit n-1 for signal n. */
  blockedSignals: bigint;
}

export interface WrapperDescriptors {
  numbers: number[];
  more: boolean;
}

export interface WrapperSignal {
  signal: number;
  fromTerminal: boolean;
}

const highestNumber = 2 ** 20;
const highestSignal = 64;

/** A message that can't be understood, in words that complete "the wrapper sent ...". */
export type Unreadable = string;

/** What a message without `protocol` means. */
const plainProtocol: object = { version: 1 };

export function readRequest(bytes: Buffer): WrapperRequest | Unreadable {
  const message = parseObject(bytes);
  if (typeof message === "string") return message;
  const { file, argv, workdir, env } = message;
  const protocol = message["protocol"] ?? (message["protocol"] === null ? null : plainProtocol);
  if (!isText(file) || file === "") return "no file";
  if (!isTextList(argv)) return "no list of arguments";
  if (!isText(workdir)) return "no working folder";
  if (!isObject(env)) return "no environment";
  if (!isObject(protocol)) return "a protocol that is none";
  const { version, blocked = "0000000000000000", env: odd = [] } = protocol;
  if (!isInteger(version) || !isTextList(odd) || typeof blocked !== "string" || !/^[0-9a-f]{16}$/.test(blocked)) {
    return "a protocol that is none";
  }
  const block = joinEnvironment(env, odd);
  if (block === null) return "an environment that is none";
  return { file, argv, workdir, env: block, version, blockedSignals: BigInt(`0x${blocked}`) };
}

export function readDescriptors(bytes: Buffer): WrapperDescriptors | Unreadable {
  const message = parseObject(bytes);
  if (typeof message === "string") return message;
  const { fds, more = false } = message;
  const isNumber = (fd: unknown): fd is number => isInteger(fd) && fd >= 0 && fd <= highestNumber;
  if (!Array.isArray(fds) || !fds.every(isNumber) || typeof more !== "boolean") return "no list of descriptors";
  return { numbers: fds, more };
}

export function readSignal(bytes: Buffer): WrapperSignal | Unreadable {
  const message = parseObject(bytes);
  if (typeof message === "string") return message;
  const { signal, terminal = false } = message;
  if (!isInteger(signal) || signal < 1 || signal > highestSignal || typeof terminal !== "boolean") return "no signal";
  return { signal, fromTerminal: terminal };
}

/** The version that both sides speak. */
export function commonVersion(theirs: number): 1 | 2 {
  return theirs >= protocolVersion ? protocolVersion : 1;
}

/** `beside` goes with version 2 only: a plain wrapper tries for itself. */
export function runAnswer(version: 1 | 2, beside: { errno?: number; shell?: string } = {}): Buffer {
  return version === 1 ? plainRun : encode({ action: "Run", protocol: { version, ...beside } });
}

export function escalateAnswer(version: 1 | 2): Buffer {
  return version === 1
    ? encode({ action: "Escalate" } satisfies EscalateAnswer)
    : encode({ action: "Escalate", protocol: { version } });
}

export function denyAnswer(reason: string): Buffer {
  // A line on somebody's terminal: it can hold no NUL, and a policy's essay helps nobody.
  return encode({ action: { Deny: { reason: reason.replaceAll("\0", "").slice(0, maxReasonLength) } } });
}

/** The plain protocol has no signals: 128 plus its number is what a shell would say. */
export function resultMessage(version: 1 | 2, end: { exitCode: number | null; signal: number | null }): Buffer {
  const exitCode = end.exitCode ?? (end.signal === null ? ownFailureStatus : signalStatusBase + end.signal);
  const result: EscalateResult = version === 1 ? { exit_code: exitCode } : { exit_code: exitCode, signal: end.signal };
  return encode(result);
}

export function eventMessage(event: EscalateEvent): Buffer {
  return encode(event);
}

const maxReasonLength = 4000;
const ownFailureStatus = 125;
const signalStatusBase = 128;
const plainRun = encode({ action: "Run" } satisfies EscalateAnswer);

function encode(message: EscalateAnswer | EscalateResult | EscalateEvent): Buffer {
  return Buffer.from(JSON.stringify(message));
}

type Message = Record<string, unknown> & {
  file?: unknown;
  argv?: unknown;
  workdir?: unknown;
  env?: unknown;
  fds?: unknown;
  more?: unknown;
  signal?: unknown;
  terminal?: unknown;
  version?: unknown;
  blocked?: unknown;
};

function parseObject(bytes: Buffer): Message | Unreadable {
  try {
    const message: unknown = JSON.parse(decoder.decode(bytes));
    return isObject(message) ? message : "something that is no object";
  } catch {
    return "something that is no JSON";
  }
}

/** Not `toString()`, which would put another character in the place of bytes that are not UTF-8. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isObject(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** The attack: half a surrogate pair, or a NUL. The kernel could not have been given either, and what is decided on would be
 *  something else than what runs. */
function isText(value: unknown): value is Text {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  if (!isObject(value) || Object.keys(value).length !== 1) return false;
  const { base64 } = value;
  return typeof base64 === "string" && isBase64(base64) && !textToBytes({ base64 }).includes(0);
}

function isBase64(value: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value);
}

function isTextList(value: unknown): value is Text[] {
  return Array.isArray(value) && value.every(isText);
}

/** One block as the kernel keeps it, or null where an entry is no text. */
function joinEnvironment(named: Record<string, unknown>, odd: readonly Text[]): Buffer | null {
  let plain = "";
  const others: Text[] = [];
  for (const name of Object.keys(named)) {
    const value = named[name];
    if (!isText(value) || !isText(name) || name.includes("=")) return null;
    if (typeof value === "string") plain += `${name}=${value}\0`;
    else others.push({ base64: Buffer.concat([Buffer.from(`${name}=`), textToBytes(value)]).toString("base64") });
  }
  if (others.length === 0 && odd.length === 0) return Buffer.from(plain);
  const rest = [...others, ...odd].flatMap((entry) => [textToBytes(entry), Buffer.of(0)]);
  return Buffer.concat([Buffer.from(plain), ...rest]);
}
