/** Code inside that speaks the protocol as no wrapper would. It may lose its own sessions; an honest wrapper gets its answer all the
 *  same, soon, and the broker keeps nothing of it. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "@sallyport/supervisor";
import { decisionFor, endsOf, runWrapped } from "./wrapped-command.ts";

const hostile = join(import.meta.dirname, "../fixtures/hostile-wrapper.py");

/** The broker that this process has started. */
function brokerPid(): string {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
  return children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sallyport-brokr") ?? "none";
}

/** Until the broker has seen that everything is closed. */
const askOften = "for i in 1 2 3 4 5 6 7 8 9; do $W /bin/true true; done";

const cases = {
  wrong_lengths: "lengths that are too large, and more than one message",
  cut_short: "messages that are cut short",
  no_request: "messages that ask for nothing",
  no_stream: "descriptors of everything but a stream",
  many_sessions: "10,000 sessions of one process",
  many_processes: "2,400 silent sessions of 300 processes",
  silent: "silence from the start",
  never_read: "an answer that nobody reads",
  own_copy_of_the_stream: "a copy of the broker's end, shut",
  no_descriptors: "silence after Escalate",
  forged_descriptors: "numbers that are not those of the descriptors",
  too_many_descriptors: "25,000 descriptors, and some where none are expected",
  descriptors_of_full: "/dev/full for a program outside",
  forged_signals: "signals that there are none of",
  lies_about_itself: "another working folder",
  large_messages: "large messages that never end",
};

describe("harms only itself", () => {
  for (const [name, title] of Object.entries(cases)) {
    test(title, async () => {
      let before = 0;
      let after = 0;
      const { stdout, stderr, records } = await runWrapped({
        script: "",
        argv: ["/bin/sh", "-c", `/usr/bin/python3 ${hostile} ${name}; r=$?; ${askOften}; exit $r`],
        decide: (event) => {
          const program = basename(textToDisplay(event.file));
          const descriptors = readdirSync(`/proc/${brokerPid()}/fd`).length;
          if (program === "sh") before = descriptors;
          if (program === "true") after = descriptors;
          return decisionFor(event, program === "cat" ? "escalate" : "run");
        },
      });
      assert.deepEqual([stdout, stderr], ["fine\n", ""]);
      assert.deepEqual(endsOf(records, "echo").at(-1), ["run", 0, null]);
      // The shell, the folder of its descriptors, and what belongs to processes that still run.
      assert.ok(after <= before + 4, `${before} descriptors before, ${after} after`);
    });
  }
});

test("a hostile program that shuts the shared socket: nothing runs without an answer", async () => {
  const script = `import os, socket, subprocess
s = socket.socket(fileno=os.dup(int(os.environ["CODEX_ESCALATE_SOCKET"])))
s.shutdown(socket.SHUT_RDWR)
print(subprocess.run([os.environ["EXEC_WRAPPER"], "/bin/echo", "echo", "ran"], close_fds=False).returncode)`;
  const { stdout, stderr } = await runWrapped({ script: "", argv: ["/usr/bin/python3", "-c", script] });
  assert.equal(stdout, "125\n");
  assert.match(stderr, /^codex-execve-wrapper: reaching the server: .*; the program was not run\n$/);
});
