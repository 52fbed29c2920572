/** From a command line to an exit status. `run` takes the short way: it loads only what it needs, because it stands in front of
 *  every command of an agent. */
import type { Text } from "@sallyport/protocol";
import { reportFailure } from "./failure.ts";
import { statusAfterOutput } from "./terminal.ts";

/** Runs the last `argumentCount` arguments of this process. Never throws: a failure is one line on stderr and an exit status. */
export async function runCli(argumentCount: number): Promise<number> {
  try {
    return statusAfterOutput(await dispatch(await readWords(argumentCount)));
  } catch (error) {
    return reportFailure(error);
  }
}

/** Node's own reading of the arguments is right where it replaced nothing. */
async function readWords(count: number): Promise<Text[]> {
  const decoded = count === 0 ? [] : process.argv.slice(-count);
  if (!decoded.some((word) => word.includes("\ufffd"))) return decoded;
  const { readLastArguments } = await import("@sallyport/shell-escalation");
  return readLastArguments(count);
}

async function dispatch(words: Text[]): Promise<number> {
  if (words[0] === "run") {
    const { parseRunArguments } = await import("./run-options.ts");
    const given = parseRunArguments(words.slice(1));
    if (given !== null) {
      const { runCommand } = await import("./run-command.ts");
      return await runCommand(given);
    }
  }
  if (words[0] === "rules") {
    const { tryCheck } = await import("./rules/rules-command.ts");
    const status = await tryCheck(words);
    if (status !== null) return status;
  }
  const { runOtherCommand } = await import("./other-commands.ts");
  return await runOtherCommand(words.map((word) => (typeof word === "string" ? word : "\ufffd")));
}
