/** `sallyport app-server --listen`: who is let in, and how it ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { Place, executable, waitForEnd } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

/** As `JSON.parse()` gives it: each test knows the shape that it asked for. */
type Parsed = ReturnType<typeof JSON.parse>;

const deadlineMs = 60_000;

function serve(place: Place, ...words: string[]): { child: ChildProcessWithoutNullStreams; ended: Promise<Ended> } {
  const child = spawn(executable, ["app-server", ...words], { cwd: place.project, env: place.env });
  after(() => child.kill("SIGKILL"));
  return { child, ended: waitForEnd(child) };
}

/** The lines of stderr, up to the first that holds `wanted`. */
async function stderrUpTo(child: ChildProcessWithoutNullStreams, wanted: string): Promise<string[]> {
  let text = "";
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${wanted} in ${text}`)), deadlineMs);
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split("\n").slice(0, -1);
      if (!lines.some((line) => line.includes(wanted))) return;
      clearTimeout(timer);
      resolve(lines);
    });
    child.once("close", () => reject(new Error(`ended: ${text}`)));
  });
}

class Client {
  readonly messages: Parsed[] = [];
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #wakes = new Set<() => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
    socket.addEventListener("message", ({ data }) => {
      this.messages.push(JSON.parse(String(data)));
      for (const wake of this.#wakes) wake();
    });
  }

  static async open(address: string, headers: Record<string, string>): Promise<Client> {
    const socket = new WebSocket(address, { headers });
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("turned away")));
    });
    return new Client(socket);
  }

  async call(method: string, params: object): Promise<Parsed> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await this.next((message) => message.id === id && message.method === undefined);
    assert.equal(error, undefined);
    return result;
  }

  async next(holds: (message: Parsed) => boolean): Promise<Parsed> {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing of the kind came")), deadlineMs);
      const wake = (): void => {
        const found = this.messages.find(holds);
        if (found === undefined) return;
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve(found);
      };
      this.#wakes.add(wake);
      wake();
    });
  }
}

test("app-server on ws lets in who has the home's token; SIGTERM interrupts turns and tells clients", async () => {
  const place = new Place();
  const ended = join(place.base, "session-ended");
  const hook = { type: "command", command: `touch ${ended}` };
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks: { SessionEnd: [{ hooks: [hook] }] } }), {
    mode: 0o600,
  });
  assert.equal(place.call(["hooks", "trust", "--all"]).status, 0);
  const answers = [{ tool_calls: [{ name: "shell", arguments: { command: "sleep 300" } }] }];
  const script = join(place.base, "answers.jsonl");
  writeFileSync(script, answers.map((answer) => JSON.stringify(answer)).join("\n"));

  const server = serve(place, "--listen", "ws://127.0.0.1:0");
  const lines = await stderrUpTo(server.child, "token");
  const address = /ws:\/\/127\.0\.0\.1:\d+/.exec(lines.join("\n"))?.[0] ?? "";
  const tokenFile = join(place.home, "app-server-token");
  assert.deepEqual(lines, [`sallyport: listening on ${address}`, `sallyport: clients need the token in ${tokenFile}`]);
  assert.equal(statSync(tokenFile).mode & 0o777, 0o600);
  await assert.rejects(Client.open(address, {}), /turned away/);
  const authorization = `Bearer ${readFileSync(tokenFile, "utf8").trim()}`;
  await assert.rejects(Client.open(address, { authorization, origin: "http://evil.example" }), /turned away/);

  const client = await Client.open(address, { authorization });
  await client.call("initialize", { clientInfo: { name: "t", version: "1" } });
  const { thread } = await client.call("thread/start", { model: `scripted:${script}`, approvalPolicy: "never" });
  await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await client.next(({ method, params }) => method === "item/started" && params.item.type === "commandExecution");
  assert.equal(existsSync(ended), false);
  server.child.kill("SIGTERM");
  const { params } = await client.next(({ method }) => method === "turn/completed");
  assert.equal(params.turn.status, "interrupted");
  assert.equal(await client.closed, 1001);
  assert.equal((await server.ended).status, 0);
  assert.equal(existsSync(ended), true);
});

test("app-server on a unix socket is its owner's alone, and the socket goes with the server", async () => {
  const place = new Place();
  const socket = join(place.base, "control", "s.sock");
  const server = serve(place, "--listen", `unix://${socket}`);
  assert.deepEqual(await stderrUpTo(server.child, "listening"), [`sallyport: listening on unix://${socket}`]);
  assert.deepEqual(
    [statSync(socket), statSync(join(place.base, "control"))].map(({ mode }) => mode & 0o777),
    [0o600, 0o700],
  );
  const status = await new Promise<string>((resolve) => {
    const raw = connect({ path: socket }, () => raw.write("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    raw.once("data", (chunk: Buffer) => {
      raw.destroy();
      resolve(chunk.toString().split("\r\n", 1)[0] ?? "");
    });
  });
  assert.equal(status, "HTTP/1.1 200 OK");
  const second = place.call(["app-server", "--listen", `unix://${socket}`]);
  assert.equal(second.status, 125);
  assert.match(second.stderr, /another server listens there/);
  server.child.kill("SIGINT");
  assert.equal((await server.ended).status, 0);
  assert.equal(existsSync(socket), false);
});

test("app-server refuses to be open to a network", () => {
  const place = new Place();
  const { status, stderr } = place.call(["app-server", "--listen", "ws://0.0.0.0:0", "--no-auth"]);
  assert.equal(status, 125);
  assert.match(stderr, /--no-auth needs an address of this machine alone/);
  assert.equal(existsSync(join(place.home, "app-server-token")), false);
});

test("the attack: others may write the home, and put a token or a socket there; then nothing is listened on", async () => {
  const place = new Place();
  chmodSync(place.home, 0o777);
  for (const url of ["ws://127.0.0.1:0", "unix://"]) {
    const { status, stderr } = place.call(["app-server", "--listen", url]);
    assert.equal(status, 125, url);
    assert.ok(stderr.includes(JSON.stringify(place.home)), stderr);
    assert.ok(!stderr.includes("listening"), stderr);
  }
});
