/** A policy of one method decides, through either interceptor. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "@sallyport/supervisor";
import { EscalateServer, runShell } from "../../src/index.ts";
import type { EscalationDecision, EscalationPolicy, EscalationRequest, RunShellOptions } from "../../src/index.ts";
import { askWrapper, workFolder } from "./wrapped-command.ts";

function place(): { cwd: string; home: string } {
  const base = mkdtempSync(join(workFolder, "shell-"));
  mkdirSync(join(base, "project"));
  return { cwd: join(base, "project"), home: join(base, "home") };
}

const env = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", `W=${askWrapper}`];

function policyOf(decide: EscalationPolicy["decide"]): EscalationPolicy {
  return { decide };
}

const byName =
  (answers: Record<string, EscalationDecision>): EscalationPolicy["decide"] =>
  ({ file }) =>
    answers[basename(textToDisplay(file))] ?? { kind: "run" };

for (const interceptor of ["kernel", "bash"] as const) {
  describe(`through ${interceptor === "bash" ? "wrappers" : "the kernel"}`, () => {
    // Without a patched shell at hand, each program asks for itself, below a shell that does not.
    const prefix =
      interceptor === "bash"
        ? (file: string): string => `$W ${file} ${basename(file)}`
        : (file: string): string => file;
    const options = (changes: Partial<RunShellOptions>): RunShellOptions => ({
      ...place(),
      env,
      interceptor,
      ...(interceptor === "bash" ? { shell: askWrapper } : {}),
      script: "",
      policy: policyOf(() => ({ kind: "run" })),
      ...changes,
    });
    const script = (text: string): Partial<RunShellOptions> => ({ script: text });

    test("runs, escalates and denies; the result has it all", async () => {
      const requests: EscalationRequest[] = [];
      const policy = policyOf((request) => {
        requests.push(request);
        return byName({
          id: { kind: "deny", reason: "no id" },
          uname: { kind: "escalate", env: ["A=b"], reason: "needed" },
        })(request, AbortSignal.abort());
      });
      const server = new EscalateServer({ ...options({ policy }) });
      const stdout: Buffer[] = [];
      const { cwd } = place();
      const text = `${prefix("/usr/bin/id")}; ${prefix("/bin/uname")}; exit 3`;
      const session = server.start({
        argv: ["/bin/sh", "-c", text],
        cwd,
        env,
        stdio: ["ignore", "pipe", "ignore"],
        onStreams: (streams) => streams.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk)),
      });
      const { exitStatus, execs, interceptor: used } = await session.finished;
      assert.deepEqual([exitStatus, execs, used], [3, { run: 1, escalate: 1, deny: 1 }, interceptor]);
      assert.equal(Buffer.concat(stdout).toString(), "Linux\n");
      assert.deepEqual(
        requests.slice(1).map(({ file, argv, cwd: folder }) => [basename(textToDisplay(file)), argv.length, folder]),
        [
          ["id", 1, cwd],
          ["uname", 1, cwd],
        ],
      );
      assert.ok(requests.at(-1)?.env.includes("LC_ALL=C"));
      await server.close();
    });

    test("denies when the policy throws, rejects, answers nonsense or too late", async () => {
      const policies: Record<string, EscalationPolicy["decide"]> = {
        "the decision failed: broken": () => {
          throw new Error("broken");
        },
        "the decision failed: later": () => Promise.reject(new Error("later")),
        "the policy's answer was not understood, expected run, escalate or deny": () => ({ kind: "maybe" }) as never,
        "no decision within 0.05 s": () => new Promise(() => undefined),
      };
      for (const [reason, decide] of Object.entries(policies)) {
        const sorted: EscalationPolicy["decide"] = (request, signal) =>
          textToDisplay(request.file).endsWith("/uname") ? decide(request, signal) : { kind: "run" };
        const server = new EscalateServer(options({ policy: policyOf(sorted), decisionTimeoutMs: 50 }));
        const records: string[] = [];
        const session = server.start({
          argv: ["/bin/sh", "-c", prefix("/bin/uname")],
          cwd: place().cwd,
          env,
          stdio: ["ignore", "ignore", "ignore"],
          onRecord: (record) => records.push(`${record.decision} ${record.reason.text}`),
        });
        assert.equal((await session.finished).exitStatus, 1);
        assert.ok(records.includes(`deny ${reason}`), JSON.stringify(records));
      }
    });

    test("the signal aborts when the program is killed while it waits", async () => {
      const aborted = Promise.withResolvers<string>();
      const waiting = Promise.withResolvers<void>();
      const policy = policyOf((request, signal) => {
        if (!textToDisplay(request.file).endsWith("/uname")) return { kind: "run" };
        signal.addEventListener("abort", () => aborted.resolve("aborted"), { once: true });
        waiting.resolve();
        return new Promise(() => undefined);
      });
      const server = new EscalateServer(options({ policy }));
      const session = server.start({
        argv: ["/bin/sh", "-c", `${prefix("/bin/uname")}; echo not reached`],
        cwd: place().cwd,
        env,
        stdio: ["ignore", "ignore", "ignore"],
      });
      await waiting.promise;
      session.terminate();
      assert.equal(await aborted.promise, "aborted");
      assert.equal((await session.finished).exitStatus, 143);
    });

    test("runShell() collects what the script printed, up to the limit", async () => {
      if (interceptor === "bash") return; // its shell is the patched one, which other tests have
      const result = await runShell(options({ ...script("cat; echo oops >&2; exit 4"), input: "given" }));
      assert.deepEqual(
        [result.exitStatus, result.stdout.toString(), result.stderr.toString(), result.outputTruncated],
        [4, "given", "oops\n", false],
      );
      const cut = await runShell(options({ ...script("echo 0123456789"), maxOutputBytes: 4 }));
      assert.deepEqual([cut.stdout.toString(), cut.outputTruncated], ["0123", true]);
      const ended = await runShell(options({ ...script("exec sleep 61"), signal: AbortSignal.timeout(300) }));
      assert.equal(ended.exitStatus, 143);
    });
  });
}
