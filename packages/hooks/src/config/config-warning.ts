/** What is wrong in a configuration file, for the person who wrote it. A warning never stops the rest of the file from loading. */

/** Where in a file something stands. Line and column start at 1 and are there where the format tells them (JSON); TOML has the path. */
export interface Place {
  line: number | null;
  column: number | null;
  /** Such as `hooks.Stop[0].hooks[1].timeout`; empty for the file as a whole. */
  path: string;
}

export interface ConfigWarning {
  file: string;
  place: Place;
  /** What is wrong, what was expected, what happens instead. */
  message: string;
}

export const wholeFile: Place = { line: null, column: null, path: "" };

/** `FILE:LINE:COLUMN: PATH: message`, each part where it is known. */
export function formatConfigWarning({ file, place, message }: ConfigWarning): string {
  const position = place.line === null ? "" : `:${place.line}:${place.column ?? 1}`;
  return `${file}${position}: ${place.path === "" ? "" : `${place.path}: `}${message}`;
}

const maxShownValue = 80;

/** A value from a file as a message quotes it: one line, not too long. */
export function quoteValue(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted.length <= maxShownValue ? quoted : `${quoted.slice(0, maxShownValue - 2)}…"`;
}

/** The valid name that a person most likely meant, or null. Case, `_` and `-` don't count. */
export function nearestName(written: string, valid: readonly string[]): string | null {
  const simple = simplify(written);
  if (simple === "" || simple.length > maxShownValue) return null;
  const limit = Math.max(1, Math.floor(simple.length / 3));
  let best: { name: string; distance: number } | null = null;
  for (const name of valid) {
    const distance = editDistance(simple, simplify(name));
    if (distance <= limit && (best === null || distance < best.distance)) best = { name, distance };
  }
  return best?.name ?? null;
}

/** `; did you mean "X"` to end a message with; empty where no name is near. */
export function suggestion(written: string, valid: readonly string[]): string {
  const near = nearestName(written, valid);
  return near === null ? "" : `; did you mean "${near}"`;
}

function simplify(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "");
}

/** Levenshtein's, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
