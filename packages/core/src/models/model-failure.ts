/** From what went wrong with a request to what the turn says about it. */
import type { CodexErrorInfo, TurnError } from "@sallyport/protocol";

const detailsLimit = 2000;
const overloadedStatuses: ReadonlySet<number> = new Set([503, 529]);

/** A request that failed. `retry` says what trying again could help against; null: nothing. */
export class ModelFailure extends Error {
  readonly turnError: TurnError;
  readonly retry: "request" | "stream" | null;
  readonly httpStatusCode: number | null;
  readonly retryAfterMs: number | null;

  constructor(
    turnError: TurnError,
    options: {
      retry: "request" | "stream" | null;
      httpStatusCode?: number | null;
      retryAfterMs?: number | null;
      cause?: unknown;
    },
  ) {
    super(turnError.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ModelFailure";
    this.turnError = turnError;
    this.retry = options.retry;
    this.httpStatusCode = options.httpStatusCode ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export function failureOf(error: unknown, model: string): ModelFailure {
  if (error instanceof ModelFailure) return error;
  if (isBrokenOff(error)) return brokenStream(model, "broke off", error);
  const call = apiCallOf(error);
  if (call !== null && call.statusCode !== null) return httpFailure(call, call.statusCode, model, error);
  if (isBadData(error)) {
    const message = `Model ${quote(model)} sent an answer that can't be read: ${messageOf(error)}`;
    return new ModelFailure(other(message), { retry: null, cause: error });
  }
  if (call !== null || isNetworkError(error)) {
    const message = `Model ${quote(model)} can't be reached: ${messageOf(error)}`;
    const turnError = {
      message,
      codexErrorInfo: { httpConnectionFailed: { httpStatusCode: null } },
      additionalDetails: null,
    };
    return new ModelFailure(turnError, { retry: "request", cause: error });
  }
  return new ModelFailure(other(`Model ${quote(model)} failed: ${messageOf(error)}`), { retry: null, cause: error });
}

/** The answer broke off, or nothing more of it came. */
export function brokenStream(model: string, what: string, cause?: unknown): ModelFailure {
  const details = cause === undefined ? null : messageOf(cause);
  const turnError = { ...other(`The answer of model ${quote(model)} ${what}`), additionalDetails: details };
  return new ModelFailure(turnError, { retry: "stream", ...(cause === undefined ? {} : { cause }) });
}

/** What the provider reported inside an answer that had begun. */
export function reportedFailure(error: unknown, model: string): ModelFailure {
  if (apiCallOf(error) !== null || isBadData(error)) return failureOf(error, model);
  if (isNetworkError(error)) return brokenStream(model, "broke off", error);
  const { code, message } = reportedError(error);
  const turnError = {
    ...other(`Model ${quote(model)} reported: ${message}`),
    codexErrorInfo: infoByCode(code, message),
  };
  return new ModelFailure(turnError, { retry: code === "server_error" ? "stream" : null, cause: error });
}

export function incomplete(model: string, why: string): ModelFailure {
  return new ModelFailure(other(`The answer of model ${quote(model)} is not complete: ${why}`), { retry: null });
}

interface ApiCall {
  statusCode: number | null;
  body: string | null;
  headers: Record<string, string>;
  isRetryable: boolean;
}

/** By its name and not by `instanceof`: each provider may bring a copy of the class. */
function apiCallOf(error: unknown): ApiCall | null {
  if (!(error instanceof Error) || error.name !== "AI_APICallError") return null;
  const call = error as Error & {
    statusCode?: number;
    responseBody?: string;
    responseHeaders?: Record<string, string>;
    isRetryable?: boolean;
  };
  return {
    statusCode: call.statusCode ?? null,
    body: call.responseBody ?? null,
    headers: call.responseHeaders ?? {},
    isRetryable: call.isRetryable === true,
  };
}

function httpFailure(call: ApiCall, statusCode: number, model: string, cause: unknown): ModelFailure {
  const told = messageOf(cause);
  const info = infoByStatus(statusCode, told, call.body ?? "");
  const isFinal = info === "usageLimitExceeded" || info === "contextWindowExceeded";
  const turnError: TurnError = {
    message: `Model ${quote(model)} answered with HTTP status ${statusCode}: ${told}`,
    codexErrorInfo: info,
    additionalDetails: call.body === null || call.body === "" ? null : call.body.slice(0, detailsLimit),
  };
  return new ModelFailure(turnError, {
    retry: call.isRetryable && !isFinal ? "request" : null,
    httpStatusCode: statusCode,
    retryAfterMs: retryAfterOf(call.headers),
    cause,
  });
}

function infoByStatus(statusCode: number, message: string, body: string): CodexErrorInfo {
  const named = infoByCode(codeOf(body), `${message} ${body}`);
  if (named !== "other") return named;
  if (overloadedStatuses.has(statusCode)) return "serverOverloaded";
  if (statusCode === 429) return { responseTooManyFailedAttempts: { httpStatusCode: statusCode } };
  if (statusCode >= 500) return "internalServerError";
  return statusCode === 400 ? "other" : { httpConnectionFailed: { httpStatusCode: statusCode } };
}

function infoByCode(code: string, message: string): CodexErrorInfo {
  if (code === "context_length_exceeded" || /prompt is too long|context (length|window)/i.test(message))
    return "contextWindowExceeded";
  if (code === "insufficient_quota" || code === "usage_limit_reached") return "usageLimitExceeded";
  if (code === "model_not_found") return "modelNotFound";
  if (code === "rate_limit_exceeded") return "rateLimitExceeded";
  return code === "overloaded_error" || code === "server_is_overloaded" ? "serverOverloaded" : "other";
}

function codeOf(body: string): string {
  try {
    return reportedError(JSON.parse(body)).code;
  } catch {
    return ""; // no JSON, so no code
  }
}

/** Providers nest it: `{error: {code, message}}`, `{response: {error: {...}}}`, `{type: "error", error: {type, message}}`. */
function reportedError(value: unknown): { code: string; message: string } {
  if (typeof value === "string") return { code: "", message: value };
  if (value instanceof Error) return { code: "", message: value.message };
  if (typeof value !== "object" || value === null) return { code: "", message: String(value) };
  const fields = value as Record<string, unknown>;
  for (const inner of [fields["error"], fields["response"]]) {
    if (typeof inner === "object" && inner !== null) return reportedError(inner);
  }
  const code = [fields["code"], fields["type"]].find((field) => typeof field === "string");
  const message = fields["message"];
  return {
    code: typeof code === "string" ? code : "",
    message: typeof message === "string" ? message : JSON.stringify(value).slice(0, detailsLimit),
  };
}

/** The SDK calls an answer that had begun well a failed call with the status 200, and for chat one of bad data. */
function isBrokenOff(error: unknown): boolean {
  const status = apiCallOf(error)?.statusCode ?? 0;
  if (status >= 200 && status < 300) return error instanceof Error && isNetworkError(error.cause);
  return error instanceof Error && error.name === "AI_InvalidResponseDataError" && /ended without/.test(error.message);
}

const badDataNames: ReadonlySet<string> = new Set([
  "AI_JSONParseError",
  "AI_TypeValidationError",
  "AI_InvalidResponseDataError",
  "AI_EmptyResponseBodyError",
]);

function isBadData(error: unknown): boolean {
  return error instanceof Error && badDataNames.has(error.name);
}

/** fetch() throws TypeErrors; the cause has the errno. */
function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof TypeError || typeof (error as NodeJS.ErrnoException).code === "string";
}

function retryAfterOf(headers: Record<string, string>): number | null {
  const seconds = Number(headers["retry-after"] ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1000 : null;
}

function other(message: string): TurnError {
  return { message, codexErrorInfo: "other", additionalDetails: null };
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, message } = error;
  return cause instanceof Error && cause.message !== "" && !message.includes(cause.message)
    ? `${message} (${cause.message})`
    : message;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
