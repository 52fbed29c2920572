/** What has to be known before an exec can be judged: every program that it starts, also behind the dynamic loader, and which of
 *  their files are copies of files that a rule means. Usually that is known at once; else files are read and the broker asked. */
import type { Text } from "@sallyport/protocol";
import type { Broker, ExecEvent, ExecFile } from "@sallyport/supervisor";
import { DigestCache } from "./digest.ts";
import { findLoaders, isLoaderName, readLoaderCall } from "./dynamic-loader.ts";
import type { LoaderSetting } from "./dynamic-loader.ts";
import type { KnownFile } from "./known-file.ts";
import { programsOf } from "./programs.ts";
import type { Program, Start } from "./programs.ts";
import type { RuleBook } from "./rule-book.ts";
import { baseName } from "./text-path.ts";
import type { Wall } from "./types.ts";
import type { Places } from "./way.ts";

interface CopiedFrom {
  files: KnownFile[];
  /** False where the content could not be read, and the size alone speaks. */
  sure: boolean;
}

export interface Evidence {
  /** Everything that the exec starts; the first is what was asked for. */
  programs: Program[];
  copies: Map<ExecFile, CopiedFrom>;
  /** SHA-256 of the files that a rule asks it of; null where it could not be read. */
  digests: Map<ExecFile, string | null>;
  /** The program behind the dynamic loader, where there is one. */
  loaded: Program | null;
  /** What the loader was told on its command line. */
  settings: LoaderSetting[];
  /** Why it cannot be told what would run; the exec is then denied. */
  unclear: string | null;
  /** No content was read and no loader's command line: the same files by the same names are the same programs. */
  plain: boolean;
}

const maxLoaderDepth = 4;

export class EvidenceCollector {
  readonly #loaders: readonly KnownFile[];
  readonly #boxes: readonly KnownFile[];
  readonly #watchedBySize = new Map<number, KnownFile[]>();
  readonly #digests: DigestCache;
  readonly #places: Places;
  readonly #wall: Wall;
  readonly #asksForContent: RuleBook["asksForContent"];

  constructor(options: {
    watched: readonly KnownFile[];
    asksForContent: RuleBook["asksForContent"];
    boxes: readonly KnownFile[];
    wall: Wall;
    places: Places;
    brokerPid: number;
  }) {
    this.#loaders = findLoaders();
    this.#boxes = options.boxes;
    this.#digests = new DigestCache(options.brokerPid);
    this.#places = options.places;
    this.#wall = options.wall;
    this.#asksForContent = options.asksForContent;
    for (const file of new Set([...options.watched, ...this.#loaders, ...this.#boxes])) {
      this.#watchedBySize.set(file.size, [...(this.#watchedBySize.get(file.size) ?? []), file]);
      // What can be changed from inside is read now: later it might not be what the rule meant.
      if (this.#places.isWritable(file.path)) file.readNow();
    }
  }

  collect(event: ExecEvent, resolve: Broker["resolve"]): Evidence | Promise<Evidence> {
    const start: Start = { chain: event.chain, calledAs: event.file, argv: event.argv };
    const evidence: Evidence = {
      programs: [],
      copies: new Map(),
      digests: new Map(),
      loaded: null,
      settings: [],
      unclear: null,
      plain: false,
    };
    if (event.chain.some((file) => this.#originals(file).length > 0))
      return this.#collectSlowly(event, resolve, evidence, start);
    evidence.programs = this.#programsOf(start, evidence);
    if (evidence.programs.some((program) => this.#isAskedForContent(program, event, evidence)))
      return this.#collectSlowly(event, resolve, evidence, start);
    const loader = evidence.programs.find((program) => this.#isLoader(program, evidence));
    if (loader !== undefined) return this.#followLoader(event, resolve, evidence, loader, 1);
    evidence.plain = true;
    return evidence;
  }

  async #collectSlowly(
    event: ExecEvent,
    resolve: Broker["resolve"],
    evidence: Evidence,
    start: Start,
  ): Promise<Evidence> {
    await this.#compare(start.chain, evidence);
    evidence.programs = this.#programsOf(start, evidence);
    await this.#hash(evidence.programs, event, evidence);
    const loader = evidence.programs.find((program) => this.#isLoader(program, evidence));
    return loader === undefined ? evidence : await this.#followLoader(event, resolve, evidence, loader, 1);
  }

  async #followLoader(
    event: ExecEvent,
    resolve: Broker["resolve"],
    evidence: Evidence,
    loader: Program,
    depth: number,
  ): Promise<Evidence> {
    const call = readLoaderCall(loader.argv);
    if (call.kind === "nothing") return evidence;
    if (call.kind === "unclear") return { ...evidence, unclear: `the dynamic loader is called with ${call.text}` };
    if (depth > maxLoaderDepth) return { ...evidence, unclear: "the dynamic loader is told to run itself" };
    evidence.settings.push(...call.libraries);
    const answer = await resolve(event.requestId, call.file);
    if ("errno" in answer) {
      // Not run, although the loader would fail too: the file could be there a moment later.
      return { ...evidence, unclear: `the program behind the dynamic loader cannot be opened (error ${answer.errno})` };
    }
    await this.#compare(answer.chain, evidence);
    const programs = this.#programsOf({ chain: answer.chain, calledAs: call.file, argv: call.argv }, evidence);
    await this.#hash(programs, event, evidence);
    evidence.programs.push(...programs);
    evidence.loaded = programs[0] ?? null;
    const next = programs.find((program) => this.#isLoader(program, evidence));
    return next === undefined ? evidence : await this.#followLoader(event, resolve, evidence, next, depth + 1);
  }

  #programsOf(start: Start, evidence: Evidence): Program[] {
    return programsOf(start, (file) => this.#boxes.some((box) => isSame(box, file, evidence)));
  }

  #isLoader(program: Program, evidence: Evidence): boolean {
    const { file, calledAs } = program;
    const names: Text[] = [baseName(file.path), baseName(calledAs)];
    return names.some(isLoaderName) || this.#loaders.some((loader) => isSame(loader, file, evidence));
  }

  /** Watched files that this one has the size of, without being one of them. */
  #originals(file: ExecFile): KnownFile[] {
    const sameSize = this.#watchedBySize.get(file.size);
    return sameSize === undefined ? [] : sameSize.filter((known) => known.key !== file.key);
  }

  async #compare(chain: readonly ExecFile[], evidence: Evidence): Promise<void> {
    for (const file of chain) {
      const originals = this.#originals(file);
      if (originals.length === 0 || evidence.copies.has(file)) continue;
      const digest = await this.#digestOf(file);
      const digests = await Promise.all(originals.map((known) => known.digest()));
      // Of exactly that size and not comparable: taken for a copy, because the other way round would be a way around the rule.
      const copied = originals.filter((_, index) => digest === null || digests[index] === digest);
      evidence.copies.set(file, { files: copied, sure: digest !== null });
    }
  }

  #isAskedForContent(program: Program, event: ExecEvent, evidence: Evidence): boolean {
    return this.#asksForContent(program, event.cwd, (file) => evidence.copies.get(file)?.files ?? []);
  }

  async #hash(programs: readonly Program[], event: ExecEvent, evidence: Evidence): Promise<void> {
    for (const program of programs) {
      if (evidence.digests.has(program.file) || !this.#isAskedForContent(program, event, evidence)) continue;
      evidence.digests.set(program.file, await this.#digestOf(program.file));
    }
  }

  async #digestOf(file: ExecFile): Promise<string | null> {
    const isStable =
      this.#wall.walled && typeof file.path === "string" && !this.#places.isWritable(file.path) && file.nlink > 0;
    try {
      return await this.#digests.digestOf(file, isStable);
    } catch {
      return null;
    }
  }
}

function isSame(known: KnownFile, file: ExecFile, evidence: Evidence): boolean {
  return known.key === file.key || (evidence.copies.get(file)?.files.includes(known) ?? false);
}
