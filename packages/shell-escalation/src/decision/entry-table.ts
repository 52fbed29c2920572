/** What rules say about a program, found by the program and its first argument: thousands of rules on one program cost no more
 *  than a few. */
import type { Text } from "@sallyport/protocol";
import type { StoredRule } from "@sallyport/rules-store";
import type { KnownFile } from "./known-file.ts";

export interface Entry {
  rule: StoredRule;
  known: KnownFile | null;
  /** Several programs share the rule's file, so being that file is not enough: the name has to be the rule's too. */
  needsName: boolean;
  order: number;
}

interface Row {
  all: Entry[];
  /** Rules without a second token, and those whose tokens are compared in a folded form. */
  always: Entry[];
  byArgument: Map<string, Entry[]>;
}

export class EntryTable<Key> {
  readonly #rows = new Map<Key, Row>();

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  keys(): Iterable<Key> {
    return this.#rows.keys();
  }

  has(key: Key): boolean {
    return this.#rows.has(key);
  }

  add(key: Key, entry: Entry): void {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { all: [], always: [], byArgument: new Map() };
      this.#rows.set(key, row);
    }
    row.all.push(entry);
    const [first] = entry.rule.rest;
    if (first === undefined || entry.rule.canonical) row.always.push(entry);
    else if (first.length === 1) addTo(row.byArgument, first[0] ?? "", entry);
    else for (const token of new Set(first)) addTo(row.byArgument, token, entry);
  }

  /** The entries that can match these arguments; all of them for null. */
  get(key: Key, args: readonly Text[] | null): readonly Entry[] {
    const row = this.#rows.get(key);
    if (row === undefined) return [];
    if (args === null) return row.all;
    const [first] = args;
    const more = typeof first === "string" ? row.byArgument.get(first) : undefined;
    return more === undefined ? row.always : [...row.always, ...more];
  }
}

function addTo(map: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [entry]);
  else entries.push(entry);
}
