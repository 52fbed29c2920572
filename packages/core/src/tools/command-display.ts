/** A command in one line, for people. */

const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/;

export function displayCommand(argv: readonly string[]): string {
  return argv.map((word) => (plainWord.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}
