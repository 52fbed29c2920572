/** The MCP servers of a process. Threads of the same configuration share one server: a set for each thread is how a long session comes to
 *  hundreds of processes. A server that no thread uses any more is ended, with all that it has started. */
import { McpServer } from "./server-connection.ts";
import type { McpServerSettings } from "./server-settings.ts";

export interface McpPoolOptions {
  env: NodeJS.ProcessEnv;
  version: string;
}

export interface McpLease {
  readonly server: McpServer;
  /** Resolves when the server has ended, where this was its last user. */
  release(): Promise<void>;
}

interface Shared {
  server: McpServer;
  users: number;
}

export class McpPool {
  readonly #options: McpPoolOptions;
  readonly #shared = new Map<string, Shared>();
  /** A server of the same configuration that is still ending: it may hold a lock or a port that the next one wants. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: McpPoolOptions) {
    this.#options = options;
  }

  acquire(settings: McpServerSettings, cwd: string): McpLease {
    // Where a server on stdio starts is part of what it is; one on http is the same for every folder.
    const key = JSON.stringify([settings, settings.place.kind === "stdio" ? cwd : null]);
    const shared = this.#shared.get(key) ?? { server: new McpServer({ ...this.#options, settings, cwd }), users: 0 };
    this.#shared.set(key, shared);
    shared.users += 1;
    let released: Promise<void> | null = null;
    return { server: shared.server, release: () => (released ??= this.#release(key, shared)) };
  }

  async #release(key: string, shared: Shared): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(key);
    const ending = shared.server.close();
    this.#ending.add(ending);
    try {
      await ending;
    } finally {
      this.#ending.delete(ending);
    }
  }

  /** Resolves when everything that was released has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#ending);
  }
}
