/** The doctor's look at the MCP servers of the configuration. Nothing is started unless it shall be proved: each is somebody's program,
 *  outside of the sandbox, or an address that words and keys are sent to. */
import { basename } from "node:path";
import { disabledMcpServers, McpServer, readMcpServers } from "@sallyport/core";
import type { McpServerSettings } from "@sallyport/core";
import { formatConfigWarning, loadConfigLayers, mergedConfig } from "@sallyport/hooks";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { isSallyportError } from "@sallyport/supervisor";
import { displayText, wrapToWidth } from "./display-text.ts";
import { paint } from "./terminal.ts";
import type { Look, Style } from "./terminal.ts";
import { readVersion } from "./read-version.ts";

interface McpServerRow {
  name: string;
  /** `configured`: it was not tried. */
  state: "configured" | "disabled" | "answers" | "failed";
  /** Null for one that is disabled, which is not read further. */
  transport: "stdio" | "http" | null;
  /** The program with its arguments; the address without what may be a secret. */
  start: string | null;
  /** How many it offers; null where that is not known. */
  tools: number | null;
  /** Why it failed, or what it can't do. */
  messages: string[];
}

export interface McpReport {
  servers: McpServerRow[];
  /** Why the configuration's servers can't be used. */
  problems: string[];
}

/** Servers as a thread in the current folder would have them. `prove`: each is started, asked for its tools within its own limit, and ended. */
export async function examineMcpServers({ prove }: { prove: boolean }): Promise<McpReport> {
  try {
    const home = locateHome(process.env["SALLYPORT_HOME"]);
    // The attack: where others may write the home, they would choose the programs. The home's own line tells of it.
    if (!checkHome(home)) return { servers: [], problems: [] };
    return await examine(home, prove);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { servers: [], problems: error.code === "HOME_REFUSED" ? [] : [error.message] };
  }
}

async function examine(home: string, prove: boolean): Promise<McpReport> {
  const layers = loadConfigLayers({ home, cwd: process.cwd() });
  const problems = [
    ...layers.errors
      .filter(({ path }) => basename(path).endsWith("config.toml"))
      .map(({ path, message }) => `${path}: ${message}`),
    ...layers.warnings.filter(({ message }) => message.includes("mcp_servers")).map(formatConfigWarning),
  ];
  const config = mergedConfig(layers);
  const enabled = readMcpServers(config);
  const rows = prove
    ? await Promise.all(enabled.map(proved))
    : enabled.map((settings) => rowOf(settings, "configured"));
  const disabled = disabledMcpServers(config).map(disabledRow);
  const servers = [...rows, ...disabled].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { servers, problems };
}

async function proved(settings: McpServerSettings): Promise<McpServerRow> {
  const server = new McpServer({ settings, env: process.env, cwd: process.cwd(), version: readVersion() });
  try {
    await server.started();
    const { state, tools, warnings } = server;
    if (state.kind === "failed") return { ...rowOf(settings, "failed"), messages: [state.error] };
    return { ...rowOf(settings, "answers"), tools: tools.length, messages: warnings };
  } finally {
    await server.close();
  }
}

function rowOf({ name, place }: McpServerSettings, state: McpServerRow["state"]): McpServerRow {
  const { kind: transport } = place;
  const start = place.kind === "stdio" ? [place.command, ...place.args].join(" ") : withoutSecrets(place.url);
  return { name, state, transport, start, tools: null, messages: [] };
}

function disabledRow(name: string): McpServerRow {
  return { name, state: "disabled", transport: null, start: null, tools: null, messages: [] };
}

/** Reports of the doctor are shown to others. */
function withoutSecrets(address: string): string {
  const { origin, pathname } = new URL(address);
  return `${origin}${pathname}`;
}

const colours: Record<McpServerRow["state"], Style> = {
  answers: "green",
  configured: "dim",
  disabled: "dim",
  failed: "red",
};
const stateWidth = 12;

export function formatMcpReport({ servers, problems }: McpReport, look: Look): string[] {
  if (servers.length === 0 && problems.length === 0) return [];
  const lines = servers.flatMap((server) => formatServer(server, look));
  const hint = servers.some(({ state }) => state === "configured")
    ? ["MCP servers were not started; sallyport doctor --prove starts each and asks it for its tools"]
    : [];
  return [
    "MCP servers:",
    ...lines,
    ...problems.flatMap((problem) => wrapToWidth(displayText(problem), look.columns)),
    ...hint.flatMap((text) => wrapToWidth(text, look.columns)),
  ];
}

function formatServer({ name, state, start, tools, messages }: McpServerRow, look: Look): string[] {
  const lead = `${paint(state, colours[state], look)}${" ".repeat(stateWidth - state.length)}`;
  const count = tools === null ? "" : `, ${tools} ${tools === 1 ? "tool" : "tools"}`;
  const what = start === null ? name : `${name}${count}: ${start}`;
  const indent = " ".repeat(stateWidth);
  const room = look.columns - stateWidth;
  const [first = "", ...rest] = [what, ...messages].flatMap((text) => wrapToWidth(displayText(text), room));
  return [lead + first, ...rest.map((line) => indent + line)];
}
