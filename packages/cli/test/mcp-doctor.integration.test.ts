/** `sallyport doctor` and the MCP servers of the configuration: nothing is started unless asked for, and nothing is left. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Place, processesWith } from "./sallyport.ts";
import type { McpReport } from "../src/mcp-doctor.ts";

const labServer = fileURLToPath(new URL("../../core/test/mcp/lab-server.ts", import.meta.url));

interface Lab {
  place: Place;
  /** Stands in the command line of every server. */
  mark: string;
  /** Where each start leaves a line. */
  starts: string;
}

function placeWith(servers: (lab: { mark: string; starts: string; base: string }) => string): Lab {
  const place = new Place();
  const mark = `--import=data:text/javascript,//${basename(place.base)}`;
  const starts = join(place.base, "starts");
  const text = servers({ mark, starts, base: place.base });
  writeFileSync(join(place.home, "config.toml"), text, { mode: 0o600 });
  return { place, mark, starts };
}

function labEntry(name: string, { mark, starts }: { mark: string; starts: string }, more = ""): string {
  const args = JSON.stringify(["--no-warnings", mark, labServer]);
  return `[mcp_servers.${name}]\ncommand = ${JSON.stringify(process.execPath)}\nargs = ${args}\nstartup_timeout_sec = 60\nenv = { LAB_STARTS = ${JSON.stringify(starts)} }\n${more}\n`;
}

function report(place: Place, ...words: string[]): { status: number | null; mcp: McpReport } {
  const { status, stdout } = place.call(["doctor", "--json", ...words]);
  return { status, mcp: (JSON.parse(stdout) as { mcp: McpReport }).mcp };
}

const dead = `[mcp_servers.dead]\ncommand = "/bin/sh"\nargs = ["-c", "echo no licence >&2; exit 3"]\n`;
const remote = `[mcp_servers.remote]\nurl = "http://user:word@127.0.0.1:9/mcp?key=secret"\nenabled = true\n`;
const off = `[mcp_servers.off]\ncommand = "off"\nenabled = false\n`;

test("doctor names the MCP servers and starts none", () => {
  const { place, starts } = placeWith((lab) => labEntry("lab", lab) + dead + remote + off);
  const { mcp } = report(place);
  const untried = { state: "configured", tools: null, messages: [] };
  assert.deepEqual(
    mcp.servers.map(({ start, ...row }) => ({ ...row, start: row.name === "lab" ? null : start })),
    [
      { name: "dead", transport: "stdio", start: "/bin/sh -c echo no licence >&2; exit 3", ...untried },
      { name: "lab", transport: "stdio", start: null, ...untried },
      { name: "off", transport: null, start: null, ...untried, state: "disabled" },
      { name: "remote", transport: "http", start: "http://127.0.0.1:9/mcp", ...untried },
    ],
  );
  assert.deepEqual([mcp.problems, existsSync(starts)], [[], false]);
  const plain = place.call(["doctor"]).stdout;
  assert.match(plain, /\nMCP servers:\nconfigured {2}dead: \/bin\/sh /);
  assert.match(plain, /\nMCP servers were not started; sallyport doctor --prove starts each/);
});

test("doctor --prove starts each, counts its tools, and leaves nothing behind", () => {
  const { place, mark, starts } = placeWith(
    (lab) =>
      labEntry("lab", lab, 'enabled_tools = ["echo", "write", "none"]') +
      labEntry("few", lab, 'enabled_tools = ["echo"]'),
  );
  const works = place.call(["doctor"]).status;
  const { status, mcp } = report(place, "--prove");
  assert.deepEqual(
    mcp.servers.map(({ name, state, tools, messages }) => ({ name, state, tools, messages })),
    [
      { name: "few", state: "answers", tools: 1, messages: [] },
      { name: "lab", state: "answers", tools: 2, messages: [] },
    ],
  );
  assert.equal(status, works);
  assert.equal(readFileSync(starts, "utf8").trim().split("\n").length, 2);
  assert.deepEqual(processesWith(mark), []);
});

test("doctor --prove says why a server does not answer, and exits with 1", () => {
  const { place } = placeWith(() => dead);
  const { status, mcp } = report(place, "--prove");
  assert.equal(status, 1);
  assert.equal(mcp.servers[0]?.state, "failed");
  assert.match(mcp.servers[0]?.messages[0] ?? "", /it exited with 3/);
});

test("doctor --prove gives up on a server that says nothing, after its own limit", () => {
  const hangs = `[mcp_servers.hangs]\ncommand = "/bin/sleep"\nargs = ["1000"]\nstartup_timeout_sec = 0.5\n`;
  const { place } = placeWith(() => hangs);
  const { status, mcp } = report(place, "--prove");
  assert.deepEqual([status, mcp.servers[0]?.messages], [1, ["it did not start within 0.5 s"]]);
});

test("doctor says what is wrong with an entry, and starts nothing", () => {
  const { place, starts } = placeWith((lab) => `${labEntry("lab", lab)}[mcp_servers.both]\ncommand = "a"\nurl = "b"\n`);
  const { status, mcp } = report(place, "--prove");
  assert.deepEqual([status, mcp.servers, existsSync(starts)], [1, [], false]);
  assert.match(mcp.problems.join("\n"), /mcp_servers\.both.*either "command" or "url"/);
});

test("doctor starts no servers of a home that others may write", () => {
  const { place, starts } = placeWith((lab) => labEntry("lab", lab));
  assert.equal(report(place).mcp.servers.length, 1);
  chmodSync(place.home, 0o777);
  const { status, mcp } = report(place, "--prove");
  assert.deepEqual([status, mcp, existsSync(starts)], [1, { servers: [], problems: [] }, false]);
});
