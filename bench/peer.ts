/** Drives the peer's MCP server, where it is installed, over its stdin and stdout: one JSON message a line. It runs without its
 *  sandbox, which is a program of its own that its package does not have, so this is the cost of its interception alone. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const vendorFolder = "node_modules/@openai/codex-shell-tool-mcp/vendor/x86_64-unknown-linux-musl";
const commandTimeoutMs = 120_000;

interface Answer {
  id?: number;
  result?: { content?: { text: string }[] };
  error?: { message: string };
}

export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #sent = 0;

  /** Null where it is not installed in `folder`. */
  static async start(folder: string, cwd: string): Promise<Peer | null> {
    const vendor = join(folder, vendorFolder);
    const server = join(vendor, "codex-exec-mcp-server");
    if (!existsSync(server)) return null;
    const words = ["--execve", join(vendor, "codex-execve-wrapper"), "--bash", join(vendor, "bash/debian-12/bash")];
    const peer = new Peer(spawn(server, words, { cwd, env: { ...process.env, HOME: cwd } }));
    const clientInfo = { name: "bench", version: "1" };
    await peer.#ask("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
    peer.#send({ method: "notifications/initialized" });
    const sandboxPolicy = { type: "danger-full-access" };
    await peer.#ask("codex/sandbox-state/update", { sandboxPolicy, codexLinuxSandboxExe: null, sandboxCwd: cwd });
    return peer;
  }

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stderr.resume();
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer; // the peer's word, used for nothing but figures
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
    child.once("exit", () => this.#waiting.forEach((answer) => answer({ error: { message: "the peer ended" } })));
  }

  /** What the script printed. */
  async run(command: string, workdir: string): Promise<string> {
    const args = { command, workdir, timeout_ms: commandTimeoutMs, login: false };
    const { content } = await this.#ask("tools/call", { name: "shell", arguments: args });
    const result = JSON.parse(content?.[0]?.text ?? "{}") as { exit_code?: number; output?: string };
    if (result.exit_code !== 0) throw new Error(`the peer's command ended with ${result.exit_code}: ${result.output}`);
    return result.output ?? "";
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask(method: string, params: object): Promise<NonNullable<Answer["result"]>> {
    this.#sent += 1;
    const id = this.#sent;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    this.#send({ id, method, params });
    const { result, error } = await promise;
    this.#waiting.delete(id);
    if (result === undefined) throw new Error(`the peer refused ${method}: ${error?.message}`);
    return result;
  }

  #send(message: object): void {
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }
}
