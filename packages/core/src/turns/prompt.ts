/** The words around the user's: instructions, what hooks add, what they ask for. Everything here is stored with the thread, so that
 *  a resumed one sends the same bytes. */
import { readFileSync } from "node:fs";
import { extname, resolve } from "node:path";
import type { HookContext, HookRefusal } from "@sallyport/hooks";
import type { SandboxPolicy, UserInput } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import type { ModelMessage } from "../models/model.ts";

type UserMessage = ModelMessage & { role: "user" };
type UserPart = UserMessage["content"][number];

const largestImage = 10 * 1024 * 1024;
const longestInput = 1_048_576;

const ownInstructions = `You are a coding agent. You work in a folder of the user's machine through tools, and you finish what you were asked for before you answer.
- shell runs command lines in a sandbox; what it may change and reach is told below. Every program that a command starts is decided on: some are refused, and the output says why. Do not try to get around a refusal; say what you would need.
- apply_patch changes files. update_plan shows the user where you are in work of several steps.
- Text in <hook_context> and <hook_prompt> elements comes from programs that the user has configured.
Be brief and exact.`;

export interface Surroundings {
  cwd: string;
  sandboxPolicy: SandboxPolicy;
}

export function systemMessage(
  options: Surroundings & { baseInstructions: string | null; developerInstructions: string | null },
): ModelMessage {
  const { baseInstructions, developerInstructions } = options;
  const parts = [baseInstructions ?? ownInstructions, developerInstructions, surroundingsText(options)];
  return { role: "system", content: parts.filter((part) => part !== null).join("\n\n") };
}

/** Told with the instructions, and again with the prompt before which it has changed. */
export function surroundingsText({ cwd, sandboxPolicy }: Surroundings): string {
  return `<environment>\nworking folder: ${cwd}\nsandbox: ${describeSandbox(sandboxPolicy)}\n</environment>`;
}

function describeSandbox(policy: SandboxPolicy): string {
  if (policy.type === "readOnly") return `everything is read-only${policy.networkAccess ? "" : ", no network"}`;
  if (policy.type !== "workspaceWrite") return "none of ours";
  const more = policy.writableRoots.length === 0 ? "" : ` and ${policy.writableRoots.join(", ")}`;
  const network = policy.networkAccess ? "" : "; no network";
  return `only the working folder${more} can be written, besides a private /tmp${network}`;
}

/** Throws `INPUT_REFUSED` for what no model can be given. */
export function userParts(input: readonly UserInput[], cwd: string): UserPart[] {
  const length = input.reduce((sum, entry) => sum + (entry.type === "text" ? entry.text.length : 0), 0);
  if (length > longestInput) {
    throw refused(`The input has ${length} characters, expected at most ${longestInput}`, {
      input_error_code: "input_too_large",
      max_chars: longestInput,
      actual_chars: length,
    });
  }
  // Providers refuse a text that is empty, and would refuse it in every later request.
  const parts = input
    .filter((entry) => entry.type !== "text" || entry.text !== "")
    .map((entry) => userPart(entry, cwd));
  if (parts.length > 0 || input.length === 0) return parts;
  throw refused("The input has no text, expected some words or an image", {});
}

function userPart(entry: UserInput, cwd: string): UserPart {
  if (entry.type === "text") return { type: "text", text: entry.text };
  if (entry.type === "image") return imagePart(entry.url ?? "");
  if (entry.type === "localImage") return localImagePart(resolve(cwd, entry.path));
  if (entry.type === "skill" || entry.type === "mention") {
    return { type: "text", text: `[${entry.name}](${entry.path})` };
  }
  throw refused(`Input of the type "${entry.type}" can't be given to a model, expected text or images`, {});
}

function imagePart(url: string): UserPart {
  const match = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=]+)$/.exec(url);
  const [, mediaType, data] = match ?? [];
  if (mediaType !== undefined && data !== undefined) return { type: "file", mediaType, data: { type: "data", data } };
  // Nothing is fetched on a client's word.
  throw refused(`Image ${JSON.stringify(url.slice(0, 100))} is no data URL, expected data:image/...;base64,...`, {});
}

const imageTypes: Partial<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
};

function localImagePart(path: string): UserPart {
  const mediaType = imageTypes[extname(path).toLowerCase()];
  if (mediaType === undefined) {
    throw refused(`Image "${path}" has no known type, expected ${Object.keys(imageTypes).join(", ")}`, { path });
  }
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refused(`Image "${path}" can't be read (${code ?? "unknown error"}), expected a file`, { path });
  }
  if (bytes.length > largestImage)
    throw refused(`Image "${path}" has ${bytes.length} bytes, expected at most ${largestImage}`, { path });
  return { type: "file", mediaType, data: { type: "data", data: bytes.toString("base64") } };
}

function refused(message: string, data: Record<string, unknown>): SallyportError {
  return new SallyportError("INPUT_REFUSED", message, { data });
}

/** The prompt as hooks see it: the texts, glued together. */
export function promptText(input: readonly UserInput[]): string {
  return input.map((entry) => (entry.type === "text" ? entry.text : "")).join("");
}

/** What a hook adds, with its event and name around it. */
export function contextText({ event, hookKey, text }: HookContext): string {
  return `<hook_context event="${event}" hook="${attribute(hookKey)}">\n${contained(text)}\n</hook_context>`;
}

export function contextParts(contexts: readonly HookContext[]): UserPart[] {
  return contexts.map((context) => ({ type: "text", text: contextText(context) }));
}

/** A Stop hook's wish for one more round, as the user's words. One part for each hook that asked. */
export function continuationMessage(wishes: readonly HookRefusal[]): UserMessage {
  return {
    role: "user",
    content: wishes.map(({ reason, runId }) => ({
      type: "text",
      text: `<hook_prompt event="Stop" run="${runId}">\n${contained(reason)}\n</hook_prompt>`,
    })),
  };
}

export const summaryRequest: UserMessage = {
  role: "user",
  content: [
    {
      type: "text",
      text: `Summarise this conversation for an agent that goes on with it and sees nothing else of it. Write down: what the user asked for, in their words where they matter; what was decided and why; what was done, with files, commands and their results; what is left to do, and in which state things are. Call no tool. Answer with the summary alone.`,
    },
  ],
};

/** What stands in the place of the conversation after a compaction. */
export function summaryMessage(summary: string): UserMessage {
  const text = `<conversation_summary>\nThe conversation so far was longer; this is its summary.\n${summary}\n</conversation_summary>`;
  return { role: "user", content: [{ type: "text", text }] };
}

/** A command of the user's own, in the peer's form. */
export function userCommandMessage(ran: {
  command: string;
  text: string;
  exitCode: number | null;
  signal: string | null;
  durationMs: number;
}): UserMessage {
  const ending = ran.exitCode ?? ran.signal ?? "none";
  const result = `Exit code: ${ending}\nDuration: ${(ran.durationMs / 1000).toFixed(4)} seconds\nOutput:\n${ran.text}`;
  const text = `<user_shell_command>\n<command>\n${ran.command}\n</command>\n<result>\n${result}\n</result>\n</user_shell_command>`;
  return { role: "user", content: [{ type: "text", text }] };
}

/** The attack: a hook passes on text of others (a commit message, a web page) that closes the element and goes on as if the user
 *  were speaking. */
function contained(text: string): string {
  return text.replaceAll(/<(?=\/?hook_(?:context|prompt)\b)/gi, "&lt;");
}

function attribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
