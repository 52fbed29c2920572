import assert from "node:assert/strict";
import { test } from "node:test";
import { handlerEnvironment } from "../../src/handlers/environment.ts";
import { runOnce, shellAction } from "../support/handlers.ts";

const session = { projectDir: "/the/project", sessionId: "the-session" };
const own = [
  "SALLYPORT_PROJECT_DIR=/the/project",
  "SALLYPORT_SESSION_ID=the-session",
  "SALLYPORT_EVENT=Stop",
  "CLAUDE_PROJECT_DIR=/the/project",
];

function environment(env: NodeJS.ProcessEnv, passEnv: string[] = []): string[] {
  return handlerEnvironment({ ...session, env, passEnv, event: "Stop" });
}

test("variables that look like secrets are kept out", () => {
  const secrets = [
    "OPENAI_API_KEY",
    "GITHUB_TOKEN",
    "TOKEN",
    "DB_PASSWORD",
    "PASSWD",
    "AWS_SECRET_ACCESS_KEY",
    "CREDENTIALS",
  ];
  const more = ["github_token", "MY_CREDENTIAL_FILE", "npm_config__auth_token"];
  const plain = ["PATH", "KEYBOARD", "TOKENIZER", "MONKEY", "SSH_AUTH_SOCK", "PASSWORDS"];
  const env = Object.fromEntries([...secrets, ...more, ...plain].map((name) => [name, "x"]));
  assert.deepEqual(environment(env), [...plain.map((name) => `${name}=x`), ...own]);
});

test("a handler gets the secrets that it lists, and only those", () => {
  const env = { A_TOKEN: "a", B_TOKEN: "b", EMPTY: "" };
  assert.deepEqual(environment(env, ["B_TOKEN", "MISSING_TOKEN"]), ["B_TOKEN=b", "EMPTY=", ...own]);
});

test("our own variables can't be forged from outside", () => {
  assert.deepEqual(environment({ SALLYPORT_EVENT: "forged", CLAUDE_PROJECT_DIR: "/forged" }), own);
});

test("a real hook sees exactly this", async () => {
  const action = shellAction("env | grep -E 'SALLYPORT|CLAUDE|TOKEN|FOO' | sort", { passEnv: ["B_TOKEN"] });
  const env = { PATH: "/usr/bin:/bin", FOO: "a=b\nFOO2", A_TOKEN: "a", B_TOKEN: "b" };
  const { stdout } = await runOnce(action, { session: { env } });
  assert.deepEqual(stdout.bytes.toString().trim().split("\n"), [
    "B_TOKEN=b",
    "CLAUDE_PROJECT_DIR=/the/project",
    "FOO2",
    "FOO=a=b",
    ...own.slice(2, 3),
    own[0],
    own[1],
  ]);
});
