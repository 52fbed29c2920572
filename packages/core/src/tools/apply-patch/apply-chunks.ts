/** Applies the chunks of one file to its text. What a chunk keeps and removes has to be there; blanks at the ends of lines may
 *  differ, because models lose them. */
import { PatchError } from "./parse-patch.ts";
import type { PatchChunk } from "./parse-patch.ts";

/** Comparisons for one file. The attack: a file and a chunk of many lines that are all alike but for the last one, whose search
 *  would take minutes in which nothing else in the process moves. */
const mostComparisons = 20_000_000;

interface Replacement {
  at: number;
  count: number;
  lines: string[];
}

/** `path` is for messages. Throws a PatchError. */
export function applyChunks(text: string, chunks: readonly PatchChunk[], path: string): string {
  const hasCarriageReturns = /\r\n/.test(text) && !/[^\r]\n/.test(text);
  const lines = text.split(/\r?\n/);
  // The empty piece after a last newline is no line. A file without one gets it: as editors do.
  if (lines.at(-1) === "") lines.pop();
  const originals = text.split("\n");
  const replacements = locate(lines, chunks, path);
  const newline = hasCarriageReturns ? "\r\n" : "\n";
  const result: string[] = [];
  let at = 0;
  for (const replacement of replacements) {
    // What is kept stays byte for byte, whatever ends its lines.
    for (; at < replacement.at; at += 1) result.push(`${originals[at] ?? ""}\n`);
    for (const line of replacement.lines) result.push(`${line}${newline}`);
    at += replacement.count;
  }
  for (; at < lines.length; at += 1) {
    const isOpen = at === lines.length - 1 && !text.endsWith("\n");
    result.push(`${originals[at] ?? ""}${isOpen ? "" : "\n"}`);
  }
  return result.join("");
}

function locate(lines: readonly string[], chunks: readonly PatchChunk[], path: string): Replacement[] {
  const found: Replacement[] = [];
  const search = new Search(lines, path);
  let from = 0;
  for (const chunk of chunks) {
    for (const anchor of chunk.anchors) from = search.find([anchor], from) + 1;
    const expected = chunk.lines.filter(({ kind }) => kind !== "add").map(({ text }) => text);
    const at = place(search, expected, { from, chunk });
    found.push(...minimal(chunk, lines, at));
    from = at + expected.length;
  }
  return found;
}

function place(
  search: Search,
  expected: readonly string[],
  { from, chunk }: { from: number; chunk: PatchChunk },
): number {
  // Nothing to find: below its anchor, or at the end.
  if (expected.length === 0) return chunk.anchors.length > 0 && !chunk.atEnd ? from : search.lineCount;
  if (!chunk.atEnd) return search.find(expected, from);
  const last = search.lineCount - expected.length;
  return last >= from && search.matchesLoosely(expected, last) ? last : search.find(expected, from);
}

/** Only what is added or removed, so that a kept line keeps the bytes that it has. */
function minimal(chunk: PatchChunk, lines: readonly string[], start: number): Replacement[] {
  const found: Replacement[] = [];
  let at = start;
  let open: Replacement | null = null;
  for (const { kind, text } of chunk.lines) {
    if (kind === "keep") {
      open = null;
      at += 1;
      continue;
    }
    if (open === null) {
      open = { at, count: 0, lines: [] };
      found.push(open);
    }
    if (kind === "add") open.lines.push(text);
    else {
      open.count += 1;
      at += 1;
    }
  }
  return found.filter(({ at: place }) => place <= lines.length);
}

type Normal = (line: string) => string;
const normals: readonly Normal[] = [(line) => line, (line) => line.trimEnd(), (line) => line.trim()];
const loosest: Normal = (line) => line.trim();

class Search {
  readonly #lines: readonly string[];
  readonly #path: string;
  #comparisons = 0;

  constructor(lines: readonly string[], path: string) {
    this.#lines = lines;
    this.#path = path;
  }

  get lineCount(): number {
    return this.#lines.length;
  }

  /** The first place from `from` on; one that matches exactly before any other. */
  find(expected: readonly string[], from: number): number {
    for (const normal of normals) {
      const wanted = expected.map(normal);
      for (let at = from; at <= this.#lines.length - wanted.length; at += 1) {
        if (this.#matchesAt(wanted, at, normal)) return at;
      }
    }
    const shown = expected.slice(0, 5).join("\n");
    throw new PatchError(
      `"${this.#path}" does not have these lines${from > 0 ? ` after line ${from}` : ""}:\n${shown}`,
    );
  }

  matchesLoosely(expected: readonly string[], at: number): boolean {
    return this.#matchesAt(expected.map(loosest), at, loosest);
  }

  #matchesAt(wanted: readonly string[], at: number, normal: Normal): boolean {
    return wanted.every((line, offset) => {
      this.#comparisons += 1;
      if (this.#comparisons > mostComparisons)
        throw new PatchError(
          `The lines to change in "${this.#path}" are not found in reasonable time; name lines that stand above them`,
        );
      return normal(this.#lines[at + offset] ?? "\0") === line;
    });
  }
}
