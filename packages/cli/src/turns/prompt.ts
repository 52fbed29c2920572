/** The prompt of `sallyport exec`: the argument, stdin, or both. */
import { usageError } from "../usage-error.ts";

/** `argument` null or "-": all of stdin. An argument and a stdin that is no terminal: both, so that output can be piped to a question. */
export async function readPrompt(argument: string | null, input: NodeJS.ReadStream): Promise<string> {
  if (argument !== null && argument !== "-") {
    const piped = input.isTTY ? "" : await readAll(input);
    return piped.trim() === "" ? argument : `${argument}\n\n<stdin>\n${piped.trimEnd()}\n</stdin>`;
  }
  if (input.isTTY)
    throw usageError('No prompt was given, expected one as an argument or on stdin: sallyport exec "PROMPT"', "exec");
  const prompt = await readAll(input);
  if (prompt.trim() === "") throw usageError("No prompt was given on stdin, expected some text", "exec");
  return prompt;
}

async function readAll(input: NodeJS.ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of input) parts.push(Buffer.from(part as Buffer)); // no encoding is set
  return Buffer.concat(parts).toString("utf8");
}
