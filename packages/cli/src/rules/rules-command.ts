/** `sallyport rules`: its commands, with their help. */
import type { Text } from "@sallyport/protocol";
import type { NewRule } from "@sallyport/rules-store";
import type { Command } from "commander";
import { write } from "../terminal.ts";
import { usageError } from "../usage-error.ts";
import { runCheck } from "./check.ts";

const checkHelp = `
Prints one line of JSON: {"matchedRules": [{"prefixRuleMatch": {"matchedPrefix", "decision", "resolvedProgram", "justification"}}], "decision"}.
Options end at the first word of the command. The same files give the same answers as codex execpolicy check.
Exit status: 0 whatever the decision, 1 for bad rules, 2 for a wrong command line.

Examples:
  $ sallyport rules check --rules mine.rules -- git push origin main
  $ sallyport rules check --pretty --as-exec -- ./deploy.sh`;

const listHelp = `
Behind the rules: what a person has said yes to for good, with its id, why it was asked, and how often it has answered since.

Examples:
  $ sallyport rules list
  $ sallyport rules list --json`;

const addHelp = `
The words are the program and its first arguments. The rule is checked first, and written behind what is in the file.
How a rule is meant: docs/rules.md.

Examples:
  $ sallyport rules add git status
  $ sallyport rules add --decision forbidden --justification 'pushing is for people' -- git push
  $ sallyport rules add --exact --expires 2027-01-31 -- make deploy --dry-run`;

const revokeHelp = `
Takes back what was approved for good; it counts at the next program, in sessions that run too. ID: as rules list prints it, or its end.

Examples:
  $ sallyport rules revoke 4f1c2b
  $ sallyport rules revoke -- git push origin
  $ sallyport rules revoke --all`;

const explainHelp = `
Nothing is run. The answer is that of sallyport run with its default options in this folder, before PreExec hooks are asked.

Examples:
  $ sallyport rules explain -- git push
  $ sallyport rules explain --rules mine.rules --json -- make deploy`;

const testHelp = `
FILE has an expectation a line: allow, prompt, forbidden or none, then a command. Programs are matched by their text and by the last
name of their path, as in match and not_match. Exit status: 0 if all hold, 1 if not.

Examples:
  $ sallyport rules test rules.test
  $ echo 'forbidden git push origin main' | sallyport rules test /dev/stdin
  $ sallyport rules test --rules mine.rules rules.test`;

const rulesHelp = `
Examples:
  $ sallyport rules list
  $ sallyport rules explain -- git push
  $ sallyport rules add --decision prompt -- git push`;

/** As commander names them. */
interface AddOptions extends Omit<NewRule, "pattern" | "decision"> {
  decision: string;
  file: string;
  json?: boolean;
}

type Configure = (command: Command) => Command;

/** The exit status of `rules check`, whose options are not commander's; null for any other command, and where its help is wanted. */
export async function tryCheck(words: readonly Text[]): Promise<number | null> {
  return words[0] === "rules" && words[1] === "check" ? await runCheck(words.slice(2)) : null;
}

/** A forgotten word must not turn "forbid this" into "allow that": options behind the pattern would be words of it. */
function refuseMisplaced(pattern: readonly string[], command: Command): void {
  if (process.argv.includes("--")) return;
  const own = new Set(command.options.map(({ long }) => long));
  const misplaced = pattern.find((word) => own.has(word.split("=", 1)[0]));
  if (misplaced === undefined) return;
  throw usageError(
    `Option ${misplaced} stands behind the pattern, expected in front of it; write -- before a pattern that has such a word`,
    "rules",
  );
}

export function addRulesCommand(program: Command, configure: Configure, finish: (status: number) => void): void {
  const rules = configure(program.command("rules"))
    .description("check, list, explain, test and add rules; revoke approvals")
    .helpCommand(false)
    .addHelpText("after", rulesHelp);
  rules.action(() => {
    write(`${rules.helpInformation()}${rulesHelp}\n`, 1);
  });
  configure(rules.command("check"))
    .description("what the rules say about a command, as JSON")
    .usage("[options] [--] COMMAND [ARG...]")
    .option("-r, --rules <FILE>", "these rules instead of the discovered ones; repeat for more")
    .option("--resolve-host-executables", "rules on names mean programs given as paths too")
    .option("--as-exec", "resolve the program as at run time, instead of comparing text")
    .option("--strict-codex", "refuse what Codex would refuse")
    .option("--pretty", "with line breaks")
    .argument("[words...]")
    .addHelpText("after", checkHelp);
  configure(rules.command("list"))
    .description("every rule and every kept approval, and where it comes from")
    .option("-r, --rules <FILE>", "rules besides the discovered ones; repeat for more", collect, [])
    .option("--json", "print the rules as JSON")
    .addHelpText("after", listHelp)
    .action(async (options: { rules: string[]; json?: boolean }) => {
      const { runList } = await import("./list.ts");
      finish(await runList({ rules: options.rules, json: options.json === true }));
    });
  configure(rules.command("add"))
    .description("add a rule to a file of the home")
    .usage("[options] [--] PATTERN...")
    .option("--decision <DECISION>", "allow, prompt or forbidden", "allow")
    .option("--justification <TEXT>", "shown to whoever is refused or asked")
    .option("--exact", "the command ends where the pattern ends")
    .option("--escalate", "a launcher may leave the sandbox")
    .option("--env <NAME>", "a variable that it gets outside; repeat for more", collect, [])
    .option("--expires <DAY>", "over from this day on, such as 2027-01-31")
    .option("--under <FOLDER>", "only programs below this folder")
    .option("--sha256 <HASH>", "only programs with this content")
    .option("--match <COMMAND>", "an example that it must match; repeat for more", collect, [])
    .option("--not-match <COMMAND>", "one that it must not match; repeat for more", collect, [])
    .option("--file <NAME>", "the file rules/NAME.rules of the home", "default")
    .option("--json", "print what was written as JSON")
    .argument("<pattern...>")
    .passThroughOptions()
    .addHelpText("after", addHelp)
    .action(async (pattern: string[], { decision, file, json, ...conditions }: AddOptions, command: Command) => {
      refuseMisplaced(pattern, command);
      const { runAdd } = await import("./add.ts");
      finish(runAdd({ pattern, decision, file, json: json === true, conditions }));
    });
  configure(rules.command("revoke"))
    .description("take back what was approved for good")
    .usage("[options] ID | [--] PATTERN... | --all")
    .option("--all", "everything")
    .option("--json", "print what was revoked as JSON")
    .argument("[words...]")
    .passThroughOptions()
    .addHelpText("after", revokeHelp)
    .action(async (words: string[], { all, json }: { all?: boolean; json?: boolean }) => {
      const { runRevoke } = await import("./revoke.ts");
      finish(runRevoke({ words, all: all === true, json: json === true }));
    });
  configure(rules.command("explain"))
    .description("what would be decided about a program, and why")
    .usage("[options] -- COMMAND [ARG...]")
    .option("-r, --rules <FILE>", "rules besides the discovered ones; repeat for more", collect, [])
    .option("--json", "print the decision as JSON")
    .argument("<command...>")
    .passThroughOptions()
    .addHelpText("after", explainHelp)
    .action(async (argv: string[], options: { rules: string[]; json?: boolean }) => {
      const { runExplain } = await import("./explain.ts");
      finish(await runExplain({ rules: options.rules, json: options.json === true, argv }));
    });
  configure(rules.command("test"))
    .description("try a file of expectations")
    .option("-r, --rules <FILE>", "these rules instead of the discovered ones; repeat for more", collect, [])
    .option("--json", "print the outcome as JSON")
    .argument("<FILE>")
    .addHelpText("after", testHelp)
    .action(async (file: string, options: { rules: string[]; json?: boolean }) => {
      const { runTestFile } = await import("./test-file.ts");
      finish(await runTestFile({ rules: options.rules, json: options.json === true, file }));
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
