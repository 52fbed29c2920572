/** What one rules file may hold and do. Passing a limit is an error with a position, never a hang or a crash. */
export const limits = {
  /** UTF-16 units here; the store checks bytes before it reads. */
  fileSize: 8_388_608,
  /** Rules of one file, alternatives of a first token counted apart. */
  rules: 100_000,
  /** Values and statements of one statement with its blocks. */
  values: 500_000,
  /** Brackets in brackets, blocks in blocks, operators in operators. */
  nesting: 200,
  /** Statements, calls and rounds of loops. */
  steps: 1_000_000,
  /** Characters and elements that operators and methods look at or make. */
  work: 20_000_000,
  /** Functions that call functions. */
  callDepth: 50,
  /** Characters of one string. */
  stringLength: 1_048_576,
  /** Elements of one list, tuple, dict or range. */
  elements: 100_000,
  /** Bits of one integer. */
  integerBits: 4096,
  /** Problems reported for one file. */
  errors: 200,
} as const;
