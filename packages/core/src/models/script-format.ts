/** The file behind `--model scripted:FILE`: what the model answers, request by request.
 *  @see docs/scripted-models.md */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { SallyportError } from "@sallyport/supervisor";
import type { z as Zod } from "zod";

let schema: Zod.ZodType<ScriptedAnswer> | undefined;

/** Made with the first script: whoever asks a real model must not wait for the library. By `require()`, because a script that can't be
 *  played is refused before a turn begins. */
function answerSchema(): Zod.ZodType<ScriptedAnswer> {
  schema ??= makeAnswerSchema((createRequire(import.meta.url)("zod") as { z: typeof Zod }).z); // require() has no types
  return schema;
}

function makeAnswerSchema(z: typeof Zod): Zod.ZodType<ScriptedAnswer> {
  const milliseconds = z.int().min(0).max(3_600_000);

  const toolCallSchema = z.strictObject({
    /** Default: made up, unique. */
    id: z.string().min(1).optional(),
    name: z.string().min(1),
    /** An object, or a text that is sent as it is, to play a model that writes no JSON. */
    arguments: z.union([z.record(z.string(), z.unknown()), z.string()]),
  });

  const usageSchema = z.strictObject({
    input_tokens: z.int().min(0).default(0),
    cached_input_tokens: z.int().min(0).default(0),
    output_tokens: z.int().min(0).default(0),
    reasoning_output_tokens: z.int().min(0).default(0),
  });

  const errorSchema = z.strictObject({
    /** An HTTP status; without one, the answer breaks off after what stands before. */
    status: z.int().min(400).max(599).optional(),
    message: z.string().default("scripted error"),
  });

  return z.strictObject({
    /** The request fails unless its last message contains this. */
    expect: z.string().optional(),
    /** Before the answer begins. */
    delay_ms: milliseconds.default(0),
    reasoning: z.string().optional(),
    text: z.string().optional(),
    /** Split `text` and `reasoning` into pieces of so many characters. Default: one piece. */
    chunk_size: z.int().min(1).optional(),
    /** Between two pieces. */
    chunk_delay_ms: milliseconds.default(0),
    tool_calls: z.array(toolCallSchema).default([]),
    /** How the answer goes wrong. `stall`: nothing more comes. */
    error: z.union([errorSchema, z.literal("stall")]).optional(),
    usage: usageSchema.optional(),
  });
}

/** One answer, with what was left out filled in. */
export interface ScriptedAnswer {
  expect?: string | undefined;
  delay_ms: number;
  reasoning?: string | undefined;
  text?: string | undefined;
  chunk_size?: number | undefined;
  chunk_delay_ms: number;
  tool_calls: { id?: string | undefined; name: string; arguments: string | Record<string, unknown> }[];
  error?: "stall" | { status?: number | undefined; message: string } | undefined;
  usage?:
    | { input_tokens: number; cached_input_tokens: number; output_tokens: number; reasoning_output_tokens: number }
    | undefined;
}

/** A JSON array of answers, or JSON lines: one answer a line. Throws `SCRIPT_INVALID`. */
export function readScript(path: string): ScriptedAnswer[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(path, `it can't be read (${code ?? "unknown error"}), expected a file of answers`, error);
  }
  const answers = text.trimStart().startsWith("[") ? parseArray(path, text) : parseLines(path, text);
  if (answers.length === 0) throw invalid(path, "it has no answer, expected at least one");
  return answers;
}

function parseArray(path: string, text: string): ScriptedAnswer[] {
  const values = parseJson(path, text, "") as unknown[]; // it begins with a bracket, so a list or an error
  return values.map((value, index) => checked(path, value, `answer ${index + 1}`));
}

function parseLines(path: string, text: string): ScriptedAnswer[] {
  return text.split("\n").flatMap((line, index) => {
    const where = `line ${index + 1}`;
    return line.trim() === "" ? [] : [checked(path, parseJson(path, line, `${where}: `), where)];
  });
}

function parseJson(path: string, text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, `${where}${error instanceof Error ? error.message : String(error)}, expected JSON`, error);
  }
}

function checked(path: string, value: unknown, where: string): ScriptedAnswer {
  const result = answerSchema().safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw invalid(path, `${where}${field}: ${issue?.message ?? "not an answer"}`, result.error);
}

function invalid(path: string, what: string, cause?: unknown): SallyportError {
  return new SallyportError(
    "SCRIPT_INVALID",
    `Script "${path}" can't be played: ${what}; see docs/scripted-models.md`,
    {
      data: { path },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
