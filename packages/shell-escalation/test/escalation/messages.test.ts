/** The hand-written reader and the published schemas agree; what the schemas can't say (a NUL, half a pair) is refused on top. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  EscalateAnswer,
  EscalateDescriptors,
  EscalateEvent,
  EscalateRequest,
  EscalateResult,
  EscalateSignal,
} from "@sallyport/protocol";
import {
  commonVersion,
  denyAnswer,
  escalateAnswer,
  eventMessage,
  readDescriptors,
  readRequest,
  readSignal,
  resultMessage,
  runAnswer,
} from "../../src/escalation/messages.ts";
import { Random } from "../../../supervisor/test/support/random.ts";

const request = { file: "/bin/ls", argv: ["ls", "-l"], workdir: "/tmp", env: { A: "1", B: "" } };
const encode = (message: unknown): Buffer => Buffer.from(JSON.stringify(message));
const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString());

describe("readRequest()", () => {
  test("reads the plain message", () => {
    assert.deepEqual(readRequest(encode(request)), {
      ...request,
      env: Buffer.from("A=1\0B=\0"),
      version: 1,
      blockedSignals: 0n,
    });
  });

  test("reads bytes, odd entries and the mask of version 2, and passes unknown keys over", () => {
    const odd = { base64: Buffer.from([0xff]).toString("base64") };
    const protocol = { version: 3, blocked: "8000000000000001", env: ["A=2", odd], more: 1 };
    const read = readRequest(encode({ ...request, argv: [odd], env: { A: "1", B: odd }, protocol, more: {} }));
    assert.deepEqual(read, {
      ...request,
      argv: [odd],
      env: Buffer.from("A=1\0B=\xff\0A=2\0\xff\0", "latin1"),
      version: 3,
      blockedSignals: 0x8000000000000001n,
    });
  });

  const refused: Record<string, unknown> = {
    "a NUL in an argument": { ...request, argv: ["a\0b"] },
    "a NUL in bytes": { ...request, argv: [{ base64: "AA==" }] },
    "half a pair of surrogates": { ...request, argv: ["\ud800"] },
    "a NUL in a variable": { ...request, env: { A: "\0" } },
    "a name with =": { ...request, env: { "A=B": "" } },
    "an empty file": { ...request, file: "" },
    "bytes with another key": { ...request, file: { base64: "YQ==", more: 1 } },
  };
  for (const [name, message] of Object.entries(refused)) {
    test(`refuses ${name}`, () => assert.equal(typeof readRequest(encode(message)), "string"));
  }

  test("refuses bytes that are no UTF-8, and what is no JSON object", () => {
    const texts = ['{"file":"\xff","argv":[],"workdir":"","env":{}}', "", "[]", "null", "1", '"x"', "{"];
    for (const text of texts) assert.equal(typeof readRequest(Buffer.from(text, "latin1")), "string", text);
  });
});

test("commonVersion() is the lower of both", () => {
  assert.deepEqual([0, 1, 2, 3].map(commonVersion), [1, 1, 2, 2]);
});

test("a plain wrapper gets plain messages", () => {
  const end = { exitCode: null, signal: 15 };
  assert.deepEqual(
    [
      runAnswer(1, { errno: 2 }),
      escalateAnswer(1),
      resultMessage(1, end),
      resultMessage(1, { exitCode: 3, signal: null }),
    ].map(decode),
    [{ action: "Run" }, { action: "Escalate" }, { exit_code: 143 }, { exit_code: 3 }],
  );
  assert.deepEqual(decode(resultMessage(2, end)), { exit_code: 143, signal: 15 });
});

test("every message that is written is one of the schemas'", () => {
  const answers = [
    runAnswer(1),
    runAnswer(2, { errno: 2, shell: "/bin/bash" }),
    escalateAnswer(1),
    escalateAnswer(2),
    denyAnswer("a\0b"),
  ];
  for (const answer of answers) EscalateAnswer.parse(decode(answer));
  for (const version of [1, 2] as const)
    EscalateResult.parse(decode(resultMessage(version, { exitCode: 1, signal: null })));
  for (const event of [{ started: true }, { stopped: 19 }, { error: "x" }] as const)
    EscalateEvent.parse(decode(eventMessage(event)));
  assert.deepEqual(decode(denyAnswer("a\0b")), { action: { Deny: { reason: "ab" } } });
});

describe("changed messages", () => {
  const originals = {
    request: encode({
      ...request,
      argv: ["a", { base64: "/w==" }],
      protocol: { version: 2, blocked: "0000000000000000", env: ["X"] },
    }),
    descriptors: encode({ fds: [0, 1, 2], more: true }),
    signal: encode({ signal: 15, terminal: true }),
  };
  const readers = {
    request: [(bytes: Buffer) => readRequest(bytes), EscalateRequest],
    descriptors: [(bytes: Buffer) => readDescriptors(bytes), EscalateDescriptors],
    signal: [(bytes: Buffer) => readSignal(bytes), EscalateSignal],
  } as const;
  for (const name of ["request", "descriptors", "signal"] as const) {
    test(`are read as the schema of the ${name} reads them`, () => {
      const [read, schema] = readers[name];
      const seen = { good: 0, bad: 0 };
      for (let round = 0; round < 3000; round++) {
        const bytes = new Random(round).mutate(originals[name]);
        const isRead = typeof read(bytes) !== "string";
        const isValid = schema.safeParse(parse(bytes)).success;
        // Stricter than the schema is right; what it refuses must never be read.
        assert.ok(!isRead || isValid, bytes.toString("latin1"));
        seen[isRead ? "good" : "bad"] += 1;
      }
      assert.ok(seen.good > 20 && seen.bad > 20, JSON.stringify(seen));
    });
  }
});

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
