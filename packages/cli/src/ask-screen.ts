/** What a person reads before saying yes. All of it comes from hostile code: a path, an argument or a variable must not be able to look
 *  like a line of ours, like another argument, or like something shorter than it is. */
import type { Text } from "@sallyport/protocol";
import type { ApprovalProposal } from "@sallyport/rules-store";
import type { ExecQuestion } from "@sallyport/shell-escalation";
import { cutToRoom, displayQuoted, displayStrictly, fitInto } from "./display-text.ts";

export interface ScreenSize {
  rows: number;
  columns: number;
}

const usualSize: ScreenSize = { rows: 24, columns: 80 };
const minColumns = 40;
const labelWidth = 12;
const shownArgument = { head: 120, tail: 40 };
const shownVariable = { head: 50, tail: 20 };
const shownPath = { head: 400, tail: 400 };
const fewestArguments = 3;
const shownParents = 8;
const mostLaidOut = 500;
const longestReason = 400;
/** Set by every shell for each program, and of no effect on it. */
const usualChanges: ReadonlySet<string> = new Set(["_", "SHLVL", "PWD", "OLDPWD"]);
const everything = Number.POSITIVE_INFINITY;

/** A size that text can be laid out in. In a narrower terminal each line takes several of its rows. */
export function usableSize(size: ScreenSize): ScreenSize {
  const rows = size.rows < 1 ? usualSize.rows : size.rows;
  const columns = size.columns < 1 ? usualSize.columns : size.columns;
  if (columns >= minColumns) return { rows, columns };
  return { rows: Math.max(Math.floor(rows / Math.ceil(minColumns / columns)), 1), columns: minColumns };
}

/** As much as fits above `linesBelow` other lines; what is left out is named. */
export function shortLines(question: ExecQuestion, size: ScreenSize, linesBelow: number): string[] {
  const columns = usableSize(size).columns;
  const rows = usableSize(size).rows - linesBelow - 1;
  const layout = (lines: number): string[] => {
    const fits = { argumentLines: lines, variableLines: 3, isShort: true };
    return layOut(question, columns, fits);
  };
  const others = layout(0).length;
  return layout(Math.max(rows - others, fewestArguments));
}

/** All of it, every argument in full. */
export function fullLines(question: ExecQuestion, size: ScreenSize): string[] {
  const fits = { argumentLines: everything, variableLines: everything, isShort: false };
  return layOut(question, usableSize(size).columns, fits);
}

/** What a yes would go on to hold for; the place comes first, because what may be cut is the end. */
export function describeProposal({ pattern, exact, cwd }: ApprovalProposal): string {
  const where = cwd === null ? "in every folder" : "in this folder";
  if (exact) return `${where}, this program with exactly these arguments`;
  return `${where}, whatever begins with ${pattern.map((word) => shortened(word, shownVariable)).join(" ")}`;
}

interface Fits {
  argumentLines: number;
  variableLines: number;
  isShort: boolean;
}

function layOut(question: ExecQuestion, columns: number, fits: Fits): string[] {
  const section = (label: string, lines: readonly string[]): string[] =>
    lines
      .flatMap((line) => wrapHard(line, columns - labelWidth))
      .map((line, at) => labelled(at === 0 ? label : "", line));
  const shorten = (text: Text, limits: Limits): string =>
    fits.isShort ? shortened(text, limits) : displayQuoted(text);
  const isUnusual = (entry: Text): boolean => {
    const name = nameOf(entry);
    return typeof name !== "string" || !usualChanges.has(name);
  };
  const changed = question.changedEnv.filter(isUnusual);
  const dropped = question.droppedEnv.filter(isUnusual);
  // Of a hundred thousand arguments no more are laid out than could be shown: everything stands still meanwhile.
  const laidOut = (texts: readonly Text[]): readonly Text[] => (fits.isShort ? texts.slice(0, mostLaidOut) : texts);
  const argumentLines = laidOut(question.argv).map((argument, at) => `[${at}] ${shorten(argument, shownArgument)}`);
  return [
    "Sallyport asks: may this program run?",
    "",
    ...section("program", [shorten(question.file, shownPath)]),
    ...cutLines(
      section("arguments", argumentLines),
      fits.argumentLines,
      columns,
      `of ${question.argv.length} arguments not all are shown; v shows them`,
    ),
    ...section("folder", [shorten(question.cwd, shownPath)]),
    ...cutLines(
      section("variables", [
        ...laidOut(changed).map((entry) => shorten(entry, shownVariable)),
        ...laidOut(dropped).map((entry) => `not set: ${shorten(nameOf(entry), shownVariable)}`),
      ]),
      fits.variableLines,
      columns,
      `of ${changed.length + dropped.length} variables that differ not all are shown; v shows them`,
    ),
    ...section("started by", [startedBy(question.parents, fits.isShort)]),
    ...section("asked by", reasonsOf(question, fits.isShort)),
    ...section("note", notesOn(question)),
  ];
}

/** The rule's own words, or ours with a path in them. */
function reasonsOf({ rule, reason }: ExecQuestion, isShort: boolean): string[] {
  const reasons = rule === null || rule === reason ? [reason] : [rule, reason];
  return reasons.map((text) => (isShort ? cutToRoom(displayStrictly(text), longestReason) : displayStrictly(text)));
}

function notesOn({ file, argv }: ExecQuestion): string[] {
  const isPlain = (text: Text): boolean => typeof text === "string" && !/[^\p{ASCII}]/u.test(text);
  const inPath = isPlain(file) ? [] : ["the program's name has letters that may look like others"];
  const inArguments = argv.every(isPlain) ? [] : ["the arguments have letters that may look like others"];
  return [...inPath, ...inArguments];
}

function startedBy(parents: readonly Text[], isShort: boolean): string {
  if (parents.length === 0) return "the command itself";
  const named = (isShort ? parents.slice(0, shownParents) : parents).map((parent) =>
    isShort ? shortened(parent, shownVariable) : displayQuoted(parent),
  );
  const rest = parents.length - named.length;
  return `${named.join(" < ")}${rest > 0 ? ` < and ${rest} more above` : ""}`;
}

/** The name alone: what it was set to is of no use any more. */
function nameOf(entry: Text): Text {
  if (typeof entry === "string") return entry.slice(0, Math.max(entry.indexOf("="), 1));
  const bytes = Buffer.from(entry.base64, "base64");
  return { base64: bytes.subarray(0, Math.max(bytes.indexOf("="), 1)).toString("base64") };
}

function labelled(label: string, line: string): string {
  return `${label.padEnd(labelWidth)}${line}`;
}

function cutLines(lines: string[], limit: number, columns: number, note: string): string[] {
  if (lines.length <= limit) return lines;
  if (limit < 1) return [];
  return [...lines.slice(0, limit - 1), labelled("", cutToRoom(`(${note})`, columns - labelWidth))];
}

interface Limits {
  head: number;
  tail: number;
}

/** Quoted, so that what says how much was left out stands where no argument can stand. */
function shortened(text: Text, { head, tail }: Limits): string {
  const characters = typeof text === "string" ? [...text] : [...Buffer.from(text.base64, "base64")];
  if (characters.length <= head + tail) return displayQuoted(text);
  const part = (from: number, to: number): string =>
    typeof text === "string"
      ? displayQuoted((characters as string[]).slice(from, to).join(""))
      : displayQuoted({ base64: Buffer.from((characters as number[]).slice(from, to)).toString("base64") });
  const unit = typeof text === "string" ? "characters" : "bytes";
  const left = characters.length - head - tail;
  return `${part(0, head)} … ${left} of ${characters.length} ${unit} left out … ${part(characters.length - tail, characters.length)}`;
}

/** Breaks at the width whatever stands there: a terminal that breaks by itself would start the next line at its edge. The attack: letters
 *  that are drawn wider than they are counted make more lines, which drive the program's name over the upper edge. */
function wrapHard(text: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = text;
  do {
    const line = fitInto(rest, columns);
    lines.push(line);
    rest = rest.slice(line.length);
  } while (rest !== "");
  return lines;
}
