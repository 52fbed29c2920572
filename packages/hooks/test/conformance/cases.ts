/** What every event makes of everything a hook can do. Rows are data: tests run each of them, as a pure judgement and, where `runs`
 *  says so, with a real process; and the same rows were run with Codex (../peer).
 *
 *  Words that begin with `the-` are the hook's own; an entry of which only the kind is written has a text of Sallyport's own. */
import type { HookEventName, HookFailure } from "@sallyport/protocol";
import type { Hook } from "./hook-command.ts";

/** What a row shows; each event has at least one row of each kind. */
export const kinds = [
  "exit 0",
  "exit 1",
  "exit 2",
  "exit other",
  "signal",
  "timeout",
  "not startable",
  "empty",
  "plain text",
  "valid JSON",
  "field",
  "unknown field",
  "wrong type",
  "invalid JSON",
  "huge output",
] as const;
type Kind = (typeof kinds)[number];

export interface Expected {
  status: "completed" | "failed" | "blocked" | "stopped";
  /** `kind`, or `kind text`. */
  entries: readonly string[];
  failure?: HookFailure;
  effect: Record<string, unknown>;
}

export interface Case {
  id: string;
  event: HookEventName;
  kind: Kind;
  hook: Hook;
  expected: Expected;
  /** Section of the facts, or "ours" with the place of the decision. */
  source: string;
  /** Also with a real process. */
  runs: boolean;
}

interface Ways {
  /** What a run that says nothing leaves. */
  quiet: Record<string, unknown>;
  plainText: "context" | "ignored" | "fails";
  /** What exit 2 with a reason on stderr does; null: a failure like any other. */
  exitTwo: Record<string, unknown> | null;
  /** `entry`: it says that it stopped even without a reason. null: `continue: false` does nothing. */
  stop: { effect: Record<string, unknown>; entry: boolean } | "fails" | null;
  readsOutput: boolean;
  suppress: "ignored" | "fails";
}

const contexts = { contexts: [] };
const reading = { plainText: "ignored", exitTwo: null, stop: "fails", readsOutput: true, suppress: "ignored" } as const;
const deaf = {
  quiet: {},
  plainText: "ignored",
  exitTwo: null,
  stop: null,
  readsOutput: false,
  suppress: "ignored",
} as const;
const compact = { ...reading, quiet: { stops: false }, stop: { effect: { stops: true }, entry: true } } as const;
const turnEnd = {
  quiet: { continues: [] },
  plainText: "fails",
  exitTwo: { continues: ["the-reason"] },
  stop: { effect: { continues: [] }, entry: false },
  readsOutput: true,
  suppress: "ignored",
} as const;

/** The matrix of facts 3.1. */
const ways: Record<HookEventName, Ways> = {
  SessionStart: {
    ...reading,
    quiet: { ...contexts, ends: false },
    plainText: "context",
    stop: { effect: { ...contexts, ends: true }, entry: false },
  },
  SessionEnd: deaf,
  UserPromptSubmit: {
    ...reading,
    quiet: { ...contexts, ends: false },
    plainText: "context",
    exitTwo: { ...contexts, ends: true },
    stop: { effect: { ...contexts, ends: true }, entry: false },
  },
  PreToolUse: {
    ...reading,
    quiet: { ...contexts, deny: null, runs: "the-original" },
    exitTwo: { ...contexts, deny: "the-reason", runs: null },
    suppress: "fails",
  },
  PermissionRequest: {
    ...reading,
    quiet: { decision: null, says: null },
    exitTwo: { decision: "deny", says: "the-reason" },
    suppress: "fails",
  },
  PostToolUse: {
    ...reading,
    quiet: { ...contexts, feedback: null },
    exitTwo: { ...contexts, feedback: "the-reason" },
    stop: { effect: { ...contexts, feedback: "the-stop" }, entry: true },
    suppress: "fails",
  },
  PreCompact: compact,
  PostCompact: compact,
  SubagentStart: { ...reading, quiet: contexts, plainText: "context", stop: null },
  SubagentStop: turnEnd,
  Stop: turnEnd,
  Interrupt: { ...reading, quiet: {}, plainText: "fails", suppress: "fails" },
  PreModelRequest: deaf,
  PostModelRequest: deaf,
  PreExec: {
    ...reading,
    quiet: { decision: null, says: null },
    exitTwo: { decision: "deny", says: "the-reason" },
    suppress: "fails",
  },
  PostExec: deaf,
};

export const events = Object.keys(ways) as HookEventName[]; // the table has exactly these keys

type Output = Record<string, unknown>;
type Row = [
  name: string,
  kind: Kind,
  hook: { hook: Hook } | Output | string,
  expected: Omit<Expected, "effect"> & { effect?: Output },
  source: string,
];

const failed = (failure: HookFailure, entries: readonly string[] = ["error"]) =>
  ({ status: "failed", entries, failure }) as const;
const done = (...entries: readonly string[]) => ({ status: "completed", entries }) as const;

/** Rows whose hook is written as an object print it as JSON; a text is printed as it is. */
function commonRows(event: HookEventName): Row[] {
  const way = ways[event];
  const { readsOutput } = way;
  const bad = readsOutput ? failed("badOutput") : done();
  const text = (said: string, shown = said) => {
    if (way.plainText === "ignored") return done();
    if (way.plainText === "fails") return failed("badOutput");
    return { ...done(`context ${shown}`), effect: { ...way.quiet, contexts: [shown] } };
  };
  const exitTwo: Row[3] =
    way.exitTwo === null
      ? failed("exit")
      : { status: "blocked", entries: ["feedback the-reason"], effect: way.exitTwo };
  const brief = event === "SessionEnd" || event === "Interrupt" ? "3.0, 1.2" : "3.0";
  return [
    ["exit 0 and nothing else", "exit 0", {}, done(), "3.1"],
    ["exit 0 with stderr", "exit 0", hook({ stderr: "the-noise\n" }), done(), "3.0"],
    ["exit 1", "exit 1", hook({ exit: 1 }), failed("exit"), "3.1"],
    ["exit 1 with stderr", "exit 1", hook({ exit: 1, stderr: "the-noise\n" }), failed("exit"), "3.1"],
    ["exit 1 with JSON", "exit 1", hook({ exit: 1, stdout: `{"systemMessage":"the-message"}` }), failed("exit"), "3.0"],
    ["exit 2 with a reason", "exit 2", hook({ exit: 2, stderr: " the-reason\n" }), exitTwo, "3.1"],
    ["exit 2 without a reason", "exit 2", hook({ exit: 2 }), failed("exit"), "3.1"],
    ["exit 2 with blanks as a reason", "exit 2", hook({ exit: 2, stderr: " \n\t" }), failed("exit"), "3.1"],
    [
      "exit 2 with JSON only",
      "exit 2",
      hook({ exit: 2, stdout: `{"systemMessage":"the-message"}` }),
      failed("exit"),
      "3.0",
    ],
    [
      "exit 2 with a reason and JSON",
      "exit 2",
      hook({ exit: 2, stderr: "the-reason", stdout: `{"nope":1}` }),
      exitTwo,
      "3.0",
    ],
    [
      "exit 2 because its script is gone",
      "exit 2",
      hook({ ends: "noScript" }),
      failed(way.exitTwo === null ? "exit" : "notFound"),
      "ours: broken hook",
    ],
    ["exit 3 with stderr", "exit other", hook({ exit: 3, stderr: "the-noise\n" }), failed("exit"), "3.1"],
    ["exit 255", "exit other", hook({ exit: 255 }), failed("exit"), "3.1"],
    ["killed", "signal", hook({ ends: "SIGKILL" }), failed("signal"), "3.0"],
    ["terminated", "signal", hook({ ends: "SIGTERM", stdout: "the-partial" }), failed("signal"), "3.0"],
    ["too slow", "timeout", hook({ ends: "timeout", stdout: "{}" }), failed("timeout"), brief],
    ["its program is missing", "not startable", hook({ ends: "noProgram" }), failed("notFound"), "3.0"],
    [
      "its program may not be executed",
      "not startable",
      hook({ ends: "notExecutable" }),
      failed("notExecutable"),
      "3.0",
    ],
    ["its folder is missing", "not startable", hook({ ends: "noFolder" }), failed("notAvailable"), "3.0"],
    ["blanks", "empty", " \n\t\n", done(), "3.0"],
    ["text", "plain text", "the-text\n", text("the-text"), "3.1"],
    ["text with blanks around it", "plain text", "\n  the-text \n\n", text("the-text"), "3.1"],
    ["text before JSON", "plain text", "the-log\n{}", text("the-log\n{}"), "3.0"],
    ["JSON after a byte order mark", "plain text", "\ufeff{}", text("\ufeff{}"), "0 (14)"],
    ["an empty object", "valid JSON", "{}", done(), "3.0"],
    ["an object with Unicode blanks around it", "valid JSON", "\u00a0\u0085{}\u2003\n", done(), "3.0"],
    ["an unknown field", "unknown field", { nope: 1 }, bad, "3.0"],
    ["an unknown field __proto__", "unknown field", `{"__proto__":{}}`, bad, "3.0"],
    ["a systemMessage that is a number", "wrong type", { systemMessage: 7 }, bad, "3.0"],
    ["an array", "wrong type", "[]", bad, "3.0"],
    ["an array with a value", "wrong type", "[true]", bad, "3.0"],
    ["half an object", "invalid JSON", `{"systemMessage":`, bad, "3.0"],
    ["a log line in brackets", "invalid JSON", "[12:00] the-log", bad, "0 (14)"],
    ["text after JSON", "invalid JSON", "{} the-rest", bad, "3.0"],
    ["half a character", "invalid JSON", `{"systemMessage":"\\ud800"}`, bad, "3.0"],
    ["nested too deep", "invalid JSON", `{"systemMessage":${"[".repeat(500)}${"]".repeat(500)}}`, bad, "3.0"],
    [
      "a long text",
      "huge output",
      hook({ stdout: { fill: "the-text\n", times: 5000 } }),
      way.plainText === "context"
        ? { ...done("context (44999 characters)"), effect: { ...way.quiet, contexts: ["(spilled)"] } }
        : text("the-text"),
      "5.1",
    ],
    [
      "2 MiB of JSON",
      "huge output",
      hook({ stdout: { before: `{"systemMessage":"`, fill: "x", times: 1 << 21, after: `"}` } }),
      bad,
      "ours: capture",
    ],
    // A field that every event knows, or that events which read nothing must not stumble over.
    [
      "systemMessage",
      "field",
      { systemMessage: "the-message" },
      readsOutput ? done("warning the-message") : done(),
      "3.0",
    ],
  ];
}

function hook(what: Hook): { hook: Hook } {
  return { hook: what };
}

/** Rows of the events that read what is printed. */
function universalRows(event: HookEventName): Row[] {
  const { readsOutput, stop, suppress, quiet } = ways[event];
  if (!readsOutput) return [];
  const isInterrupt = event === "Interrupt";
  const bad = failed("badOutput");
  const stops = (entry: string | null): Row[3] => {
    if (stop === "fails") return bad;
    if (stop === null) return done();
    const entries = entry === null ? (stop.entry ? ["stop"] : []) : [`stop ${entry}`];
    const feedback = event === "PostToolUse" && entry !== "the-stop" ? { feedback: "" } : {};
    return { status: "stopped", entries, effect: { ...stop.effect, ...feedback } };
  };
  const only = (expected: Row[3]) => (isInterrupt ? bad : expected);
  return [
    ["an empty systemMessage", "field", { systemMessage: "" }, done("warning "), "3.0"],
    [
      "systemMessage twice",
      "field",
      `{"systemMessage":"the-first","systemMessage":"the-second"}`,
      done("warning the-second"),
      "3.0",
    ],
    ["systemMessage null", "field", { systemMessage: null }, done(), "3.0"],
    ["continue true", "field", { continue: true }, only(done()), "3.0"],
    ["continue null", "wrong type", { continue: null }, bad, "3.0"],
    ["continue as text", "wrong type", { continue: "false" }, bad, "3.0"],
    ["continue false", "field", { continue: false }, stops(null), "3.1"],
    ["continue false with stopReason", "field", { continue: false, stopReason: "the-stop" }, stops("the-stop"), "3.1"],
    ["continue false with a blank stopReason", "field", { continue: false, stopReason: " " }, stops(" "), "3.1"],
    ["stopReason alone", "field", { stopReason: "the-stop" }, stop === "fails" ? bad : done(), "3.0"],
    ["stopReason null", "field", { stopReason: null }, only(done()), "3.0"],
    ["suppressOutput true", "field", { suppressOutput: true }, suppress === "fails" ? bad : done(), "3.0"],
    ["suppressOutput false", "field", { suppressOutput: false }, only(done()), "3.0"],
    ["suppressOutput null", "wrong type", { suppressOutput: null }, bad, "3.0"],
    [
      "stop with systemMessage",
      "field",
      { systemMessage: "the-message", continue: false, stopReason: "the-stop" },
      stop === "fails"
        ? isInterrupt
          ? bad
          : failed("badOutput", ["warning the-message", "error"])
        : stop === null
          ? done("warning the-message")
          : { status: "stopped", entries: ["warning the-message", "stop the-stop"], effect: stop.effect },
      "3.0",
    ],
    ["a field of another agent", "unknown field", { terminalSequence: "x" }, bad, "6"],
    ...(quiet["contexts"] === undefined ? [] : contextRows(event)),
  ];
}

const specific = (fields: Output, name: string): Output => ({ hookSpecificOutput: { hookEventName: name, ...fields } });

function longContext(event: HookEventName, length: number): { hook: Hook } {
  const [before = "", after = ""] = JSON.stringify(specific({ additionalContext: "|" }, event)).split("|");
  return hook({ stdout: { before, fill: "x", times: length, after } });
}

function contextRows(event: HookEventName): Row[] {
  const { quiet } = ways[event];
  const said = (text: string): Row[3] => ({ ...done(`context ${text}`), effect: { ...quiet, contexts: [text] } });
  const bad = failed("badOutput");
  return [
    ["hookSpecificOutput null", "field", { hookSpecificOutput: null }, done(), "3.0"],
    ["hookSpecificOutput without hookEventName", "wrong type", { hookSpecificOutput: {} }, bad, "3.0"],
    ["hookEventName alone", "field", specific({}, event), done(), "3.0"],
    ["hookEventName of another event", "field", specific({}, "PreCompact"), done(), "3.0"],
    ["hookEventName of an event that reads nothing", "wrong type", specific({}, "SessionEnd"), bad, "3.0"],
    ["hookEventName in camelCase", "wrong type", specific({}, "preToolUse"), bad, "3.0"],
    ["additionalContext", "field", specific({ additionalContext: "the-context" }, event), said("the-context"), "3.0"],
    ["an empty additionalContext", "field", specific({ additionalContext: "" }, event), said(""), "3.0"],
    ["additionalContext null", "field", specific({ additionalContext: null }, event), done(), "3.0"],
    ["additionalContext as a number", "wrong type", specific({ additionalContext: 7 }, event), bad, "3.0"],
    ["an unknown field in hookSpecificOutput", "unknown field", specific({ nope: 7 }, event), bad, "3.0"],
    [
      "a long additionalContext",
      "huge output",
      longContext(event, 10_001),
      { ...done("context (10001 characters)"), effect: { ...quiet, contexts: ["(spilled)"] } },
      "5.1",
    ],
    [
      "an additionalContext of 10,000 bytes",
      "field",
      longContext(event, 10_000),
      { ...done("context (10000 characters)"), effect: { ...quiet, contexts: ["(10000 characters)"] } },
      "5.1",
    ],
  ];
}

const both = { additionalContext: "the-context" };
const message = { systemMessage: "the-message" };
const bad = failed("badOutput");
const block = { decision: "block", reason: "the-reason" };

/** `decision: "block"` of the events that have it. */
function blockRows(event: HookEventName, effect: Output, source: string, trims: boolean): Row[] {
  const blocked = { status: "blocked", entries: ["feedback the-reason"], effect } as const;
  return [
    ["block", "field", block, blocked, source],
    [
      "block with blanks around the reason",
      "field",
      { decision: "block", reason: " the-reason " },
      trims ? blocked : { ...blocked, entries: ["feedback  the-reason "] },
      source,
    ],
    ["block with continue true", "field", { ...block, continue: true }, blocked, source],
    [
      "block with systemMessage",
      "field",
      { ...block, ...message },
      { ...blocked, entries: ["warning the-message", "feedback the-reason"] },
      source,
    ],
    ["block without a reason", "field", { decision: "block" }, bad, source],
    ["block with a blank reason", "field", { decision: "block", reason: " " }, bad, source],
    [
      "block without a reason, with systemMessage",
      "field",
      { decision: "block", ...message },
      failed("badOutput", ["warning the-message", "error"]),
      source,
    ],
    ["decision null", "field", { decision: null }, done(), source],
    ["reason null", "field", { reason: null }, done(), source],
    ["decision approve", "wrong type", { decision: "approve" }, bad, source],
    ["decision allow", "wrong type", { decision: "allow" }, bad, source],
    ["decision as an object", "wrong type", { decision: {} }, bad, source],
    ["reason as a number", "wrong type", { decision: "block", reason: 7 }, bad, source],
  ];
}

const rewritten = { command: "echo the-rewritten" };

const ownRows: Partial<Record<HookEventName, Row[]>> = {
  SessionStart: [
    ["decision", "unknown field", block, bad, "3.2"],
    [
      "stop with context",
      "field",
      { continue: false, stopReason: "the-stop", ...specific(both, "SessionStart") },
      // The peer keeps it as well; what the stopped turn shows of it can't be seen from outside.
      { status: "stopped", entries: ["context the-context", "stop the-stop"], effect: { contexts: [], ends: true } },
      "3.2",
    ],
  ],
  UserPromptSubmit: [
    ...blockRows("UserPromptSubmit", { ...contexts, ends: true }, "3.4", false),
    ["reason alone", "field", { reason: "the-reason" }, done(), "3.4"],
    [
      "stop and block",
      "field",
      { ...block, continue: false, stopReason: "the-stop" },
      { status: "stopped", entries: ["stop the-stop"], effect: { ...contexts, ends: true } },
      "3.4",
    ],
    [
      "stop and block without a reason",
      "field",
      { continue: false, decision: "block" },
      { status: "stopped", entries: [], effect: { ...contexts, ends: true } },
      "3.4",
    ],
    [
      "block with context",
      "field",
      { ...block, ...message, ...specific(both, "UserPromptSubmit") },
      {
        status: "blocked",
        entries: ["warning the-message", "context the-context", "feedback the-reason"],
        effect: { ...contexts, ends: true },
      },
      "3.4",
    ],
    [
      "block without a reason, with context",
      "field",
      { decision: "block", ...specific(both, "UserPromptSubmit") },
      bad,
      "3.4",
    ],
  ],
  PreToolUse: [
    ...blockRows("PreToolUse", { ...contexts, deny: "the-reason", runs: null }, "3.5", true),
    ...permissionRows(),
  ],
  PermissionRequest: permissionRequestRows(),
  PostToolUse: [
    ...blockRows("PostToolUse", { ...contexts, feedback: "the-reason" }, "3.7", false),
    ["reason alone", "field", { reason: "the-reason" }, bad, "3.7"],
    ["a blank reason alone", "field", { reason: " " }, bad, "3.7"],
    [
      "block with context",
      "field",
      { ...block, ...specific(both, "PostToolUse") },
      {
        status: "blocked",
        entries: ["context the-context", "feedback the-reason"],
        effect: { contexts: ["the-context"], feedback: "the-reason" },
      },
      "3.7",
    ],
    [
      "stop with reason",
      "field",
      { continue: false, stopReason: "the-stop", reason: "the-reason" },
      { status: "stopped", entries: ["stop the-stop"], effect: { ...contexts, feedback: "the-reason" } },
      "3.7",
    ],
    [
      "stop with a blank reason",
      "field",
      { continue: false, stopReason: "the-stop", reason: " " },
      { status: "stopped", entries: ["stop the-stop"], effect: { ...contexts, feedback: "the-stop" } },
      "3.7",
    ],
    [
      "stop with reason and context",
      "field",
      { continue: false, reason: "the-reason", ...specific(both, "PostToolUse") },
      {
        status: "stopped",
        entries: ["context the-context", "stop"],
        effect: { contexts: ["the-context"], feedback: "the-reason" },
      },
      "3.7",
    ],
    [
      "stop with suppressOutput",
      "field",
      { continue: false, suppressOutput: true },
      { status: "stopped", entries: ["stop"], effect: { ...contexts, feedback: "" } },
      "3.7",
    ],
    [
      "stop and block without a reason",
      "field",
      { continue: false, decision: "block" },
      { status: "stopped", entries: ["stop"], effect: { ...contexts, feedback: "" } },
      "3.7",
    ],
    ["updatedMCPToolOutput", "field", specific({ updatedMCPToolOutput: { a: 1 } }, "PostToolUse"), bad, "3.7"],
    ["updatedMCPToolOutput null", "field", specific({ updatedMCPToolOutput: null }, "PostToolUse"), done(), "3.7"],
    [
      "updatedMCPToolOutput with stop",
      "field",
      { continue: false, stopReason: "the-stop", ...specific({ updatedMCPToolOutput: 1 }, "PostToolUse") },
      { status: "stopped", entries: ["stop the-stop"], effect: { ...contexts, feedback: "the-stop" } },
      "3.7",
    ],
    ["updatedToolOutput", "unknown field", specific({ updatedToolOutput: "x" }, "PostToolUse"), bad, "3.7"],
  ],
  PreCompact: [
    ["decision", "unknown field", block, bad, "3.8"],
    ["hookSpecificOutput", "unknown field", specific(both, "PreCompact"), bad, "3.8"],
  ],
  PostCompact: [
    ["decision", "unknown field", block, bad, "3.8"],
    ["hookSpecificOutput", "unknown field", specific(both, "PostCompact"), bad, "3.8"],
  ],
  SubagentStart: [
    ["decision", "unknown field", block, bad, "3.9"],
    [
      "continue false with context",
      "field",
      { continue: false, ...specific(both, "SubagentStart") },
      { ...done("context the-context"), effect: { contexts: ["the-context"] } },
      "3.9",
    ],
  ],
  SubagentStop: turnEndRows("SubagentStop", "3.10"),
  Stop: turnEndRows("Stop", "3.11"),
  Interrupt: [
    ["decision", "unknown field", block, bad, "3.12"],
    ["hookSpecificOutput", "unknown field", specific({}, "Interrupt"), bad, "3.12"],
  ],
  PreExec: preExecRows(),
};

function permissionRows(): Row[] {
  const say = (fields: Output, more: Output = {}): Output => ({ ...specific(fields, "PreToolUse"), ...more });
  const deny = { permissionDecision: "deny", permissionDecisionReason: "the-reason" };
  const allow = { permissionDecision: "allow", updatedInput: rewritten };
  const denied = {
    status: "blocked",
    entries: ["feedback the-reason"],
    effect: { ...contexts, deny: "the-reason", runs: null },
  } as const;
  const rewrites = { ...done(), effect: { ...contexts, deny: null, runs: "the-rewritten" } };
  const older = { decision: "block", reason: "the-older" };
  const rows: [string, Output, Row[3]][] = [
    ["deny", say(deny), denied],
    ["deny with blanks around the reason", say({ ...deny, permissionDecisionReason: " the-reason " }), denied],
    ["deny without a reason", say({ permissionDecision: "deny" }), bad],
    ["deny with a blank reason", say({ ...deny, permissionDecisionReason: " " }), bad],
    [
      "deny with context",
      say({ ...deny, ...both }),
      {
        ...denied,
        entries: ["context the-context", "feedback the-reason"],
        effect: { ...denied.effect, contexts: ["the-context"] },
      },
    ],
    [
      "deny with systemMessage",
      say(deny, message),
      { ...denied, entries: ["warning the-message", "feedback the-reason"] },
    ],
    ["deny with updatedInput", say({ ...deny, updatedInput: rewritten }), bad],
    ["deny with updatedInput null", say({ ...deny, updatedInput: null }), denied],
    ["deny and the older block", say(deny, older), denied],
    ["deny and the older approve", say(deny, { decision: "approve" }), denied],
    ["deny and the older reason", say(deny, { reason: "the-older" }), denied],
    ["allow alone", say({ permissionDecision: "allow" }), bad],
    ["allow with updatedInput", say(allow), rewrites],
    ["allow with updatedInput and a reason", say({ ...allow, permissionDecisionReason: "the-reason" }), rewrites],
    [
      "allow with updatedInput and context",
      say({ ...allow, ...both }),
      { ...done("context the-context"), effect: { ...rewrites.effect, contexts: ["the-context"] } },
    ],
    ["allow with updatedInput null", say({ ...allow, updatedInput: null }), bad],
    ["allow with a reason only", say({ permissionDecision: "allow", permissionDecisionReason: "the-reason" }), bad],
    ["allow and the older block", say(allow, older), rewrites],
    ["updatedInput alone", say({ updatedInput: rewritten }), bad],
    ["updatedInput null alone", say({ updatedInput: null }), done()],
    ["ask", say({ permissionDecision: "ask" }), bad],
    [
      "ask with systemMessage and context",
      say({ permissionDecision: "ask", ...both }, message),
      failed("badOutput", ["warning the-message", "error"]),
    ],
    ["permissionDecision null", say({ permissionDecision: null }), done()],
    ["permissionDecisionReason alone", say({ permissionDecisionReason: "the-reason" }), bad],
    ["a blank permissionDecisionReason alone", say({ permissionDecisionReason: " " }), bad],
    ["permissionDecisionReason null", say({ permissionDecisionReason: null }), done()],
    [
      "the older block with context",
      say(both, block),
      {
        ...denied,
        entries: ["context the-context", "feedback the-reason"],
        effect: { ...denied.effect, contexts: ["the-context"] },
      },
    ],
    ["the older block without a reason, with context", say(both, { decision: "block" }), bad],
    ["the older reason alone", { reason: "the-reason" }, bad],
    ["the older approve with a reason", { decision: "approve", reason: "the-reason" }, bad],
    ["stop and block", { ...block, continue: false }, bad],
  ];
  const nested = (depth: number) =>
    `{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"allow","updatedInput":{"command":"echo the-rewritten","x":${"[".repeat(depth - 3)}${"]".repeat(depth - 3)}}}}`;
  return [
    ...rows.map(([name, output, expected]): Row => [name, "field", output, expected, "3.5"]),
    ["defer", "wrong type", say({ permissionDecision: "defer" }), bad, "6"],
    ["updatedInput nested 127 deep", "field", nested(127), rewrites, "3.5"],
    ["updatedInput nested 128 deep", "invalid JSON", nested(128), bad, "3.5"],
  ];
}

function permissionRequestRows(): Row[] {
  const decide = (decision: unknown, more: Output = {}): Output => ({
    ...specific({ decision }, "PermissionRequest"),
    ...more,
  });
  const denied = {
    status: "blocked",
    entries: ["feedback the-reason"],
    effect: { decision: "deny", says: "the-reason" },
  } as const;
  const allowed = { ...done(), effect: { decision: "allow", says: null } };
  const unexplained = { status: "blocked", entries: ["feedback"], effect: { decision: "deny", says: "" } } as const;
  const rows: [string, Kind, Output, Row[3]][] = [
    ["hookSpecificOutput null", "field", { hookSpecificOutput: null }, done()],
    ["hookEventName alone", "field", specific({}, "PermissionRequest"), done()],
    ["hookEventName in camelCase", "wrong type", specific({}, "permissionRequest"), bad],
    ["decision null", "field", decide(null), done()],
    ["allow", "field", decide({ behavior: "allow" }), allowed],
    ["allow with message", "field", decide({ behavior: "allow", message: "the-message" }), allowed],
    [
      "allow with systemMessage",
      "field",
      decide({ behavior: "allow" }, message),
      { ...allowed, entries: ["warning the-message"] },
    ],
    ["allow with updatedInput", "field", decide({ behavior: "allow", updatedInput: {} }), bad],
    ["allow with updatedInput null", "field", decide({ behavior: "allow", updatedInput: null }), allowed],
    ["allow with updatedPermissions", "field", decide({ behavior: "allow", updatedPermissions: [] }), bad],
    ["allow with updatedPermissions null", "field", decide({ behavior: "allow", updatedPermissions: null }), allowed],
    ["allow with an unknown field", "unknown field", decide({ behavior: "allow", nope: 1 }), bad],
    ["deny", "field", decide({ behavior: "deny", message: "the-reason" }), denied],
    ["deny with blanks around the message", "field", decide({ behavior: "deny", message: " the-reason " }), denied],
    ["deny without a message", "field", decide({ behavior: "deny" }), unexplained],
    ["deny with a blank message", "field", decide({ behavior: "deny", message: " " }), unexplained],
    [
      "deny with systemMessage",
      "field",
      decide({ behavior: "deny", message: "the-reason" }, message),
      { ...denied, entries: ["warning the-message", "feedback the-reason"] },
    ],
    ["deny with interrupt", "field", decide({ behavior: "deny", message: "the-reason", interrupt: true }), bad],
    [
      "deny with interrupt and systemMessage",
      "field",
      decide({ behavior: "deny", interrupt: true }, message),
      failed("badOutput", ["warning the-message", "error"]),
    ],
    [
      "deny with interrupt false",
      "field",
      decide({ behavior: "deny", message: "the-reason", interrupt: false }),
      denied,
    ],
    ["deny with interrupt null", "wrong type", decide({ behavior: "deny", interrupt: null }), bad],
    ["another behavior", "wrong type", decide({ behavior: "ask" }), bad],
    ["no behavior", "wrong type", decide({}), bad],
    ["behavior null", "wrong type", decide({ behavior: null }), bad],
    ["additionalContext", "unknown field", specific(both, "PermissionRequest"), bad],
    ["decision of other events", "unknown field", block, bad],
  ];
  return rows.map(([name, kind, output, expected]): Row => [name, kind, output, expected, "3.6"]);
}

function turnEndRows(event: HookEventName, source: string): Row[] {
  return [
    ...blockRows(event, { continues: ["the-reason"] }, source, true),
    ["reason alone", "field", { reason: "the-reason" }, done(), source],
    ["hookSpecificOutput", "unknown field", specific(both, event), bad, source],
    ["hookSpecificOutput null", "unknown field", { hookSpecificOutput: null }, bad, source],
    [
      "stop and block",
      "field",
      { ...block, continue: false, stopReason: "the-stop" },
      { status: "stopped", entries: ["stop the-stop"] },
      source,
    ],
    [
      "stop and block without a reason",
      "field",
      { continue: false, decision: "block" },
      { status: "stopped", entries: [] },
      source,
    ],
  ];
}

function preExecRows(): Row[] {
  const say = (fields: Output): Output => specific(fields, "PreExec");
  const reason = { permissionDecisionReason: "the-reason" };
  const answer = (decision: string): Row[3] => ({
    ...done("feedback the-reason"),
    effect: { decision, says: "the-reason" },
  });
  const rows: [string, Kind, Output, Row[3]][] = [
    ["hookEventName alone", "field", say({}), done()],
    [
      "deny",
      "field",
      say({ permissionDecision: "deny", ...reason }),
      { status: "blocked", entries: ["feedback the-reason"], effect: { decision: "deny", says: "the-reason" } },
    ],
    [
      "deny without a reason",
      "field",
      say({ permissionDecision: "deny" }),
      { status: "blocked", entries: ["feedback"], effect: { decision: "deny", says: "" } },
    ],
    ["ask", "field", say({ permissionDecision: "ask", ...reason }), answer("ask")],
    ["run", "field", say({ permissionDecision: "run", ...reason }), answer("run")],
    [
      "run without a reason",
      "field",
      say({ permissionDecision: "run" }),
      { ...done(), effect: { decision: "run", says: null } },
    ],
    ["escalate", "field", say({ permissionDecision: "escalate", ...reason }), answer("escalate")],
    ["another decision", "wrong type", say({ permissionDecision: "allow" }), bad],
    ["a reason alone", "field", say(reason), bad],
    ["an unknown field in hookSpecificOutput", "unknown field", say({ nope: 7 }), bad],
    ["decision of other events", "unknown field", block, bad],
  ];
  return rows.map(([name, kind, output, expected]): Row => [name, kind, output, expected, "ours: PreExec"]);
}

function toCase(event: HookEventName, [name, kind, given, expected, source]: Row): Case {
  const asked = typeof given === "string" ? { stdout: given } : asHook(given);
  const { effect = ways[event].quiet, ...rest } = expected;
  return { id: `${event}: ${name}`, event, kind, hook: asked, expected: { ...rest, effect }, source, runs: false };
}

function asHook(given: { hook: Hook } | Output): Hook {
  if ("hook" in given) return given.hook as Hook; // no output has such a field
  return Object.keys(given).length === 0 ? {} : { stdout: `${JSON.stringify(given)}\n` };
}

const endingKinds: readonly Kind[] = [
  "exit 0",
  "exit 1",
  "exit 2",
  "exit other",
  "empty",
  "plain text",
  "valid JSON",
  "huge output",
];

/** Of what a process does by itself, one row of each kind; of how else it can end, every row. */
function withRuns(rows: Case[]): Case[] {
  const firsts = new Set(endingKinds.map((kind) => rows.find((row) => row.kind === kind)));
  return rows.map((row) => ({ ...row, runs: firsts.has(row) || row.hook.ends !== undefined }));
}

export const cases: readonly Case[] = events.flatMap((event) =>
  withRuns([...commonRows(event), ...universalRows(event), ...(ownRows[event] ?? [])].map((row) => toCase(event, row))),
);
