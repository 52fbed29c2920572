/** Two descriptions of what a hook may print say the same. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { HookEventName, hookOutputs } from "@sallyport/protocol";
import { hasOutputShape } from "../../src/events/output-shapes.ts";
import { Random } from "../support/random.ts";

const names = HookEventName.options;
const fields = (
  "continue stopReason suppressOutput systemMessage decision reason hookSpecificOutput hookEventName additionalContext " +
  "permissionDecision permissionDecisionReason updatedInput behavior message interrupt updatedPermissions updatedMCPToolOutput"
).split(" ");
const odd = ["Continue", "__proto__", "constructor", "toString", "", "permisionDecision"];
const texts = ["", "text", "block", "approve", "allow", "deny", "ask", "run", "escalate", "Block", ...names, "Nope"];

/** JSON as hooks print it: the fields at their places, right and wrong values, now and then a field that is none. */
function anyValue(random: Random, depth: number): unknown {
  const choice = random.below(depth > 0 ? 9 : 6);
  if (choice === 0) return null;
  if (choice === 1) return random.below(2) === 0;
  if (choice === 2) return [0, 1, -1.5][random.below(3)];
  if (choice === 6) return [anyValue(random, depth - 1)];
  if (choice > 6) return anyObject(random, depth - 1);
  return texts[random.below(texts.length)];
}

function anyObject(random: Random, depth: number): object {
  const parts: string[] = [];
  for (let count = random.below(4); count > 0; count--) {
    const from = random.below(30) === 0 ? odd : fields;
    const key = from[random.below(from.length)] ?? "";
    parts.push(`${JSON.stringify(key)}:${JSON.stringify(valueFor(key, random, depth))}`);
  }
  return JSON.parse(`{${parts.join(",")}}`) as object; // and not a literal: `__proto__` is a key here
}

/** Mostly what would be right there, or wholes would be too rare to find. */
function valueFor(key: string, random: Random, depth: number): unknown {
  if (random.below(5) === 0) return anyValue(random, depth);
  if (["continue", "suppressOutput", "interrupt"].includes(key)) return random.below(2) === 0;
  if (key === "hookSpecificOutput" || (key === "decision" && random.below(2) === 0)) {
    const required = key === "decision" ? { behavior: "deny" } : { hookEventName: names[random.below(names.length)] };
    return { ...(random.below(8) > 0 && required), ...anyObject(random, depth) };
  }
  return texts[random.below(texts.length)];
}

test("hasOutputShape() takes what the schema takes and nothing else, and the schema changes nothing in it", () => {
  const random = new Random(20_261_123);
  const taken = new Map<string, number>();
  const refused = new Map<string, number>();
  for (let round = 0; round < 30_000; round++) {
    const event = names[round % names.length] ?? "Stop";
    const value: unknown = random.below(20) === 0 ? anyValue(random, 3) : anyObject(random, 3);
    const { success, data } = hookOutputs[event].safeParse(value);
    assert.equal(hasOutputShape(event, value), success, `${event} ${JSON.stringify(value)}`);
    const seen = success ? taken : refused;
    seen.set(event, (seen.get(event) ?? 0) + 1);
    if (success) assert.deepEqual(data, value);
  }
  for (const event of names) {
    assert.ok((taken.get(event) ?? 0) > 200, `${event} took ${taken.get(event)}`);
    const readsNothing = ["PreModelRequest", "PostModelRequest", "SessionEnd", "PostExec"].includes(event);
    assert.ok(readsNothing || (refused.get(event) ?? 0) > 200, `${event} refused ${refused.get(event)}`);
  }
});

test("hasOutputShape() takes each field alone with each value as the schema does", () => {
  const values: unknown[] = [null, true, false, 0, 1, [], {}, ...texts];
  const specific = (inner: object): object => ({ hookSpecificOutput: { hookEventName: "PreToolUse", ...inner } });
  for (const event of names) {
    for (const field of [...fields, ...odd]) {
      for (const value of values) {
        const alone = JSON.parse(`{${JSON.stringify(field)}:${JSON.stringify(value)}}`) as object;
        const decision = { decision: { behavior: "allow", ...alone } };
        for (const whole of [alone, specific(alone), specific(decision), { hookSpecificOutput: alone }]) {
          const { success } = hookOutputs[event].safeParse(whole);
          assert.equal(hasOutputShape(event, whole), success, `${event} ${JSON.stringify(whole)}`);
        }
      }
    }
  }
});

/** Which files of zod a process loads that reads this output. */
function zodFilesFor(output: string): number {
  const parser = JSON.stringify(join(import.meta.dirname, "..", "..", "src", "events", "output-parser.ts"));
  const source = `
    import { registerHooks } from "node:module";
    let files = 0;
    registerHooks({ resolve(name, context, next) {
      const found = next(name, context);
      if (found.url.includes("/node_modules/zod/")) files += 1;
      return found;
    } });
    const { parseOutput } = await import(${parser});
    const bytes = Buffer.from(${JSON.stringify(output)});
    parseOutput("PreToolUse", { bytes, totalBytes: bytes.length, spillFile: null });
    console.log(files);`;
  const flags = ["--input-type=module", "--conditions=sallyport-source"];
  return Number(execFileSync(process.execPath, [...flags, "-e", source], { encoding: "utf8" }));
}

test("zod is loaded for an explanation, and not for output that is as it should be", () => {
  const hookSpecificOutput = {
    hookEventName: "PreToolUse",
    permissionDecision: "deny",
    permissionDecisionReason: "no",
  };
  assert.equal(zodFilesFor(JSON.stringify({ hookSpecificOutput })), 0);
  assert.ok(zodFilesFor('{"nope":1}') > 0);
});
