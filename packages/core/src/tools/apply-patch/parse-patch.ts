/** Reads the patch format that models are trained on. Parsed whole before anything is looked at on the disk.
 *
 *      *** Begin Patch
 *      *** Add File: PATH            then lines that begin with +
 *      *** Delete File: PATH
 *      *** Update File: PATH         optional *** Move to: PATH, then chunks:
 *      @@ LINE THAT STANDS ABOVE     optional
 *       kept, -removed, +added
 *      *** End of File               the chunk ends where the file ends; optional
 *      *** End Patch  */

export type PatchAction =
  | { kind: "add"; path: string; content: string }
  | { kind: "delete"; path: string }
  | { kind: "update"; path: string; moveTo: string | null; chunks: PatchChunk[] };

export interface PatchChunk {
  /** Lines that stand above, in order; the chunk is looked for below the last of them. */
  anchors: string[];
  lines: { kind: "keep" | "remove" | "add"; text: string }[];
  atEnd: boolean;
}

/** A patch that can't be understood or applied: the text is for the model. */
export class PatchError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PatchError";
  }
}

const begin = "*** Begin Patch";
const end = "*** End Patch";
const endOfFile = "*** End of File";
const headers = { add: "*** Add File: ", delete: "*** Delete File: ", update: "*** Update File: " } as const;
const moveHeader = "*** Move to: ";

export function parsePatch(text: string): PatchAction[] {
  const reader = new Lines(text);
  reader.expect(begin);
  const actions: PatchAction[] = [];
  while (!reader.isAt(end)) actions.push(parseAction(reader));
  reader.expect(end);
  reader.expectNothing();
  if (actions.length === 0) throw new PatchError("The patch changes no file");
  return actions;
}

class Lines {
  readonly #lines: string[];
  #at = 0;

  constructor(text: string) {
    this.#lines = text
      .trim()
      .split("\n")
      .map((line) => line.replace(/\r$/, ""));
  }

  get current(): string | undefined {
    return this.#lines[this.#at];
  }

  isAt(marker: string): boolean {
    return this.current?.trimEnd() === marker;
  }

  take(): string {
    const line = this.current;
    if (line === undefined) throw new PatchError(`The patch ends too early, expected "${end}"`);
    this.#at += 1;
    return line;
  }

  takePath(header: string): string | null {
    if (this.current?.startsWith(header) !== true) return null;
    const path = this.take().slice(header.length).trim();
    if (path !== "" && !path.includes("\0")) return path;
    throw this.problem("names no file", -1);
  }

  expect(marker: string): void {
    if (!this.isAt(marker)) throw this.problem(`expected "${marker}"`, 0);
    this.take();
  }

  expectNothing(): void {
    if (this.current !== undefined) throw this.problem(`stands after "${end}"`, 0);
  }

  problem(what: string, offset: 0 | -1): PatchError {
    const line = this.#lines[this.#at + offset];
    const shown = line === undefined ? "the end" : JSON.stringify(line.slice(0, 200));
    return new PatchError(`Line ${this.#at + offset + 1} of the patch, ${shown}: ${what}`);
  }
}

function parseAction(reader: Lines): PatchAction {
  const added = reader.takePath(headers.add);
  if (added !== null) return { kind: "add", path: added, content: parseAdded(reader) };
  const deleted = reader.takePath(headers.delete);
  if (deleted !== null) return { kind: "delete", path: deleted };
  const updated = reader.takePath(headers.update);
  if (updated === null) {
    throw reader.problem(
      `expected ${Object.values(headers)
        .map((header) => `"${header}PATH"`)
        .join(", ")} or "${end}"`,
      0,
    );
  }
  const moveTo = reader.takePath(moveHeader);
  const chunks = parseChunks(reader);
  if (chunks.length === 0 && moveTo === null) throw reader.problem(`no change of "${updated}" is given`, 0);
  return { kind: "update", path: updated, moveTo, chunks };
}

function parseAdded(reader: Lines): string {
  const lines: string[] = [];
  while (reader.current?.startsWith("+") === true) lines.push(reader.take().slice(1));
  return lines.map((line) => `${line}\n`).join("");
}

function parseChunks(reader: Lines): PatchChunk[] {
  const chunks: PatchChunk[] = [];
  while (reader.current !== undefined && !isHeader(reader.current)) {
    const chunk: PatchChunk = { anchors: parseAnchors(reader), lines: [], atEnd: false };
    parseChunkLines(reader, chunk);
    if (reader.isAt(endOfFile)) {
      reader.take();
      chunk.atEnd = true;
    }
    if (chunk.lines.length === 0) throw reader.problem("the chunk above has no lines", 0);
    chunks.push(chunk);
  }
  return chunks;
}

function parseAnchors(reader: Lines): string[] {
  const anchors: string[] = [];
  while (reader.current?.startsWith("@@") === true) {
    const anchor = reader.take().slice(2).replace(/^ /, "");
    if (anchor.trim() !== "") anchors.push(anchor);
  }
  return anchors;
}

const lineKinds = { " ": "keep", "-": "remove", "+": "add" } as const;

function parseChunkLines(reader: Lines, chunk: PatchChunk): void {
  for (;;) {
    const line = reader.current;
    if (line === undefined || line.startsWith("@@") || line.startsWith("*** ")) return;
    const mark = line.charAt(0);
    // Models leave out the blank in front of an empty line.
    const kind = line === "" ? "keep" : lineKinds[mark as keyof typeof lineKinds];
    if (kind === undefined) throw reader.problem('expected a line that begins with " ", "-", "+" or "@@"', 0);
    reader.take();
    chunk.lines.push({ kind, text: line.slice(1) });
  }
}

function isHeader(line: string): boolean {
  return line.trimEnd() === end || Object.values(headers).some((header) => line.startsWith(header));
}
