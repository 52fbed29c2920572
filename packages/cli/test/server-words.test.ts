import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readServerWords } from "../src/turns/server-words.ts";
import { Place } from "./sallyport.ts";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

test("readServerWords() reads the usual ways to start the server", () => {
  const cases: [words: string[], flags: ReturnType<typeof readServerWords>][] = [
    [["app-server"], {}],
    [["app-server", "--stdio"], {}],
    [["app-server", "--listen", "unix://"], { listen: ["unix://"] }],
    [["app-server", "--no-auth", "--listen=ws://[::1]:0"], { auth: false, listen: ["ws://[::1]:0"] }],
    [["app-server", "--listen", "stdio://", "--listen", "unix:///a b"], { listen: ["stdio://", "unix:///a b"] }],
  ];
  for (const [words, flags] of cases) assert.deepEqual(readServerWords(words), flags, words.join(" "));
});

test("readServerWords() leaves everything else to the whole command line", () => {
  const others = [
    [],
    ["exec"],
    ["app-server", "--help"],
    ["app-server", "generate-ts", "--out", "x"],
    ["app-server", "--listen"],
    ["app-server", "--listen", ""],
    ["app-server", "--listen", "--no-auth"],
    ["app-server", "--listen="],
    ["app-server", "--listen", "unix://", "--ws-auth", "capability-token"],
    ["app-server", "--", "--listen", "unix://"],
  ];
  for (const words of others) assert.equal(readServerWords(words), null, words.join(" "));
});

/** Packages of which something has been loaded when the server listens. */
async function loadedFor(words: string[]): Promise<Set<string>> {
  const place = new Place();
  const tell = `import { registerHooks } from "node:module";
    registerHooks({ load: (url, context, next) => (process.stderr.write("loaded " + url + "\\n"), next(url, context)) });`;
  const child = spawn(process.execPath, [`--import=data:text/javascript,${encodeURIComponent(tell)}`, main, ...words], {
    cwd: place.project,
    env: place.env,
  });
  after(() => child.kill("SIGKILL"));
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    if (text.includes("listening on")) child.kill("SIGTERM");
  });
  await once(child, "close");
  const [before = "", behind] = text.split("sallyport: listening on");
  assert.notEqual(behind, undefined, text);
  const names = before.matchAll(/^loaded .*\/(?:packages|node_modules)\/([\w-]+)\//gm);
  return new Set([...names].map(([, name]) => name ?? ""));
}

test("a server on a socket loads little before it listens", async () => {
  const socket = `unix://${join(new Place().base, "s")}`;
  const parts = ["app-server", "cli", "shell-escalation", "supervisor"];
  assert.deepEqual([...(await loadedFor(["app-server", "--listen", socket]))].toSorted(), parts);
  // The negative control: what the whole command line takes.
  const all = await loadedFor(["app-server", "--listen", socket, "--ws-max-clock-skew-seconds", "1"]);
  assert.deepEqual([all.has("commander"), all.has("exec-policy")], [true, true]);
});
