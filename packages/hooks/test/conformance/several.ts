/** What several hooks of one event do together. As in the table, words that begin with `the-` are the hooks' own. */
import type { HookEventName } from "@sallyport/protocol";
import type { Expected } from "./cases.ts";
import type { Hook } from "./hook-command.ts";

export interface SeveralCase {
  id: string;
  event: HookEventName;
  hooks: Hook[];
  expected: { runs: Pick<Expected, "status" | "entries">[]; effect: Record<string, unknown> };
  /** Section of the facts. */
  source: string;
}

const says = (output: object): Hook => ({ stdout: JSON.stringify(output) });
const refuses = (stderr: string): Hook => ({ exit: 2, stderr });
const crashes: Hook = { exit: 1 };
const adds = (additionalContext: string): Hook =>
  says({ hookSpecificOutput: { hookEventName: "PreToolUse", additionalContext } });
const decides = (decision: object): Hook =>
  says({ hookSpecificOutput: { hookEventName: "PermissionRequest", decision } });
const rewrites = (command: string): Hook =>
  says({ hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision: "allow", updatedInput: { command } } });
const stops = (stopReason: string): Hook => says({ continue: false, stopReason });

const done = (...entries: readonly string[]) => ({ status: "completed", entries }) as const;
const blocked = (text: string) => ({ status: "blocked", entries: [`feedback ${text}`] }) as const;
const stopped = (text: string) => ({ status: "stopped", entries: [`stop ${text}`] }) as const;
const failed = { status: "failed", entries: ["error"] } as const;

const allow = decides({ behavior: "allow" });
const deny = decides({ behavior: "deny", message: "the-denial" });

type Row = [
  event: HookEventName,
  name: string,
  hooks: Hook[],
  runs: object[],
  effect: Record<string, unknown>,
  source: string,
];

const rows: Row[] = [
  [
    "SessionStart",
    "context of all, in order",
    [adds("the-first"), { stdout: "the-second" }],
    [done("context the-first"), done("context the-second")],
    { contexts: ["the-first", "the-second"], ends: false },
    "3.2",
  ],
  [
    "SessionStart",
    "one stop",
    [adds("the-first"), stops("the-stop")],
    [done("context the-first"), stopped("the-stop")],
    { contexts: [], ends: true },
    "3.2",
  ],
  [
    "UserPromptSubmit",
    "context of all, in order, a crash between",
    [{ stdout: "the-first" }, crashes, adds("the-second")],
    [done("context the-first"), failed, done("context the-second")],
    { contexts: ["the-first", "the-second"], ends: false },
    "3.0",
  ],
  [
    "UserPromptSubmit",
    "one block",
    [{ stdout: "the-first" }, refuses("the-reason")],
    [done("context the-first"), blocked("the-reason")],
    { contexts: [], ends: true },
    "3.4",
  ],
  [
    "PreToolUse",
    "the first of two denials",
    [refuses("the-first"), refuses("the-second")],
    [blocked("the-first"), blocked("the-second")],
    { contexts: [], deny: "the-first", runs: null },
    "3.5",
  ],
  [
    "PreToolUse",
    "a denial after a rewrite",
    [rewrites("echo the-rewritten"), refuses("the-reason")],
    [done(), blocked("the-reason")],
    { contexts: [], deny: "the-reason", runs: null },
    "3.5",
  ],
  [
    "PreToolUse",
    "a rewrite after a crash",
    [crashes, rewrites("echo the-rewritten")],
    [failed, done()],
    { contexts: [], deny: null, runs: "the-rewritten" },
    "3.5",
  ],
  [
    "PreToolUse",
    "a denial between contexts",
    [adds("the-first"), refuses("the-reason"), adds("the-second")],
    [done("context the-first"), blocked("the-reason"), done("context the-second")],
    { contexts: ["the-first", "the-second"], deny: "the-reason", runs: null },
    "3.5",
  ],
  [
    "PermissionRequest",
    "a denial after a consent",
    [allow, deny],
    [done(), blocked("the-denial")],
    { decision: "deny", says: "the-denial" },
    "3.6",
  ],
  [
    "PermissionRequest",
    "a denial before a consent",
    [deny, allow],
    [blocked("the-denial"), done()],
    { decision: "deny", says: "the-denial" },
    "3.6",
  ],
  [
    "PermissionRequest",
    "a consent beside a crash",
    [crashes, allow],
    [failed, done()],
    { decision: "allow", says: null },
    "3.6",
  ],
  [
    "PostToolUse",
    "feedback and a stop",
    [refuses("the-first"), stops("the-stop"), refuses("the-second")],
    [blocked("the-first"), stopped("the-stop"), blocked("the-second")],
    { contexts: [], feedback: "the-first the-stop the-second" },
    "3.7",
  ],
  ["PreCompact", "one stop", [{}, stops("the-stop")], [done(), stopped("the-stop")], { stops: true }, "3.8"],
  [
    "SubagentStart",
    "context of all, in order",
    [adds("the-first"), adds("the-second")],
    [done("context the-first"), done("context the-second")],
    { contexts: ["the-first", "the-second"] },
    "3.9",
  ],
  [
    "SubagentStop",
    "two blocks",
    [refuses("the-first"), refuses("the-second")],
    [blocked("the-first"), blocked("the-second")],
    { continues: ["the-first", "the-second"] },
    "3.10",
  ],
  [
    "Stop",
    "two blocks, a crash between",
    [refuses("the-first"), crashes, refuses("the-second")],
    [blocked("the-first"), failed, blocked("the-second")],
    { continues: ["the-first", "the-second"] },
    "3.11",
  ],
  [
    "Stop",
    "a stop after a block",
    [refuses("the-first"), stops("the-stop")],
    [blocked("the-first"), stopped("the-stop")],
    { continues: [] },
    "3.11",
  ],
  [
    "Stop",
    "a stop before a block",
    [stops("the-stop"), refuses("the-first")],
    [stopped("the-stop"), blocked("the-first")],
    { continues: [] },
    "3.11",
  ],
];

export const severalCases: readonly SeveralCase[] = rows.map(([event, name, hooks, runs, effect, source]) => ({
  id: `${event}: several hooks: ${name}`,
  event,
  hooks,
  expected: { runs: runs as SeveralCase["expected"]["runs"], effect }, // made by the functions above
  source,
}));
