import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { Text } from "@sallyport/protocol";
import { SessionEnvironment } from "../../src/decision/session-environment.ts";
import { Places } from "../../src/decision/way.ts";

interface Setting {
  session?: Text[];
  caller: (string | Buffer)[];
  ruleEnv?: string[];
}

function environmentOf(context: TestContext): (setting: Setting) => { env: Text[]; dropped: Text[] } {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "environment-")));
  context.after(() => rmSync(root, { recursive: true }));
  const work = join(root, "work");
  mkdirSync(join(root, "bin"));
  mkdirSync(work);
  symlinkSync(work, join(work, "loop"));
  symlinkSync(work, join(root, "project"));
  symlinkSync(work, join(root, "bin/indirect"));
  const places = new Places({ walled: true, writableRoots: [work], translate: (path) => path, denyRead: [] });
  const fill = (text: string): string => text.replaceAll("ROOT", root);
  return ({ session = [], caller, ruleEnv = [] }) => {
    const env = session.map((entry) => (typeof entry === "string" ? fill(entry) : entry));
    const block = caller.map((entry) =>
      Buffer.concat([Buffer.from(typeof entry === "string" ? fill(entry) : entry), Buffer.alloc(1)]),
    );
    const environment = new SessionEnvironment({ env, path: "/usr/bin", cwd: work }, places);
    const result = environment.forEscalation({ env: Buffer.concat(block), cwd: work }, ruleEnv);
    return {
      ...result,
      env: result.env.map((entry) => (typeof entry === "string" ? entry.replaceAll(root, "ROOT") : entry)),
    };
  };
}

test("forEscalation() lets TERM, LANG and LC_* through and names what it drops", (context) => {
  const environment = environmentOf(context);
  assert.deepEqual(
    environment({
      session: ["A=1", "B=1", "C=1", "LANG=C"],
      caller: [
        "A=1",
        "B=2",
        "NEW=1",
        "TERM=xterm",
        "LANG=de_DE.UTF-8",
        "LC_ALL=C",
        "LANGUAGE=de",
        "LC_X1=1",
        "LD_PRELOAD=x",
      ],
    }),
    {
      env: ["A=1", "B=1", "C=1", "LANG=de_DE.UTF-8", "TERM=xterm", "LC_ALL=C"],
      dropped: ["B", "NEW", "LANGUAGE", "LC_X1", "LD_PRELOAD"],
    },
  );
});

test("forEscalation() refuses paths in TERM and LANG", (context) => {
  const environment = environmentOf(context);
  assert.deepEqual(environment({ session: ["TERM=dumb"], caller: ["TERM=/elsewhere/x", "LANG=../x"] }), {
    env: ["TERM=dumb"],
    dropped: ["TERM", "LANG"],
  });
});

test("forEscalation() adds what the rule names, but never a loader variable", (context) => {
  const environment = environmentOf(context);
  assert.deepEqual(
    environment({ session: ["A=1"], caller: ["A=2", "LD_AUDIT=x", "X=1"], ruleEnv: ["A", "LD_AUDIT"] }),
    {
      env: ["A=2"],
      dropped: ["LD_AUDIT", "X"],
    },
  );
});

test("forEscalation() passes PWD on only where it names the working folder", (context) => {
  const environment = environmentOf(context);
  const passed = (value: string): { env: Text[]; dropped: Text[] } =>
    environment({ session: ["PWD=/elsewhere"], caller: [`PWD=${value}`] });
  assert.deepEqual(passed("ROOT/work"), { env: ["PWD=ROOT/work"], dropped: [] });
  assert.deepEqual(passed("ROOT/project"), { env: ["PWD=ROOT/project"], dropped: [] });
  for (const value of ["/elsewhere", "ROOT/work/loop", "work", "ROOT/missing", "/proc/self/cwd"]) {
    assert.deepEqual(passed(value), { env: [], dropped: ["PWD"] }, value);
  }
});

test("forEscalation() takes folders that can be written from inside off the session's PATH", (context) => {
  const environment = environmentOf(context);
  const path = (value: string): Text[] => environment({ session: [`PATH=${value}`], caller: [] }).env;
  assert.deepEqual(path("ROOT/work/bin:/usr/bin:.::relative:ROOT/bin/indirect:ROOT/bin"), ["PATH=/usr/bin:ROOT/bin"]);
  assert.deepEqual(path("ROOT/work"), []);
  assert.deepEqual(path("/usr/bin:/bin"), ["PATH=/usr/bin:/bin"]);
});

test("forEscalation() drops the session's own loader variables where they can be bent from inside", (context) => {
  const environment = environmentOf(context);
  assert.deepEqual(
    environment({ session: ["LD_PRELOAD=ROOT/work/x.so", "LD_LIBRARY_PATH=/usr/lib"], caller: [] }).env,
    ["LD_LIBRARY_PATH=/usr/lib"],
  );
});

test("forEscalation() keeps bytes and takes the first of two entries", (context) => {
  const environment = environmentOf(context);
  const bytes = Buffer.concat([Buffer.from("X="), Buffer.from([0xff])]);
  assert.deepEqual(
    environment({ session: [{ base64: bytes.toString("base64") }], caller: [bytes, "X=2", "=C:=x", "junk"] }),
    {
      env: [{ base64: bytes.toString("base64") }],
      dropped: [],
    },
  );
  assert.deepEqual(environment({ caller: [Buffer.from([0xff, 0x3d, 0x31])] }).dropped, [{ base64: "/w==" }]);
});
