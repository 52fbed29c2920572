/** `sallyport rules test FILE`: expectations about the rules, one a line: a decision, then a command as a shell would split it.
 *
 *      forbidden  git push origin main
 *      none       ls -l                                                                              */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { checkTokens, splitShellWords } from "@sallyport/exec-policy/language";
import { SallyportError } from "@sallyport/supervisor";
import { displayText } from "../display-text.ts";
import { write } from "../terminal.ts";
import { readRules } from "./rule-files.ts";

export interface TestCommand {
  rules: readonly string[];
  json: boolean;
  file: string;
}

interface Expectation {
  line: number;
  expected: string;
  tokens: string[];
}

const decisions = ["allow", "prompt", "forbidden", "none"];

/** Exit status 1 where one does not hold. */
export async function runTestFile({ rules: files, json, file }: TestCommand): Promise<number> {
  const expectations = readExpectations(file);
  const { rules, hosts } = await readRules(files, { only: files.length > 0 });
  const options = { hosts, resolveHostExecutables: true, folder: process.cwd(), home: homedir() };
  const failed = expectations
    .map((one) => ({ ...one, actual: checkTokens(rules, one.tokens, options).decision ?? "none" }))
    .filter(({ expected, actual }) => expected !== actual);
  if (json) write(`${JSON.stringify({ tried: expectations.length, failed })}\n`, 1);
  else {
    for (const { line, expected, actual, tokens } of failed)
      write(`${displayText(`${file}:${line}: ${tokens.join(" ")}`)} is ${actual}, expected ${expected}\n`, 1);
    write(`${expectations.length - failed.length} of ${expectations.length} hold\n`, 1);
  }
  return failed.length === 0 ? 0 : 1;
}

function readExpectations(file: string): Expectation[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException; // as every failed system call's
    throw invalid(file, null, `can't be read (${code}), expected a readable file`, error);
  }
  return text.split("\n").flatMap((line, index) => {
    const [, expected = "", command = ""] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
    if (expected === "" || expected.startsWith("#")) return [];
    const tokens = splitShellWords(command);
    if (!decisions.includes(expected))
      throw invalid(file, index + 1, `starts with "${expected}", expected one of ${decisions.join(", ")}`);
    if (tokens === null || tokens.length === 0)
      throw invalid(file, index + 1, `has no command that can be split, expected one behind "${expected}"`);
    return [{ line: index + 1, expected, tokens }];
  });
}

function invalid(file: string, line: number | null, text: string, cause?: unknown): SallyportError {
  const where = line === null ? "" : `line ${line} `;
  return new SallyportError("RULES_TEST_INVALID", `Test file "${file}" ${where}${text}`, {
    data: { file, line },
    cause,
  });
}
