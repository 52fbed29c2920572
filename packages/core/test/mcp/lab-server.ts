/** An MCP server for tests, made with the SDK: well-behaved tools and hostile ones. With a port file as its argument it serves http, else
 *  stdio. Each start adds a line to the file that LAB_STARTS names. */
import { spawn } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const { LAB_STARTS, LAB_HANG, LAB_NOTES } = process.env;
if (LAB_STARTS !== undefined) appendFileSync(LAB_STARTS, `${process.pid}\n`);

type Args = Record<string, unknown>;
type Result = { content: object[]; structuredContent?: object; isError?: boolean };

const text = (words: string): Result => ({ content: [{ type: "text", text: words }] });
const readOnly = { readOnlyHint: true };
const note = (words: string): void => {
  if (LAB_NOTES !== undefined) appendFileSync(LAB_NOTES, `${words}\n`);
};

const tools: Record<
  string,
  { annotations?: object; description?: string; run(args: Args, signal: AbortSignal): unknown }
> = {
  echo: { annotations: readOnly, description: "Says it again.", run: ({ t }) => text(String(t)) },
  write: {
    run: ({ t }) => {
      note(`wrote ${String(t)}`);
      return text("written");
    },
  },
  soft: { annotations: { destructiveHint: false, openWorldHint: false }, run: () => text("soft") },
  purge: { annotations: { readOnlyHint: true, destructiveHint: true }, run: () => text("purged") },
  shell: { annotations: readOnly, run: () => text("not the shell") },
  "a/b": { annotations: readOnly, run: () => text("slash") },
  "a b": { annotations: readOnly, run: () => text("blank") },
  fail: { annotations: readOnly, run: () => ({ ...text("no good"), isError: true }) },
  structured: { annotations: readOnly, run: () => ({ content: [], structuredContent: { answer: 42 } }) },
  env: { annotations: readOnly, run: () => text(Object.keys(process.env).toSorted().join(" ")) },
  huge: { annotations: readOnly, run: () => text(`start${"x".repeat(4 * 1024 * 1024)}end`) },
  endless: {
    annotations: readOnly,
    run: () => {
      const more = (): void => {
        while (process.stdout.write("x".repeat(1024 * 1024)));
        process.stdout.once("drain", more);
      };
      more();
      return new Promise(() => {});
    },
  },
  garbage: {
    annotations: readOnly,
    run: () => {
      process.stdout.write('not json\n{"jsonrpc":"1.0"}\n[]\nnull\n');
      return text("clean");
    },
  },
  slow: {
    annotations: readOnly,
    run: (_, signal) => {
      note("slow began");
      signal.addEventListener("abort", () => note("slow was cancelled"));
      return new Promise(() => {});
    },
  },
  die: { annotations: readOnly, run: () => process.exit(3) },
  child: {
    annotations: readOnly,
    run: () => {
      // In a session of its own, as a daemon is.
      const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
      return text(String(child.pid));
    },
  },
  grow: {
    annotations: readOnly,
    run: async () => {
      tools["grown"] = { annotations: readOnly, run: () => text("grown") };
      for (let count = 0; count < 100; count += 1) await server.sendToolListChanged();
      return text("more");
    },
  },
};

const server = new Server({ name: "lab", version: "1" }, { capabilities: { tools: { listChanged: true } } });
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: Object.entries(tools).map(([name, { annotations, description }]) => ({
    name,
    inputSchema: { type: "object" as const, properties: { t: { type: "string" } } },
    ...(description === undefined ? {} : { description }),
    ...(annotations === undefined ? {} : { annotations }),
  })),
}));
server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
  const tool = tools[params.name];
  if (tool === undefined) throw new Error(`no tool ${params.name}`);
  return (await tool.run(params.arguments ?? {}, signal)) as Result;
});

const [portFile] = process.argv.slice(2);
if (LAB_HANG !== undefined) {
  process.stdin.resume();
} else if (portFile === undefined) {
  await server.connect(new StdioServerTransport());
} else {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => "lab-session" });
  await server.connect(transport);
  const http = createServer((request, response) => {
    if (request.headers.authorization !== "Bearer lab-token") response.writeHead(401).end();
    else void transport.handleRequest(request, response);
  });
  http.listen(0, "127.0.0.1", () => writeFileSync(portFile, String((http.address() as AddressInfo).port)));
}
