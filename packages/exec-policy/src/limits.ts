/** What one rules file may hold. Passing a limit is an error with a position, never a hang or a crash. */
export const limits = {
  /** UTF-16 units here; the store checks bytes before it reads. */
  fileSize: 1_048_576,
  /** Rules of one file, alternatives of a first token counted apart. */
  rules: 100_000,
  /** Brackets in brackets. */
  nesting: 200,
  /** No argument of a program can be longer (MAX_ARG_STRLEN on Linux), so no longer token can ever match. */
  stringLength: 131_072,
  /** Problems reported for one file. */
  errors: 200,
} as const;
