/** The arguments of one call, as written. */
import { notJoined, readLiteral } from "./literal.ts";
import type { Literal, TokenReader } from "./literal.ts";
import { quoted, RulesFailure } from "./rules-error.ts";

interface Span {
  start: number;
  end: number;
}

export interface Argument extends Span {
  /** Null for a positional argument. */
  name: string | null;
  value: Literal;
}

export interface Call extends Span {
  given: Argument[];
}

export type Report = (where: Span, text: string, expected: string) => void;

/** Reads up to the closing bracket; the opening one has been taken. */
export function readArguments(reader: TokenReader): { given: Argument[]; end: number } {
  const given: Argument[] = [];
  for (;;) {
    const token = reader.peek();
    if (reader.takeIf(")")) return { given, end: token.end };
    given.push(readArgument(reader));
    const next = reader.peek();
    if (reader.takeIf(",")) continue;
    if (next.kind === "operator" && next.text === ")") continue;
    throw notJoined(next, '"," or ")"');
  }
}

function readArgument(reader: TokenReader): Argument {
  const token = reader.peek();
  if (token.kind === "operator" && (token.text === "*" || token.text === "**")) {
    const what = `arguments spread with ${token.text} are not read by this version`;
    throw new RulesFailure(token.start, token.end, what, "arguments written out");
  }
  if (token.kind !== "name" || ["True", "False", "None"].includes(token.text)) {
    const value = readLiteral(reader);
    return { name: null, value, start: value.start, end: value.end };
  }
  reader.take();
  if (!reader.takeIf("=")) {
    const what = `the name ${quoted(token.text)} is not read as a value by this version`;
    throw new RulesFailure(token.start, token.end, what, "NAME = VALUE or a value written out");
  }
  const value = readLiteral(reader);
  return { name: token.text, value, start: token.start, end: value.end };
}
