/** One MCP server: started, asked for its tools, called, ended. Whatever it does is its own problem: it fails, and says why.
 *
 *      starting -> ready -> ended (it died) -> starting ...
 *         |                                        before the next request to the model
 *         +-> failed */
import { resolve } from "node:path";
import type * as McpClient from "@modelcontextprotocol/sdk/client/index.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type * as McpTypes from "@modelcontextprotocol/sdk/types.js";
import { findProgram } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import { boundedFetch } from "./bounded-fetch.ts";
import { absoluteFolders, serverEnvironment } from "./server-environment.ts";
import type { McpServerSettings } from "./server-settings.ts";
import { StdioServerTransport } from "./stdio-transport.ts";
import type { RawToolResult } from "./tool-result.ts";
import { abortable } from "../abortable.ts";

/** The attack: a server with a million tools, or one whose list of tools has no last page. */
const mostTools = 512;
const mostPages = 64;
const longestDescription = 4096;
const longestSchema = 64 * 1024;
const longestToolName = 256;
const mostRestarts = 5;

export interface McpToolInfo {
  name: string;
  description: string;
  inputSchema: Record<string, unknown>;
  annotations: McpTypes.ToolAnnotations | null;
}

export type McpServerState =
  | { kind: "starting" }
  | { kind: "ready" }
  /** `needsLogin`: it asks for credentials that are not configured. */
  | { kind: "failed"; error: string; needsLogin: boolean };

export interface McpServerOptions {
  settings: McpServerSettings;
  env: NodeJS.ProcessEnv;
  /** Where a server on stdio is started that has no `cwd`. */
  cwd: string;
  version: string;
}

interface Sdk {
  client: typeof McpClient;
  types: typeof McpTypes;
}

/** Loaded with the first server: whoever has none configured does not wait for it. */
let sdk: Promise<Sdk> | null = null;

function loadSdk(): Promise<Sdk> {
  sdk ??= Promise.all([
    import("@modelcontextprotocol/sdk/client/index.js"),
    import("@modelcontextprotocol/sdk/types.js"),
  ]).then(([client, types]) => ({ client, types }));
  return sdk;
}

export class McpServer {
  readonly settings: McpServerSettings;
  readonly #options: McpServerOptions;
  readonly #closing = new AbortController();
  state: McpServerState = { kind: "starting" };
  tools: McpToolInfo[] = [];
  /** Tools that are not offered, and why; one sentence each. */
  warnings: string[] = [];
  #connection: { client: McpClient.Client; transport: Transport } | null = null;
  #started: Promise<void>;
  #toolsChanged = false;
  #restarts = 0;

  constructor(options: McpServerOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.#started = this.#start();
  }

  get serverInfo(): McpTypes.Implementation | null {
    return this.#connection?.client.getServerVersion() ?? null;
  }

  get capabilities(): McpTypes.ServerCapabilities | null {
    return this.#connection?.client.getServerCapabilities() ?? null;
  }

  /** Resolves when it is known whether the server is there; never rejects. */
  started(): Promise<void> {
    return this.#started;
  }

  /** A server that was there and has died is started again, a few times: whether it was. */
  revive(): boolean {
    const died = this.state.kind === "failed" && this.#connection !== null && !this.#closing.signal.aborted;
    if (!died || this.#restarts >= mostRestarts) return false;
    this.#restarts += 1;
    this.state = { kind: "starting" };
    this.#connection = null;
    this.#started = this.#start();
    return true;
  }

  /** The tools as they are now. A server that says that they have changed is asked again, and only here: it may say so as often as it
   *  likes. One that does not answer keeps its old ones. */
  async currentTools(signal: AbortSignal): Promise<readonly McpToolInfo[]> {
    await abortable(this.#started, signal);
    if (this.state.kind !== "ready") return [];
    if (!this.#toolsChanged || this.#connection === null) return this.tools;
    this.#toolsChanged = false;
    try {
      await this.#readTools(this.#connection.client, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.warnings = [`its tools have changed, and it did not tell them: ${messageOf(error)}`];
    }
    return this.tools;
  }

  /** Rejects with `MCP_SERVER_UNAVAILABLE`, and with what the server or the SDK says. */
  async call(
    tool: string,
    args: Record<string, unknown>,
    { threadId, signal }: { threadId: string; signal: AbortSignal },
  ): Promise<RawToolResult> {
    await abortable(this.#started, signal);
    if (this.state.kind !== "ready" || this.#connection === null) throw this.unavailable();
    const { types } = await loadSdk();
    const params = { name: tool, arguments: args, _meta: { threadId } };
    const options = { signal, timeout: this.settings.toolTimeoutMs };
    // Not `callTool()`, which checks results against schemas of the server's making.
    const result = await this.#connection.client.request(
      { method: "tools/call", params },
      types.CompatibilityCallToolResultSchema,
      options,
    );
    return "toolResult" in result ? { structuredContent: result["toolResult"] } : result;
  }

  unavailable(): SallyportError {
    const { name } = this.settings;
    const why = this.state.kind === "failed" ? this.state.error : "it has not started";
    return new SallyportError("MCP_SERVER_UNAVAILABLE", `MCP server "${name}" is not available: ${why}`, {
      data: { server: name },
    });
  }

  /** Resolves when no process of it is left. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#started;
    await this.#connection?.transport.close().catch(() => {}); // it is gone either way
  }

  async #start(): Promise<void> {
    let transport: Transport | null = null;
    try {
      const { client: clientModule, types } = await loadSdk();
      transport = await this.#makeTransport(types);
      const name = { name: "sallyport", version: this.#options.version };
      const client = new clientModule.Client(name, { capabilities: {} });
      this.#connection = { client, transport };
      Object.assign(client, { onclose: () => this.#died(transport) }); // the SDK has no events
      client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => {
        this.#toolsChanged = true;
      });
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.settings.startupTimeoutMs)]);
      await abortable(this.#handshake(client, transport, signal), signal);
      if (this.state.kind === "starting") this.state = { kind: "ready" };
    } catch (error) {
      this.#connection = null; // not one that was there and died
      this.state = { kind: "failed", error: this.#describe(error, transport), needsLogin: isUnauthorized(error) };
      await transport?.close().catch(() => {});
    }
  }

  async #handshake(client: McpClient.Client, transport: Transport, signal: AbortSignal): Promise<void> {
    // The SDK's types leave out that what is optional may be undefined.
    await client.connect(transport, { signal, timeout: this.settings.startupTimeoutMs });
    if (client.getServerCapabilities()?.tools !== undefined) await this.#readTools(client, signal);
  }

  async #makeTransport(types: typeof McpTypes): Promise<Transport> {
    const { place } = this.settings;
    const { env } = this.#options;
    if (place.kind === "http") return await httpTransport(place, env);
    const own = serverEnvironment(env, place);
    const cwd = resolve(this.#options.cwd, place.cwd ?? ".");
    const argv = [place.command, ...place.args];
    const program = findProgram(place.command, argv, absoluteFolders(own["PATH"]), cwd);
    return new StdioServerTransport({
      file: program.file,
      argv: program.argv.map(String),
      env: own,
      cwd,
      parse: (value) => {
        const parsed = types.JSONRPCMessageSchema.safeParse(value);
        return parsed.success ? parsed.data : null;
      },
    });
  }

  async #readTools(client: McpClient.Client, signal: AbortSignal): Promise<void> {
    const { types } = await loadSdk();
    const found = new Map<string, McpToolInfo>();
    const warnings: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < mostPages && found.size < mostTools; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const options = { signal, timeout: this.settings.startupTimeoutMs };
      // Not `listTools()`, which compiles the schemas that the server sends.
      const list = await client.request({ method: "tools/list", params }, types.ListToolsResultSchema, options);
      for (const tool of list.tools) {
        const objection = objectionTo(tool);
        if (objection !== null)
          warnings.push(`tool ${JSON.stringify(tool.name.slice(0, 100))} is not offered: ${objection}`);
        else if (this.#isEnabled(tool.name) && found.size < mostTools) found.set(tool.name, toolInfo(tool));
      }
      cursor = list.nextCursor;
      if (cursor === undefined) break;
    }
    if (cursor !== undefined) warnings.push(`it has more tools than the ${found.size} that are offered`);
    this.tools = [...found.values()];
    this.warnings = warnings;
  }

  #isEnabled(tool: string): boolean {
    const { enabledTools, disabledTools } = this.settings;
    return (enabledTools?.includes(tool) ?? true) && !disabledTools.includes(tool);
  }

  #died(transport: Transport | null): void {
    if (this.#connection?.transport !== transport || this.state.kind === "failed") return;
    this.state = { kind: "failed", error: this.#describe(null, transport), needsLogin: false };
  }

  #describe(error: unknown, transport: Transport | null): string {
    if (this.#closing.signal.aborted) return "it was ended";
    const seconds = this.settings.startupTimeoutMs / 1000;
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const ending = transport instanceof StdioServerTransport ? transport.ending : null;
    const what = late
      ? `it did not start within ${seconds} s`
      : (ending ?? (error === null ? "the connection broke" : messageOf(error)));
    const stderr = transport instanceof StdioServerTransport ? transport.stderr : "";
    return stderr === "" ? what : `${what}; its stderr ends: ${stderr.slice(-500)}`;
  }
}

async function httpTransport(
  place: Extract<McpServerSettings["place"], { kind: "http" }>,
  env: NodeJS.ProcessEnv,
): Promise<Transport> {
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const headers: Record<string, string> = { ...place.headers };
  for (const [name, variable] of Object.entries(place.envHeaders)) headers[name] = required(env, variable);
  if (place.tokenVar !== null) headers["Authorization"] = `Bearer ${required(env, place.tokenVar)}`;
  // Redirects stay within the origin: a key goes to no address that it was not meant for.
  return new StreamableHTTPClientTransport(new URL(place.url), {
    requestInit: { headers },
    fetch: boundedFetch,
    redirectPolicy: "same-origin",
  });
}

function required(env: NodeJS.ProcessEnv, variable: string): string {
  const value = env[variable];
  if (value !== undefined && value !== "") return value;
  throw new Error(`the environment has no "${variable}", which the configuration takes a credential from`);
}

function objectionTo(tool: McpTypes.Tool): string | null {
  if (tool.name === "" || tool.name.length > longestToolName) return `its name has ${tool.name.length} characters`;
  const length = JSON.stringify(tool.inputSchema).length;
  return length > longestSchema ? `its schema has ${length} characters, expected at most ${longestSchema}` : null;
}

function toolInfo(tool: McpTypes.Tool): McpToolInfo {
  // Providers refuse a whole request for a schema that is not an object's.
  const inputSchema = { properties: {}, ...tool.inputSchema, type: "object" };
  const description = (tool.description ?? "").slice(0, longestDescription);
  return { name: tool.name, description, inputSchema, annotations: tool.annotations ?? null };
}

function isUnauthorized(error: unknown): boolean {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : null;
  return code === 401 || (error instanceof Error && error.name === "UnauthorizedError");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
