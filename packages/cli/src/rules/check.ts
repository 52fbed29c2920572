/** `sallyport rules check`: what the rules say about a command, in the JSON of Codex's `execpolicy check`. Exit status 0 for every
 *  decision, 1 for bad rules, 2 for a command line that cannot be understood. */
import { homedir } from "node:os";
import type { Text } from "@sallyport/protocol";
import { strictest } from "@sallyport/exec-policy";
import { checkTokens } from "@sallyport/exec-policy/check";
import type { CheckResult } from "@sallyport/exec-policy/check";
import type { RuleSet } from "@sallyport/rules-store";
import { loadRules } from "@sallyport/rules-store/load";
import type { Explanation } from "@sallyport/shell-escalation";
import { isSallyportError } from "@sallyport/supervisor/errors";
import { complain, write } from "../terminal.ts";
import { parseCheckArguments } from "./check-arguments.ts";
import type { CheckArguments } from "./check-arguments.ts";
import { complainAboutRules } from "./rule-problems.ts";

const badRules = 1;
const badUsage = 2;

/** Null: the help is wanted. */
export async function runCheck(words: readonly Text[]): Promise<number | null> {
  const call = parseCheckArguments(words);
  if (call.kind === "help") return null;
  if (call.kind === "wrong") {
    complain(`${call.text}; see sallyport rules check --help`);
    return badUsage;
  }
  const { given } = call;
  try {
    const ruleSet = await rulesFor(given.rules);
    if (given.strictCodex && complainAboutOwn(ruleSet)) return badRules;
    const result = given.asExec ? await checkAsExec(ruleSet, given.tokens) : checkAsText(ruleSet, given);
    write(`${given.pretty ? JSON.stringify(result, null, 2) : JSON.stringify(result)}\n`, 1);
    return 0;
  } catch (error) {
    if (complainAboutRules(error)) return badRules;
    throw error;
  }
}

/** The home is looked at, and what can do that is loaded, only where no file is named. */
async function rulesFor(files: readonly string[]): Promise<RuleSet> {
  if (files.length > 0) return loadRules({ home: "/", files, discover: false, system: null });
  const { readRules } = await import("./rule-files.ts");
  return readRules([], { only: false });
}

function checkAsText({ rules, hosts }: RuleSet, given: CheckArguments): CheckResult {
  const { resolveHostExecutables } = given;
  return checkTokens(rules, given.tokens, { hosts, resolveHostExecutables, folder: process.cwd(), home: homedir() });
}

/** The rules that count at run time, for the file that would run. */
async function checkAsExec(ruleSet: RuleSet, tokens: readonly string[]): Promise<CheckResult> {
  const found = await explainOrNothing(ruleSet, tokens);
  const counting = (found?.opinions ?? []).filter(({ counts }) => counts).map(({ rule }) => rule);
  const decision = strictest(counting.map((rule) => rule.decision));
  const file = found?.files[0];
  const matchedRules = counting.map((rule) => ({
    prefixRuleMatch: {
      matchedPrefix: tokens.slice(0, 1 + rule.rest.length),
      decision: rule.decision,
      ...(typeof file === "string" ? { resolvedProgram: file } : {}),
      ...(rule.justification === undefined ? {} : { justification: rule.justification }),
    },
  }));
  return { matchedRules, ...(decision === undefined ? {} : { decision }) };
}

/** No rule is about a program that is not there. */
async function explainOrNothing(ruleSet: RuleSet, argv: readonly string[]): Promise<Explanation | null> {
  const { explainExec, readEnvironment } = await import("@sallyport/shell-escalation");
  try {
    return await explainExec({ ruleSet, argv, env: readEnvironment(), cwd: process.cwd() });
  } catch (error) {
    if (isSallyportError(error) && error.code.startsWith("PROGRAM_NOT_")) return null;
    throw error;
  }
}

function complainAboutOwn({ files }: RuleSet): boolean {
  const uses = files.flatMap(({ path, own }) => own.map((use) => ({ path, ...use })));
  for (const { path, line, column, parameters } of uses)
    complain(`${path}:${line}:${column}: Codex refuses ${parameters.join(", ")}, expected parameters that it knows`);
  return uses.length > 0;
}
