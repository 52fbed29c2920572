/** Rules that follow their files while a session runs. A change counts from the next exec on; a change that can't be read is told, and the
 *  last good set stays: rules without some `forbidden` would be other rules.
 *
 *      fs.watch event --.
 *                        > look at files and folders -> changed? -> read all -> good: the new set counts
 *      before a decision '   (at most every 20 ms)                           -> broken: warn, the old one stays
 *
 *  Events are only the quick way: on some file systems they come late or never, so each decision looks by itself. */
import { readdirSync, statSync, watch } from "node:fs";
import type { BigIntStats, FSWatcher } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { isSallyportError } from "@sallyport/supervisor";
import { loadRules, placesOf, withProjectOf } from "./load-rules.ts";
import type { LoadRulesOptions, RulePlaces } from "./load-rules.ts";
import type { RuleSet, StoredRule } from "./rule-set.ts";

export interface RuleWatch {
  /** The last good set. */
  readonly ruleSet: RuleSet;
  /** Looks whether files have changed, if it is not a moment ago that somebody did. */
  check(): void;
  /** `listener` is called when another set counts. Returns how to end that. */
  subscribe(listener: (ruleSet: RuleSet) => void): () => void;
  close(): void;
}

export interface WatchRulesOptions extends LoadRulesOptions {
  /** Told once for each broken state of the files. */
  onWarning(message: string): void;
}

const lookEveryMs = 20;
const settleMs = 2;
/** A file that was changed longer ago than this is taken to be written to its end. */
const writtenMs = 50;
/** File systems keep times in ticks of up to this length: what was read right after a change may not be all of it. */
const tickMs = 100;
const notThere = "-";

/** Throws `RULES_INVALID` where the rules are broken at the start. */
export function watchRules(options: WatchRulesOptions): RuleWatch {
  return new FileWatch(options);
}

class FileWatch implements RuleWatch {
  readonly #options: WatchRulesOptions;
  readonly #places: RulePlaces;
  readonly #listeners = new Set<(ruleSet: RuleSet) => void>();
  readonly #watchers = new Map<string, { watcher: FSWatcher; of: string }>();
  #timer: NodeJS.Timeout | undefined;
  #ruleSet: RuleSet;
  /** What the files looked like when they were read last. */
  #state: string;
  #lookedAtMs: number;
  #unsureUntilMs = 0;
  /** Something that was read does not count yet. */
  #isPending = false;
  #isClosed = false;

  constructor(options: WatchRulesOptions) {
    this.#options = options;
    this.#places = placesOf(options);
    // Looked at first: a change between the two is then seen as one.
    this.#state = this.#look();
    this.#lookedAtMs = performance.now();
    this.#ruleSet = loadRules(options);
    this.#noteTicks();
    this.#watchFolders();
  }

  get ruleSet(): RuleSet {
    return this.#ruleSet;
  }

  check(): void {
    if (performance.now() - this.#lookedAtMs >= lookEveryMs) this.#lookAgain();
  }

  subscribe(listener: (ruleSet: RuleSet) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    clearTimeout(this.#timer);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #lookAgain(): void {
    if (this.#isClosed) return;
    this.#lookedAtMs = performance.now();
    const state = this.#look();
    const isChanged = state !== this.#state;
    if (!isChanged && !this.#isPending && this.#lookedAtMs > this.#unsureUntilMs) return;
    this.#state = state;
    this.#watchFolders();
    this.#read(isChanged);
    this.#noteTicks();
  }

  /** What was changed a moment ago may be changed again within the same tick, which no time shows. */
  #noteTicks(): void {
    const ageMs = Date.now() - this.#newestMs();
    if (ageMs < tickMs) this.#unsureUntilMs = performance.now() + tickMs - ageMs;
  }

  /** When a file was changed last, or the list of files. */
  #newestMs(): number {
    const { folders, files } = this.#places;
    const paths = [...folders, ...folders.flatMap(rulesIn), ...files];
    return Math.max(0, ...paths.map((path) => Number(statQuietly(path)?.ctimeMs ?? 0)));
  }

  #read(isChanged: boolean): void {
    let ruleSet: RuleSet;
    try {
      ruleSet = loadRules(this.#options);
    } catch (error) {
      if (!isSallyportError(error)) throw error;
      if (isChanged || this.#isPending) this.#refuse(error.message);
      this.#readOthers();
      return;
    }
    if (isDeepStrictEqual(ruleSet, this.#ruleSet)) this.#isPending = false;
    else if (this.#isBeingWritten() && isLooser(ruleSet, this.#ruleSet)) this.#lookAfterwards();
    else this.#accept(ruleSet);
  }

  /** The attack: where the wall can't protect the project's files, the command breaks them, and a `forbidden` that the user adds meanwhile
   *  would not count. So where the fault is the project's, only its own rules stay as they were. */
  #readOthers(): void {
    const { trustedProject, ...others } = this.#options;
    if (trustedProject === undefined) return;
    let ruleSet: RuleSet;
    try {
      ruleSet = withProjectOf(this.#ruleSet, loadRules(others));
    } catch (error) {
      if (!isSallyportError(error)) throw error;
      return;
    }
    if (isDeepStrictEqual(ruleSet, this.#ruleSet)) return;
    if (this.#isBeingWritten() && isLooser(ruleSet, this.#ruleSet)) this.#lookAfterwards();
    else this.#announce(ruleSet);
  }

  #accept(ruleSet: RuleSet): void {
    this.#isPending = false;
    this.#announce(ruleSet);
  }

  #announce(ruleSet: RuleSet): void {
    this.#ruleSet = ruleSet;
    for (const listener of this.#listeners) listener(ruleSet);
  }

  #refuse(message: string): void {
    if (this.#isBeingWritten()) {
      this.#lookAfterwards();
      return;
    }
    this.#isPending = false;
    this.#options.onWarning(`${message}; the rules from before the change stay in force`);
  }

  /** A file that an editor has emptied and not yet filled again reads as one without rules. So what is stricter counts at once, and what
   *  is looser or broken when nobody has written for a moment. */
  #lookAfterwards(): void {
    this.#isPending = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#lookAgain();
    }, writtenMs).unref();
  }

  #isBeingWritten(): boolean {
    return Date.now() - this.#newestMs() < writtenMs;
  }

  #look(): string {
    const { folders, parents, files } = this.#places;
    return [
      // Of the folders above, only who may write them counts: other things happen in them all the time.
      ...parents.map((path) => `${path} ${ownerOf(path)}`),
      ...folders.flatMap((path) => [`${path} ${ownerOf(path)}`, ...rulesIn(path).map(stateOf)]),
      ...files.flatMap((path) => [ownerOf(dirname(path)), stateOf(path)]),
    ].join("\n");
  }

  #watchFolders(): void {
    const { folders, files } = this.#places;
    for (const folder of folders) {
      this.#watchFolder(folder, null);
      // One that is not there yet, or is put in the place of this one, shows in the folder above; other things happen there all the time.
      this.#watchFolder(dirname(folder), basename(folder));
    }
    for (const path of files) this.#watchFolder(dirname(path), basename(path));
  }

  #watchFolder(path: string, name: string | null): void {
    if (this.#isClosed) return;
    const key = `${path} ${name ?? ""}`;
    const of = ownerOf(path);
    const known = this.#watchers.get(key);
    if (known?.of === of) return;
    known?.watcher.close();
    this.#watchers.delete(key);
    if (of === notThere) return;
    try {
      const watcher = watch(path, { persistent: false }, (_event, changed) => {
        if (name === null || changed === null || changed === name) this.#lookSoon();
      });
      // Whatever ends it: each decision looks by itself.
      watcher.on("error", () => watcher.close());
      this.#watchers.set(key, { watcher, of });
    } catch {
      // Not there, or no more watches to be had: likewise.
    }
  }

  /** A file that is being written tells it many times. */
  #lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#lookAgain();
    }, settleMs).unref();
  }
}

/** Whether something that was forbidden or asked about is so no more. */
function isLooser(changed: RuleSet, before: RuleSet): boolean {
  const key = ({ at: _, ...rule }: StoredRule): string => JSON.stringify(rule);
  const kept = new Set(changed.rules.map(key));
  return before.rules.some((rule) => rule.decision !== "allow" && !kept.has(key(rule)));
}

function rulesIn(folder: string): string[] {
  if (statQuietly(folder) === null) return []; // most are not there, and an exception takes longer
  try {
    const names = readdirSync(folder).filter((name) => extname(name) === ".rules");
    return names.toSorted().map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function stateOf(path: string): string {
  const stats = statQuietly(path);
  if (stats === null) return `${path} -`;
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return `${path} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function ownerOf(path: string): string {
  const stats = statQuietly(path);
  return stats === null ? notThere : `${stats.dev} ${stats.ino} ${stats.mode} ${stats.uid}`;
}

function statQuietly(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
