/** One handler of a file: its fields, their defaults and limits, and what of it the trust hash covers. */
import type { HookEventName } from "@sallyport/protocol";
import type { EventDefinition } from "../events/definition.ts";
import type { HandlerAction, OnError } from "../types.ts";
import type { FileOrigin } from "./config-layers.ts";
import { plainNode } from "./config-node.ts";
import type { ConfigNode } from "./config-node.ts";
import { quoteValue, suggestion } from "./config-warning.ts";
import type { Place } from "./config-warning.ts";
import { jsonObject, jsonOfNode, jsonValue } from "./hook-hash.ts";
import type { JsonText } from "./hook-hash.ts";

export interface ParsedHandler {
  action: HandlerAction;
  timeoutMs: number;
  statusMessage: string | null;
  additionalContextLimit: number | null;
  /** As written; null: the group and the event say. */
  onError: OnError | null;
  hashed: JsonText;
}

type EventRules = Pick<
  EventDefinition<HookEventName>,
  "event" | "defaultTimeoutMs" | "maxTimeoutMs" | "canRunAsync" | "takesContext" | "guards" | "handlerTypes"
>;

export interface HandlerContext {
  rules: EventRules;
  origin: FileOrigin;
  /** A message that takes time to put together comes as a function: it may not be wanted. */
  warn: (place: Place, message: string | (() => string)) => void;
}

const defaultContextLimit = 2500;
const onErrorValues: readonly OnError[] = ["allow", "ask", "deny"];

type TypeName = "command" | "http" | "mcp_tool" | "prompt" | "agent";
const common = ["type", "timeout", "statusMessage", "onError"];
const fieldsOf: Record<TypeName, readonly string[] | "any"> = {
  command: [
    ...common,
    "command",
    "commandWindows",
    "command_windows",
    "args",
    "async",
    "additionalContextLimit",
    "passEnv",
  ],
  http: [...common, "url", "headers", "async", "additionalContextLimit", "passEnv"],
  mcp_tool: [...common, "server", "tool", "input"],
  prompt: "any",
  agent: "any",
};
const typeNames = Object.keys(fieldsOf) as TypeName[]; // its keys are what its type says
/** Fields that Claude Code has and that change when or how a handler runs. */
const claudeFields = ["allowedEnvVars", "asyncRewake", "if", "once", "shell"];

/** What a handler can't be used for; thrown only within this file. */
class Unusable extends Error {
  readonly place: Place;
  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}

/** Returns null, with a warning, for a handler that can't be used. */
export function parseHandler(node: ConfigNode, context: HandlerContext): ParsedHandler | null {
  try {
    return new HandlerReader(node, context).read();
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    context.warn(error.place, `${error.message}; this handler is skipped`);
    return null;
  }
}

class HandlerReader {
  readonly #node: ConfigNode;
  readonly #context: HandlerContext;
  readonly #fields = new Map<string, ConfigNode>();

  constructor(node: ConfigNode, context: HandlerContext) {
    this.#node = node;
    this.#context = context;
    if (node.kind !== "object") throw new Unusable(node.place, `${describe(node)}, expected an object with "type"`);
    for (const { key, keyPlace, value } of node.entries) {
      // A reader sees one of the two and the other one runs.
      if (this.#fields.has(key)) throw new Unusable(keyPlace, `"${key}" stands here twice`);
      this.#fields.set(key, value);
    }
  }

  read(): ParsedHandler {
    const type = this.#readType();
    this.#warnOfUnknown(type);
    switch (type) {
      case "command":
        return this.#readCommand();
      case "http":
        return this.#readHttp();
      case "mcp_tool":
        return this.#readMcpTool();
      case "prompt":
      case "agent":
      default:
        return this.#readUnavailable(type);
    }
  }

  #readType(): TypeName {
    const node = this.#fields.get("type");
    const expected = `expected ${typeNames.map((name) => `"${name}"`).join(", ")}`;
    if (node === undefined) throw new Unusable(this.#node.place, `"type" is missing, ${expected}`);
    if (node.kind !== "string") throw new Unusable(node.place, `${describe(node)}, ${expected}`);
    if (node.value === "module") {
      throw new Unusable(node.place, 'handlers of type "module" are registered by the embedding program, not in files');
    }
    const type = typeNames.find((name) => name === node.value);
    if (type === undefined) {
      const hint = suggestion(node.value, typeNames);
      throw new Unusable(node.place, `the type is ${quoteValue(node.value)}, ${expected}${hint}`);
    }
    // Codex drops the whole file for a type that it does not know, so what works here must not be in a file that it reads.
    if (type === "http" && this.#context.origin !== "sallyport") {
      throw new Unusable(node.place, 'handlers of type "http" are read from Sallyport\'s own files only');
    }
    const { rules } = this.#context;
    const actionType = type === "mcp_tool" ? "mcpTool" : type;
    if (!rules.handlerTypes.includes(actionType) && type !== "prompt" && type !== "agent") {
      throw new Unusable(node.place, `${rules.event} takes no handlers of type "${type}"`);
    }
    return type;
  }

  #warnOfUnknown(type: TypeName): void {
    const known = fieldsOf[type];
    if (known === "any" || this.#node.kind !== "object") return;
    for (const { key, keyPlace } of this.#node.entries) {
      if (known.includes(key)) continue;
      this.#context.warn(keyPlace, () => {
        if (claudeFields.includes(key)) return "the key has no effect here; the handler runs as if it were not there";
        return `the key has no effect${suggestion(key === "timeoutSec" ? "timeout" : key, known)}`;
      });
    }
  }

  #readCommand(): ParsedHandler {
    const windows = ["commandWindows", "command_windows"].filter((key) => this.#fields.has(key));
    if (windows.length === 2) {
      throw new Unusable(this.#node.place, '"commandWindows" and "command_windows" are the same, expected one of them');
    }
    const written = this.#requiredText("command");
    const onWindows = windows[0] === undefined ? null : this.#optionalText(windows[0]);
    const command = process.platform === "win32" && onWindows !== null ? onWindows : written;
    const args = this.#textList("args");
    if ([command, ...(args ?? [])].some((text) => text.includes("\0"))) {
      throw new Unusable(this.#node.place, "the command holds a NUL character, which no program can be given");
    }
    const isAsync = this.#flag("async");
    const passEnv = this.#textList("passEnv") ?? [];
    const rest = this.#readCommon({ isAsync, hasLimit: true });
    return {
      ...rest,
      action: { type: "command", command, args, async: isAsync && this.#context.rules.canRunAsync, passEnv },
      hashed: jsonObject({
        type: jsonValue("command"),
        command: jsonValue(command),
        async: jsonValue(isAsync),
        ...rest.hashedFields,
        // Not in Codex's hash, as it knows neither: but both change what the reviewed command does and sees.
        ...(args === null ? {} : { args: jsonValue(args) }),
        ...(passEnv.length === 0 ? {} : { passEnv: jsonValue(passEnv) }),
      }),
    };
  }

  #readHttp(): ParsedHandler {
    const url = this.#requiredText("url");
    const node = this.#fields.get("url") ?? this.#node;
    const parsed = URL.canParse(url) ? new URL(url) : null;
    if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
      throw new Unusable(
        node.place,
        `the URL is ${quoteValue(url)}, expected one that begins with http:// or https://`,
      );
    }
    if (parsed.username !== "" || parsed.password !== "") {
      throw new Unusable(node.place, "the URL holds a password; put it into headers, from a variable in passEnv");
    }
    const headers = this.#textTable("headers");
    const isAsync = this.#flag("async");
    const passEnv = this.#textList("passEnv") ?? [];
    const rest = this.#readCommon({ isAsync, hasLimit: true });
    const headerFields = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, jsonValue(value)]));
    return {
      ...rest,
      action: { type: "http", url, headers, async: isAsync && this.#context.rules.canRunAsync, passEnv },
      hashed: jsonObject({
        type: jsonValue("http"),
        url: jsonValue(url),
        headers: jsonObject(headerFields),
        async: jsonValue(isAsync),
        passEnv: jsonValue(passEnv),
        ...rest.hashedFields,
      }),
    };
  }

  #readMcpTool(): ParsedHandler {
    const server = this.#requiredText("server");
    const tool = this.#requiredText("tool");
    const input = this.#fields.get("input");
    if (input !== undefined && input.kind !== "object")
      throw new Unusable(input.place, `${describe(input)}, expected an object`);
    const nothing = input === undefined ? null : findNull(input);
    if (nothing !== null)
      throw new Unusable(nothing, "JSON has no value for this that could be passed on; leave the key out");
    const rest = this.#readCommon({ isAsync: false, hasLimit: false });
    return {
      ...rest,
      action: {
        type: "mcpTool",
        server,
        tool,
        // An object, as has just been checked.
        input: input === undefined ? {} : (plainNode(input) as Record<string, unknown>),
      },
      hashed: jsonObject({
        type: jsonValue("mcp_tool"),
        server: jsonValue(server),
        tool: jsonValue(tool),
        input: input === undefined ? jsonObject({}) : jsonOfNode(input),
        ...rest.hashedFields,
      }),
    };
  }

  #readUnavailable(type: "prompt" | "agent"): ParsedHandler {
    this.#context.warn(this.#node.place, `handlers of type "${type}" are not available`);
    const rest = this.#readCommon({ isAsync: false, hasLimit: false });
    return { ...rest, action: { type }, hashed: jsonOfNode(this.#node) };
  }

  #readCommon(given: { isAsync: boolean; hasLimit: boolean }): Omit<ParsedHandler, "action" | "hashed"> & {
    hashedFields: Record<string, JsonText>;
  } {
    const { rules, warn } = this.#context;
    const seconds = this.#timeoutSeconds();
    const statusMessage = this.#optionalText("statusMessage");
    const limit = this.#contextLimit(given);
    if (given.isAsync && !rules.canRunAsync) {
      const place = this.#fields.get("async")?.place ?? this.#node.place;
      warn(place, `${rules.event} waits for its handlers, so this one runs in the foreground`);
    }
    return {
      timeoutMs: Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER),
      statusMessage,
      additionalContextLimit: limit,
      onError: this.#readOnError(),
      hashedFields: {
        timeout: jsonValue(seconds),
        ...(statusMessage === null ? {} : { statusMessage: jsonValue(statusMessage) }),
        ...(limit === null || limit === defaultContextLimit ? {} : { additionalContextLimit: jsonValue(limit) }),
      },
    };
  }

  #timeoutSeconds(): number {
    const { rules, warn } = this.#context;
    const node = this.#fields.get("timeout");
    if (node === undefined || node.kind === "null") return rules.defaultTimeoutMs / 1000;
    const seconds = Math.max(1, this.#count("timeout", "a whole number of seconds"));
    const most = rules.maxTimeoutMs === null ? null : rules.maxTimeoutMs / 1000;
    if (most === null || seconds <= most) return seconds;
    warn(node.place, `${rules.event} gives its handlers at most ${most} s, so this is cut from ${seconds} s`);
    return most;
  }

  #contextLimit(given: { hasLimit: boolean }): number | null {
    const { rules, warn } = this.#context;
    const node = this.#fields.get("additionalContextLimit");
    if (!given.hasLimit || node === undefined || node.kind === "null") return null;
    const limit = this.#count("additionalContextLimit", "a whole number of tokens");
    if (rules.takesContext) return limit;
    warn(node.place, `${rules.event} gives the model no context, so this has no effect`);
    return null;
  }

  #readOnError(): OnError | null {
    const text = this.#optionalText("onError");
    if (text === null) return null;
    const { place } = this.#fields.get("onError") ?? this.#node;
    if (!this.#context.rules.guards)
      this.#context.warn(place, `${this.#context.rules.event} can't refuse anything, so this has no effect`);
    const value = onErrorValues.find((candidate) => candidate === text);
    if (value !== undefined) return value;
    // Whatever was meant, the handler was to be a guard: the strictest reading fails closed.
    this.#context.warn(place, `found ${quoteValue(text)}, expected "allow", "ask" or "deny"; it counts as "deny"`);
    return "deny";
  }

  #count(key: string, expected: string): number {
    const node = this.#fields.get(key) ?? this.#node;
    // Written as one, too: for Codex 5.0 and 1e3 are no integers.
    const fits = node.kind === "number" && node.isInteger && Number.isSafeInteger(node.value) && node.value >= 0;
    if (fits) return node.value;
    throw new Unusable(node.place, `${describe(node)}, expected ${expected} from 0 on`);
  }

  #requiredText(key: string): string {
    const node = this.#fields.get(key);
    if (node === undefined) throw new Unusable(this.#node.place, `"${key}" is missing${this.#misspelt(key)}`);
    const text = this.#optionalText(key);
    if (text !== null && text.trim() !== "") return text;
    throw new Unusable(node.place, text === null ? `${describe(node)}, expected text` : "it is empty");
  }

  #misspelt(key: string): string {
    const hint = suggestion(key, [...this.#fields.keys()]);
    return hint.replace("; did you mean", "; perhaps it is meant by");
  }

  #optionalText(key: string): string | null {
    const node = this.#fields.get(key);
    if (node === undefined || node.kind === "null") return null;
    if (node.kind !== "string") throw new Unusable(node.place, `${describe(node)}, expected text`);
    return node.value;
  }

  #flag(key: string): boolean {
    const node = this.#fields.get(key);
    if (node === undefined) return false;
    if (node.kind !== "boolean") throw new Unusable(node.place, `${describe(node)}, expected true or false`);
    return node.value;
  }

  #textList(key: string): string[] | null {
    const node = this.#fields.get(key);
    if (node === undefined || node.kind === "null") return null;
    if (node.kind !== "array") throw new Unusable(node.place, `${describe(node)}, expected a list of texts`);
    return node.items.map((item) => {
      if (item.kind === "string") return item.value;
      throw new Unusable(item.place, `${describe(item)}, expected text`);
    });
  }

  #textTable(key: string): Record<string, string> {
    const node = this.#fields.get(key);
    if (node === undefined || node.kind === "null") return {};
    if (node.kind !== "object") throw new Unusable(node.place, `${describe(node)}, expected an object of texts`);
    return Object.fromEntries(
      node.entries.map(({ key: name, value }) => {
        if (value.kind === "string") return [name, value.value];
        throw new Unusable(value.place, `${describe(value)}, expected text`);
      }),
    );
  }
}

/** NaN and infinity are null in JSON. */
function findNull(node: ConfigNode): Place | null {
  if (node.kind === "null" || (node.kind === "number" && !Number.isFinite(node.value))) return node.place;
  const inner =
    node.kind === "array" ? node.items : node.kind === "object" ? node.entries.map(({ value }) => value) : [];
  for (const child of inner) {
    const found = findNull(child);
    if (found !== null) return found;
  }
  return null;
}

/** What stands there, for messages. */
export function describe(node: ConfigNode): string {
  switch (node.kind) {
    case "object":
      return "found an object";
    case "array":
      return "found a list";
    case "null":
      return "found null";
    case "string":
      return `found ${quoteValue(node.value)}`;
    case "boolean":
    case "number":
    case "date":
    default:
      return `found ${String(node.value)}`;
  }
}
