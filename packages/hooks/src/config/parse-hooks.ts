/** The hooks of one file: events, groups and handlers, in the order that listings and results follow. Whatever is wrong costs as little
 *  as it can, and nothing is dropped without a word. */
import type { HookEventName } from "@sallyport/protocol";
import { eventDefinitions } from "../events/index.ts";
import { hookSettingNames } from "./config-layers.ts";
import type { FileOrigin, HookFile } from "./config-layers.ts";
import type { ConfigNode } from "./config-node.ts";
import { quoteValue, suggestion, wholeFile } from "./config-warning.ts";
import type { ConfigWarning, Place } from "./config-warning.ts";
import { hashHook } from "./hook-hash.ts";
import { compileMatcher } from "./matcher.ts";
import { describe, parseHandler } from "./parse-handler.ts";
import type { HandlerContext, ParsedHandler } from "./parse-handler.ts";

/** A handler with all that its file says about it. */
export interface FileHook extends Omit<ParsedHandler, "hashed" | "onError"> {
  event: HookEventName;
  groupIndex: number;
  handlerIndex: number;
  matcherText: string | null;
  matches: (values: readonly string[]) => boolean;
  onError: "allow" | "ask" | "deny";
  hash: string;
  place: Place;
}

/** Other events of Claude Code: known, and not here. */
const claudeEvents = new Set([
  "ConfigChange",
  "CwdChanged",
  "DirectoryAdded",
  "Elicitation",
  "ElicitationResult",
  "FileChanged",
  "InstructionsLoaded",
  "MessageDisplay",
  "Notification",
  "PermissionDenied",
  "PostModelSwitch",
  "PostToolBatch",
  "PostToolUseFailure",
  "PreModelSwitch",
  "Setup",
  "StopFailure",
  "TaskCompleted",
  "TaskCreated",
  "TeammateIdle",
  "UserPromptExpansion",
  "WorktreeCreate",
  "WorktreeRemove",
]);

/** Not from the schema: loading zod for sixteen names would be a third of the time in which a turn can begin. */
const eventNames = Object.keys(eventDefinitions) as HookEventName[]; // the table has these keys and no others
/** Each becomes a message to a client; a file of nonsense must not become a flood. */
const maxWarnings = 100;

export function parseHooks(file: HookFile): { hooks: FileHook[]; warnings: ConfigWarning[] } {
  const warnings: ConfigWarning[] = [];
  let unsaid = 0;
  const context: FileContext = {
    origin: file.origin,
    warn: (place, message) => {
      if (warnings.length >= maxWarnings) unsaid += 1;
      else warnings.push({ file: file.path, place, message: typeof message === "string" ? message : message() });
    },
  };
  const events = file.shape === "events" ? file.node : findEvents(file.node, context);
  const hooks = events === null ? [] : parseEvents(events, file.shape, context);
  if (unsaid > 0)
    warnings.push({ file: file.path, place: wholeFile, message: `${unsaid} more problems are not shown` });
  return { hooks, warnings };
}

/** `pre_tool_use`, as keys and hashes spell events. */
function eventKey(event: HookEventName): string {
  return event.replaceAll(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}

interface FileContext {
  origin: FileOrigin;
  warn: HandlerContext["warn"];
}

function findEvents(document: ConfigNode, { origin, warn }: FileContext): ConfigNode | null {
  if (document.kind !== "object") {
    warn(document.place, `${describe(document)}, expected an object with "hooks"; nothing of this file is used`);
    return null;
  }
  const known = ["$schema", "description", "hooks"];
  let events: ConfigNode | null = null;
  for (const { key, keyPlace, value } of document.entries) {
    if (key === "hooks" && events !== null) warn(keyPlace, '"hooks" stands here twice; the first one counts');
    else if (key === "hooks") events = value;
    else if (origin === "claude" || known.includes(key)) continue;
    else if (eventNames.some((event) => event === key)) {
      warn(keyPlace, `events belong into the object under "hooks"; write {"hooks": {"${key}": [...]}}`);
    } else warn(keyPlace, () => `the key has no effect${suggestion(key, [...known, ...eventNames])}`);
  }
  return events;
}

function parseEvents(events: ConfigNode, shape: HookFile["shape"], context: FileContext): FileHook[] {
  if (events.kind !== "object") {
    context.warn(events.place, `${describe(events)}, expected an object whose keys are events`);
    return [];
  }
  const groups = new Map<HookEventName, ConfigNode[]>();
  for (const { key, keyPlace, value } of events.entries) {
    const event = eventNames.find((name) => name === key);
    if (event === undefined) {
      if (shape === "document" || !hookSettingNames.includes(key))
        context.warn(keyPlace, () => unknownEvent(key, shape));
    } else if (value.kind !== "array") {
      context.warn(value.place, `${describe(value)}, expected a list of groups; the event is skipped`);
    } else {
      const earlier = groups.get(event);
      if (earlier !== undefined) context.warn(keyPlace, `"${key}" stands here twice; both lists are used, as one`);
      groups.set(event, [...(earlier ?? []), ...value.items]);
    }
  }
  return eventNames.flatMap((event) =>
    (groups.get(event) ?? []).flatMap((group, index) => parseGroup(group, { ...context, event, groupIndex: index })),
  );
}

function unknownEvent(key: string, shape: HookFile["shape"]): string {
  if (claudeEvents.has(key))
    return `"${key}" is an event of Claude Code that is not there in Sallyport; its hooks never run`;
  if (key === "state") return '"state" is read from your own config.toml only; it is ignored here';
  const names = shape === "events" ? [...eventNames, ...hookSettingNames] : eventNames;
  return `there is no event ${quoteValue(key)}, so its hooks never run${suggestion(key, names)}`;
}

interface GroupContext extends FileContext {
  event: HookEventName;
  groupIndex: number;
}

interface Group {
  matcherText: string | null;
  matches: (values: readonly string[]) => boolean;
  required: boolean;
  handlers: ConfigNode[];
}

function parseGroup(node: ConfigNode, context: GroupContext): FileHook[] {
  const group = readGroup(node, context);
  if (group === null) return [];
  const { event, groupIndex } = context;
  return group.handlers.flatMap((handlerNode, handlerIndex) => {
    const handler = parseHandler(handlerNode, {
      rules: eventDefinitions[event],
      origin: context.origin,
      warn: (place, message) => context.warn(place, message),
    });
    if (handler === null) return [];
    const { hashed, onError, ...rest } = handler;
    const hash = hashHook({ eventKey: eventKey(event), matcher: group.matcherText, handler: hashed });
    return [
      {
        ...rest,
        event,
        groupIndex,
        handlerIndex,
        matcherText: group.matcherText,
        matches: group.matches,
        onError: onError ?? (group.required ? "deny" : "allow"),
        hash,
        place: handlerNode.place,
      },
    ];
  });
}

const groupKeys = ["hooks", "matcher", "required"];

function readGroup(node: ConfigNode, context: GroupContext): Group | null {
  const { warn, event } = context;
  if (node.kind !== "object") {
    warn(node.place, `${describe(node)}, expected a group {"hooks": [...]}; it is skipped`);
    return null;
  }
  const fields = new Map<string, ConfigNode>();
  for (const { key, keyPlace, value } of node.entries) {
    if (fields.has(key)) {
      warn(keyPlace, `"${key}" stands here twice; this group is skipped`);
      return null;
    }
    fields.set(key, value);
  }
  if (!fields.has("hooks") && (fields.has("command") || fields.has("type"))) {
    warn(node.place, 'a handler stands where a group is expected; write {"hooks": [{...}]} around it');
    return null;
  }
  for (const { key, keyPlace } of node.entries) {
    if (!groupKeys.includes(key)) warn(keyPlace, () => `the key has no effect${suggestion(key, groupKeys)}`);
  }
  const matcher = readMatcher(fields.get("matcher"), context);
  const handlers = fields.get("hooks");
  if (matcher === null) return null;
  if (handlers === undefined) {
    warn(node.place, 'the group has no "hooks", so nothing runs');
    return null;
  }
  if (handlers.kind !== "array") {
    warn(handlers.place, `${describe(handlers)}, expected a list of handlers; the group of ${event} is skipped`);
    return null;
  }
  return { ...matcher, required: readRequired(fields.get("required"), context), handlers: handlers.items };
}

function readMatcher(
  node: ConfigNode | undefined,
  context: GroupContext,
): Pick<Group, "matcherText" | "matches"> | null {
  const { event, origin, warn } = context;
  const all = { matcherText: null, matches: () => true };
  if (node === undefined || node.kind === "null") return all;
  if (node.kind !== "string") {
    warn(node.place, `${describe(node)}, expected text; this group is skipped`);
    return null;
  }
  if (!eventDefinitions[event].takesMatcher) {
    if (node.value !== "" && node.value !== "*") {
      warn(node.place, `${event} has nothing to match, so its handlers always run`);
    }
    return all;
  }
  const compiled = compileMatcher(node.value, origin === "claude" ? "claude" : "codex");
  if ("problem" in compiled) {
    warn(node.place, `the matcher ${quoteValue(node.value)} is not valid: ${compiled.problem}; this group is skipped`);
    return null;
  }
  if (origin !== "claude" && /^[A-Za-z0-9_|-]+( *, *[A-Za-z0-9_|-]+)+$/.test(node.value)) {
    const better = JSON.stringify(node.value.replaceAll(/ *, */g, "|"));
    warn(node.place, `commas don't separate names, so this most likely matches nothing; did you mean ${better}`);
  }
  return { matcherText: node.value, matches: compiled.matches };
}

function readRequired(node: ConfigNode | undefined, { warn }: GroupContext): boolean {
  if (node === undefined || node.kind === "null") return false;
  if (node.kind === "boolean") return node.value;
  // Whatever was meant, this is a guard: the strict reading fails closed.
  warn(node.place, `${describe(node)}, expected true or false; it counts as true`);
  return true;
}

/** Where the hook stands in which file; what trust is kept under. */
export function hookKey(path: string, event: HookEventName, groupIndex: number, handlerIndex: number): string {
  return `${path}:${eventKey(event)}:${groupIndex}:${handlerIndex}`;
}
