/** How often each rule has decided, and when last. A rule is what it says and the file that says it: changed, it is another one; moved
 *  within its file, it stays the same. */
import { createHash } from "node:crypto";
import type { StoredRule } from "./rule-set.ts";
import { readUses, ruleUses, UseCounter } from "./uses.ts";
import type { Use } from "./uses.ts";

export interface RuleUses {
  /** The rule has decided on one program more. */
  count(rule: StoredRule): void;
  /** Writes down what was counted. Done by itself now and then, and when the process ends. */
  flush(): void;
}

/** What sessions of this home count in. */
export function openRuleUses(home: string): RuleUses {
  return new UseCounter<StoredRule>(ruleUses(home), keyOf);
}

/** What was counted of each of these rules; null: it never decided. */
export function readRuleUses(home: string): (rule: StoredRule) => Use | null {
  const uses = readUses(ruleUses(home));
  return (rule) => (uses.size === 0 ? null : (uses.get(keyOf(rule)) ?? null));
}

function keyOf({ at, program, rest, decision, ...rule }: StoredRule): string {
  const {
    justification,
    exact,
    canonical,
    onlyPerson,
    escalate,
    env,
    expires,
    sha256,
    under,
    escalateWith: bounds,
  } = rule;
  // In an order of its own: two readers of rules need not make their properties in the same one.
  const said = [
    [at.file, program, rest, decision, justification ?? null, exact, canonical, onlyPerson ?? false],
    [escalate, env, expires ?? null, sha256 ?? null, under ?? null],
    bounds === undefined ? null : [bounds.write, bounds.read, bounds.network, bounds.env],
  ];
  return createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 32);
}
