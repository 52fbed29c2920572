/** Local errors of Sallyport: a stable string `code`, the values in `data`, what went wrong in `message`.
 *  Recognised by a mark and not by `instanceof`, so that two copies of the package still understand each other. */
const mark: unique symbol = Symbol.for("sallyport.error") as never;

export class SallyportError extends Error {
  readonly code: string;
  readonly data: Record<string, unknown>;

  constructor(code: string, message: string, options: { data?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SallyportError";
    this.code = code;
    this.data = options.data ?? {};
    Object.defineProperty(this, mark, { value: true });
  }
}

export function isSallyportError(value: unknown): value is SallyportError {
  return typeof value === "object" && value !== null && mark in value;
}
