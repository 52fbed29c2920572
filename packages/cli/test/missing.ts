/** Why a test can't run here, for its `skip`. With SALLYPORT_MUST_RUN=1 it runs and fails instead, so that nothing goes unchecked in silence. */
export function missing(reason: string | false): string | false {
  return process.env["SALLYPORT_MUST_RUN"] === "1" ? false : reason;
}
