/** `sallyport exec` with an MCP server of the configuration: the events that @openai/codex-sdk reads, and nothing left when it ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Place, eventually, executable, processesWith, waitForEnd, waitForOutput } from "./sallyport.ts";

/** As `JSON.parse()` gives it: each test knows the shape that it asked for. */
type Parsed = ReturnType<typeof JSON.parse>;

const labServer = fileURLToPath(new URL("../../core/test/mcp/lab-server.ts", import.meta.url));

function placeWithServer(): { place: Place; mark: string } {
  const place = new Place();
  // Found again in the list of processes; loads nothing.
  const mark = `--import=data:text/javascript,//${basename(place.base)}`;
  const args = JSON.stringify(["--no-warnings", mark, labServer]);
  const config = `[mcp_servers.lab]\ncommand = ${JSON.stringify(process.execPath)}\nargs = ${args}\nstartup_timeout_sec = 30\n`;
  writeFileSync(join(place.home, "config.toml"), config, { mode: 0o600 });
  return { place, mark };
}

function script(place: Place, answers: readonly object[]): string {
  const file = join(place.base, "answers.jsonl");
  writeFileSync(file, answers.map((answer) => JSON.stringify(answer)).join("\n"));
  return `scripted:${file}`;
}

const call = (tool: string, args: object): object => ({ tool_calls: [{ name: `mcp__lab__${tool}`, arguments: args }] });

test("exec --json tells calls of MCP tools; one that wants approval fails, because nobody is there to ask", async () => {
  const { place, mark } = placeWithServer();
  const model = script(place, [call("echo", { t: "hi" }), call("write", { t: "x" }), { text: "done" }]);
  const { status, stdout, stderr } = place.call(["exec", "--json", "--model", model, "go"]);
  assert.equal(status, 0, stderr);
  const items: Parsed[] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ item }) => item?.type === "mcp_tool_call");
  const echo = {
    id: "item_0",
    type: "mcp_tool_call",
    server: "lab",
    tool: "echo",
    arguments: { t: "hi" },
    error: null,
  };
  const write = { ...echo, id: "item_1", tool: "write", arguments: { t: "x" }, result: null };
  const error = { message: "it needs approval: nobody is there to ask" };
  assert.deepEqual(items, [
    { type: "item.started", item: { ...echo, result: null, status: "in_progress" } },
    {
      type: "item.completed",
      item: {
        ...echo,
        result: { content: [{ type: "text", text: "hi" }], structured_content: null },
        status: "completed",
      },
    },
    { type: "item.started", item: { ...write, status: "in_progress" } },
    { type: "item.completed", item: { ...write, error, status: "failed" } },
  ]);
  assert.ok(await eventually(() => processesWith(mark).length === 0), "the server has ended");
});

test("exec ends its servers when it is killed", async () => {
  const { place, mark } = placeWithServer();
  const model = script(place, [call("slow", {}), { text: "done" }]);
  const child = spawn(executable, ["exec", "--json", "--model", model, "go"], { cwd: place.project, env: place.env });
  child.stdin.end();
  const ended = waitForEnd(child);
  await waitForOutput(child, "in_progress");
  assert.ok(processesWith(mark).length > 0, "the server runs");
  child.kill("SIGKILL");
  await ended;
  assert.ok(await eventually(() => processesWith(mark).length === 0), "the server has ended");
});
