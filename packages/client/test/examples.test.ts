/** The examples are run as a reader would run them, against a real server. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectAppServer } from "@sallyport/client";
import { Place, executable } from "../../cli/test/sallyport.ts";

const examples = join(import.meta.dirname, "..", "examples");
const deadlineMs = 60_000;
const node = [process.execPath, "--conditions=sallyport-source"] as const;

function script(place: Place, answers: readonly object[]): string {
  const file = join(place.base, "answers.jsonl");
  writeFileSync(file, answers.map((answer) => JSON.stringify(answer)).join("\n"));
  return `scripted:${file}`;
}

test("run-a-turn.ts", () => {
  const place = new Place();
  const model = script(place, [
    { tool_calls: [{ name: "shell", arguments: { command: "echo hi" } }] },
    { text: "I said hi." },
  ]);
  const bin = join(place.base, "bin");
  mkdirSync(bin);
  symlinkSync(executable, join(bin, "sallyport"));
  const { stdout, stderr, status } = spawnSync(node[0], [node[1], join(examples, "run-a-turn.ts"), "greet", model], {
    cwd: place.project,
    env: { ...place.env, PATH: `${bin}:${process.env["PATH"]}` },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^\$ .*echo hi.*: completed, exit 0$/);
  assert.deepEqual(lines.slice(1), ["agent: I said hi.", "turn completed, 3 items, 0 hook runs"]);
});

test("answer-approvals.ts and watch-a-thread.ts", async () => {
  const place = new Place();
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  const rule = 'prefix_rule(["id"], decision = "prompt", justification = "who is it")';
  writeFileSync(join(place.home, "rules", "ask.rules"), `${rule}\n`, { mode: 0o600 });
  const model = script(place, [{ tool_calls: [{ name: "shell", arguments: { command: "id -u" } }] }, { text: "done" }]);
  const address = `unix://${join(place.base, "server.sock")}`;
  const server = new Running(executable, ["app-server", "--listen", address], place);
  await server.prints(address);
  await using owner = await connectAppServer(address, { clientInfo: { name: "owner", version: "1" } });
  const { thread } = await owner.request("thread/start", { model });
  const watching = new Running(node[0], [node[1], join(examples, "watch-a-thread.ts"), address, thread.id], place);
  await watching.prints(`following ${thread.id}, 0 turns`);
  const answering = new Running(
    node[0],
    [node[1], join(examples, "answer-approvals.ts"), address, thread.id, realpathSync("/usr/bin/id")],
    place,
  );
  await answering.prints(`following ${thread.id}`);
  await owner.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await answering.prints(`accept ${realpathSync("/usr/bin/id")} -u: `);
  assert.equal(await answering.ended, 0);
  await watching.prints(": completed, 3 items, 0 hook runs");
  await owner.close();
});

/** A program at work, ended after the test. */
class Running {
  readonly ended: Promise<number | null>;
  readonly #said: string[] = [];
  readonly #wakes = new Set<() => void>();

  constructor(command: string, args: readonly string[], place: Place) {
    const child = spawn(command, args, { cwd: place.project, env: place.env });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#said.push(chunk.toString());
        for (const wake of this.#wakes) wake();
      });
    }
    this.ended = new Promise((resolve) => child.once("close", resolve));
    after(() => child.kill());
  }

  async prints(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wake = (): void => {
      if (this.#said.join("").includes(text)) resolve();
    };
    this.#wakes.add(wake);
    const timer = setTimeout(() => {
      reject(new Error(`${JSON.stringify(text)} was not printed, but ${JSON.stringify(this.#said.join(""))}`));
    }, deadlineMs);
    wake();
    await promise;
    clearTimeout(timer);
    this.#wakes.delete(wake);
  }
}
