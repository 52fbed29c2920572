/** Reads `approvals.rules`: the yeses that a person wants to be kept, one call each. It is written by programs and corrected by people,
 *  so it is read by the rules language's own front end, but holds nothing besides such calls. Never throws, whatever the text. */
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList, parameterTable, readArguments, shortRepr } from "./call-arguments.ts";
import { Interpreter } from "./interpreter.ts";
import type { RuleFunction } from "./interpreter.ts";
import { limits } from "./limits.ts";
import { Parser } from "./parser.ts";
import { bindPlainCall } from "./plain-calls.ts";
import { expiresOf, sha256Of } from "./prefix-rule.ts";
import type { RulesError } from "./rules-error.ts";
import { Positions, RulesFailure, shown } from "./rules-error.ts";
import type { Call, Statement } from "./syntax.ts";
import { Dict, isTrue, typeName } from "./values.ts";
import type { Given } from "./values.ts";

export interface KeptApproval {
  id: string;
  pattern: readonly string[];
  exact: boolean;
  /** Absolute. */
  file: string;
  sha256: string | null;
  cwd: string | null;
  /** `YYYY-MM-DD`. */
  expires: string | null;
  addedAt: string;
  origin: { by: string; for: string; threadId?: string };
  /** Where the call stands in the text, in UTF-16 units, `end` exclusive. */
  span: { start: number; end: number };
}

export interface ParsedApprovals {
  /** Empty where there are errors: an approval that was meant to be narrower must not count as it stands. */
  approvals: KeptApproval[];
  errors: RulesError[];
}

const functionName = "approval";
const table = parameterTable(
  functionName,
  {
    id: "string",
    pattern: "list",
    exact: "bool",
    file: "string",
    sha256: "string",
    cwd: "string",
    expires: "string",
    added: "string",
    origin: "dict",
  },
  {
    named: ["id", "pattern", "exact", "file", "sha256", "cwd", "expires", "added", "origin"],
    required: ["id", "pattern", "file"],
  },
);

export function parseApprovals(text: string, fileName: string): ParsedApprovals {
  const approvals: KeptApproval[] = [];
  const failures: RulesFailure[] = [];
  const report: Report = ({ start, end }, problem, expected) => {
    if (failures.length < limits.errors) failures.push(new RulesFailure(start, end, problem, expected));
  };
  const add: RuleFunction = (call, given) => {
    const approval = readApproval(call, given, report);
    if (approval === null) return;
    if (approvals.some(({ id }) => id === approval.id))
      report(call, `the id ${shortRepr(approval.id)} is given twice`, "another id for each approval");
    else approvals.push(approval);
  };
  const interpreter = new Interpreter(new Map([[functionName, add]]));
  try {
    if (text.length > limits.fileSize)
      throw new RulesFailure(0, 0, "the file is too large", `at most ${limits.fileSize} characters`);
    const parser = new Parser(text);
    for (let line = parser.nextLine(); line !== null; line = parser.nextLine()) {
      if (line.every((statement) => isApproval(statement, report))) interpreter.run(line);
    }
  } catch (error) {
    if (!(error instanceof RulesFailure)) throw error;
    failures.push(error);
  }
  const positions = new Positions(text);
  const errors = failures.map(({ start, end, message, expected }) => ({
    file: fileName,
    ...positions.at(start),
    text: shown(message),
    expected: shown(expected),
    excerpt: positions.excerpt(start, end),
  }));
  return { approvals: errors.length > 0 ? [] : approvals, errors };
}

/** The reverse: one line that `parseApprovals()` reads back as it was. */
export function formatApproval(approval: Omit<KeptApproval, "span">): string {
  const { id, pattern, exact, file, sha256, cwd, expires, addedAt, origin } = approval;
  const thread = origin.threadId === undefined ? [] : [`"thread": ${quote(origin.threadId)}`];
  const said = [`"by": ${quote(origin.by)}`, `"for": ${quote(origin.for)}`, ...thread];
  const parts = [
    `id = ${quote(id)}`,
    `pattern = [${pattern.map(quote).join(", ")}]`,
    ...(exact ? ["exact = True"] : []),
    `file = ${quote(file)}`,
    ...(sha256 === null ? [] : [`sha256 = ${quote(sha256)}`]),
    ...(cwd === null ? [] : [`cwd = ${quote(cwd)}`]),
    ...(expires === null ? [] : [`expires = ${quote(expires)}`]),
    `added = ${quote(addedAt)}`,
    `origin = {${said.join(", ")}}`,
  ];
  return `${functionName}(${parts.join(", ")})\n`;
}

/** JSON's escapes are this language's. What paints on a terminal or breaks lines is escaped too: people read the file with `cat`. */
export function quote(text: string): string {
  // Half a character, which JSON from a hook may hold, would make the whole file unreadable.
  return JSON.stringify(text.toWellFormed()).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => {
    const code = found.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function isApproval(statement: Statement, report: Report): boolean {
  if (bindPlainCall(statement, [functionName])) return true;
  report(statement, "this is no approval", "calls of approval() with their values written out, and nothing else");
  return false;
}

function readApproval(call: Call, given: Given, report: Report): KeptApproval | null {
  let broken = false;
  const note: Report = (where, text, expected) => {
    broken = true;
    report(where, text, expected);
  };
  const found = readArguments(table, call, given, note);
  const text = (name: string): string => {
    const value = found.get(name)?.value;
    return typeof value === "string" ? value : "";
  };
  const path = (name: string): string => {
    const place = found.get(name);
    if (place !== undefined && !text(name).startsWith("/"))
      note(place, `invalid ${name}: ${shortRepr(place.value)} is not absolute`, "a path that starts with /");
    return text(name);
  };
  const id = found.get("id");
  if (id !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(text("id")))
    note(id, `invalid id: ${shortRepr(id.value)}`, "letters, digits and dashes, at most 64");
  const approval: KeptApproval = {
    id: text("id"),
    pattern: patternOf(found.get("pattern"), note),
    exact: isTrue(found.get("exact")?.value ?? false),
    file: path("file"),
    sha256: sha256Of(found.get("sha256"), note).sha256 ?? null,
    cwd: found.has("cwd") ? path("cwd") : null,
    expires: expiresOf(found.get("expires"), note).expires ?? null,
    addedAt: text("added"),
    origin: originOf(found.get("origin"), note),
    span: { start: call.start, end: call.end },
  };
  return broken ? null : approval;
}

function patternOf(place: Placed | undefined, report: Report): string[] {
  if (place === undefined) return [];
  const parts = elementsOfList(place);
  if (parts.length === 0) report(place, "invalid pattern: it is empty", "at least the program");
  return parts.flatMap((part) => {
    if (typeof part.value === "string") return [part.value];
    report(part, `invalid pattern: an element is a ${typeName(part.value)}`, "strings, no alternatives");
    return [];
  });
}

function originOf(place: Placed | undefined, report: Report): KeptApproval["origin"] {
  const origin: KeptApproval["origin"] = { by: "", for: "" };
  if (place === undefined || !(place.value instanceof Dict)) return origin;
  for (const { key, value } of place.value.entries.values()) {
    if (typeof value === "string" && (key === "by" || key === "for")) origin[key] = value;
    else if (typeof value === "string" && key === "thread") origin.threadId = value;
    else report(place, `invalid origin: ${shortRepr(key)}`, '"by", "for" and "thread" with strings');
  }
  return origin;
}
