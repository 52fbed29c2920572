// Tries every row of the bypass corpus without Sallyport, with it and no rule, and with a rule against the program, which is
// written by basename, by path and as a prefix with an argument.
// What each row must do: corpus/README.md. The score stands in the project's README, and has to be this one.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AttackPlace, callers, listing, root } from "./support/attack-place.ts";
import type { JournalRecord } from "./support/attack-place.ts";
import { missingTools } from "./support/needed-tools.ts";

const layers = ["exec", "identity", "special", "wall"] as const;
type Layer = (typeof layers)[number];

interface Row {
  id: string;
  class: string;
  layer: Layer;
  setup: string | null;
  script: string;
}

const rows = readFileSync(join(import.meta.dirname, "corpus", "bypass.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Row); // The corpus is ours; a row of another shape fails its test.

// Rows whose tool is none of the base system's.
const tools: Record<string, string[]> = {
  B28: ["git"],
  B29: ["git"],
  B31: ["git"],
  B37: ["python3"],
  B39: ["perl"],
  B40: ["node"],
  B46: ["busybox"],
  B50: ["gcc"],
  B64: ["man", "script"],
  B65: ["git"],
  B68: ["python3"],
  B74: ["python3"],
  B76: ["git"],
  B78: ["less", "script"],
  B80: ["python3"],
  B82: ["gdb"],
};

const forms = ["name", "path", "prefix"] as const;
type Form = (typeof forms)[number];

const reason = "the bypass corpus forbids it";
const boxPath = "/usr/bin/busybox";
const stopped = new Map<Layer, number>(layers.map((layer) => [layer, 0]));
let measured = 0;

// Below /tmp on purpose: /tmp is private inside, and the PATH has to lead to the same programs all the same.
const places = callers.map((caller) => new AttackPlace(caller));

before(() => {
  for (const place of places) appendFileSync(place.copy("/usr/bin/touch", "bin/forbidden"), "\0");
});

for (const [index, row] of rows.entries()) {
  const skip = places.map(({ path }) => missingTools(["bash", ...(tools[row.id] ?? [])], path)).find(Boolean) ?? false;
  test(`${row.id} ${row.class}`, { skip }, async (t) => {
    measured += 1;
    let passed = 0;
    for (const [turn, place] of places.entries()) {
      await t.test(place.caller.name, () => {
        new Trial(row, place, formsFor(index, turn)).run();
        passed += 1;
      });
    }
    // Stopped for root and for an ordinary user, or it does not count.
    if (passed === places.length) stopped.set(row.layer, (stopped.get(row.layer) ?? 0) + 1);
  });
}

for (const place of places) {
  test(`B84 with the file hidden: there is nothing to read (${place.caller.name})`, () => {
    const row = rows.find(({ id }) => id === "B84");
    assert.ok(row !== undefined);
    new Trial(row, place, []).readsNothing();
  });
}

test("the README's score is this one", (t) => {
  if (measured < rows.length) return t.skip("rows were skipped, so there is no score");
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const table = /<!-- bypass-score -->\n([^]*?)<!-- \/bypass-score -->/.exec(readme)?.[1] ?? "";
  const cells = table
    .trim()
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(" | "),
    )
    .filter((line) => !/^[-: |]+$/.test(line));
  assert.deepEqual(cells, ["layer | rows | stopped", ...scoreRows()]);
});

after(() => {
  const sum = [...stopped.values()].reduce((total, count) => total + count, 0);
  for (const layer of layers) console.log(`bypass corpus, ${layer}: ${stopped.get(layer)} of ${rowsOf(layer).length}`);
  console.log(`bypass corpus: ${sum} of ${rows.length}`);
});

/** Every row meets every form, and every user every form, but not every user every form in every row: that is twice as slow. */
function formsFor(row: number, turn: number): readonly Form[] {
  if (places.length === 1) return forms;
  return ["name", (row + turn) % 2 === 0 ? "path" : "prefix"];
}

/** One row, for one user. */
class Trial {
  readonly #row: Row;
  readonly #place: AttackPlace;
  readonly #forms: readonly Form[];
  #attempts = 0;

  constructor(row: Row, place: AttackPlace, tried: readonly Form[]) {
    this.#row = row;
    this.#place = place;
    this.#forms = tried;
  }

  run(): void {
    const plain = this.#prepare("plain");
    const { stdout, stderr } = this.#place.plain(["bash", "-c", this.#row.script], { cwd: plain });
    assert.equal(hasRun(plain), true, `the attack works without Sallyport\n${stdout}${stderr}`);
    if (this.#row.layer === "wall") this.#meetsTheWall();
    else if (this.#row.id === "B50") this.#isDeniedForWhatItIs();
    else this.#isDeniedByTheRuleAlone();
  }

  readsNothing(): void {
    const folder = this.#prepare("hidden");
    this.#place.run(["--deny-read", join(folder, "seed"), "-c", this.#row.script], { cwd: folder });
    assert.equal(readFileSync(join(folder, "RAN"), "utf8"), "");
  }

  #isDeniedByTheRuleAlone(): void {
    const free = this.#prepare("without-rule");
    const { stdout, stderr, records } = this.#place.recorded(["-c", this.#row.script], { cwd: free });
    assert.equal(hasRun(free), true, `it works without the rule\n${stdout}${stderr}`);
    assert.deepEqual(
      records.filter(({ decision }) => decision !== "run"),
      [],
    );
    for (const form of this.#forms) {
      const denied = this.#expectDenied(["--rules", this.#rules(form)], "rule", new RegExp(reason));
      if (this.#row.layer !== "identity") continue;
      // Both names are in the record: what it was called, and the file that the rule is about.
      assert.equal(denied.calledAs, "./ok");
      assert.match(`${String(denied.file)} ${denied.reason.text}`, /\bforbidden\b/);
    }
  }

  /** Nobody can be asked, so code that the command could have written is not loaded, rule or not. */
  #isDeniedForWhatItIs(): void {
    this.#expectDenied([], "identity", /LD_PRELOAD/);
    for (const form of this.#forms) this.#expectDenied(["--rules", this.#rules(form)], "identity", /LD_PRELOAD/);
  }

  #meetsTheWall(): void {
    const writable = this.#prepare("writable");
    this.#place.run(["-c", this.#row.script], { cwd: writable });
    // Writing into the folder that is given to the command is its right; new namespaces and hooks for later are not.
    assert.equal(hasRun(writable), this.#row.id !== "B86");
    assert.equal(existsSync(join(writable, ".git")), false);
    for (const form of this.#forms) {
      const closed = this.#prepare(`read-only-${form}`);
      const before = listing(closed);
      const options = ["--sandbox", "read-only", "--rules", this.#rules(form)];
      this.#place.run([...options, "-c", this.#row.script], { cwd: closed });
      assert.deepEqual(listing(closed), before);
    }
  }

  #expectDenied(options: string[], kind: string, text: RegExp): JournalRecord {
    this.#attempts += 1;
    const folder = this.#prepare(`denied-${this.#attempts}`);
    const { stdout, stderr, records } = this.#place.recorded([...options, "-c", this.#row.script], { cwd: folder });
    assert.equal(hasRun(folder), false, `RAN is absent\n${stdout}${stderr}`);
    const [denied, ...others] = records.filter(({ decision }) => decision === "deny");
    assert.ok(denied !== undefined, `nothing was denied\n${stdout}${stderr}`);
    for (const record of [denied, ...others]) {
      assert.equal(record.reason.kind, kind);
      assert.match(record.reason.text, text);
    }
    const forbidden = join(this.#place.bin, "forbidden");
    assert.deepEqual(
      records.filter(({ file, decision }) => file === forbidden && decision !== "deny"),
      [],
    );
    return denied;
  }

  #rules(form: Form): string {
    const pattern = JSON.stringify(this.#pattern(form));
    return this.#place.rules(
      `prefix_rule(pattern = ${pattern}, decision = "forbidden", justification = "${reason}")\n`,
    );
  }

  #pattern(form: Form): string[] {
    const isApplet = this.#row.id === "B46";
    const name = isApplet ? "touch" : "forbidden";
    if (form === "prefix") return [name, "RAN"];
    if (form === "name") return [name];
    // An applet has no file of its own: by path it is the box, told to be it.
    return isApplet ? [boxPath, name] : [join(this.#place.bin, name)];
  }

  #prepare(step: string): string {
    const folder = this.#place.fresh(`${this.#row.id}-${step}`);
    if (this.#row.setup === null) return folder;
    const { status, stderr } = this.#place.plain(["bash", "-c", this.#row.setup], { cwd: folder });
    assert.equal(status, 0, `the row's setup failed\n${stderr}`);
    return folder;
  }
}

function hasRun(folder: string): boolean {
  return existsSync(join(folder, "RAN"));
}

function rowsOf(layer: Layer): Row[] {
  return rows.filter((row) => row.layer === layer);
}

function scoreRows(): string[] {
  const counted = layers.map((layer) => [layer, rowsOf(layer).length, stopped.get(layer) ?? 0] as const);
  const sum = (column: 1 | 2): number => counted.reduce((total, count) => total + count[column], 0);
  return [...counted, ["all", sum(1), sum(2)]].map((cells) => cells.join(" | "));
}
