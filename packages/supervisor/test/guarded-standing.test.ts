/** Verdicts that stand: which later exec runs without waiting, and which has to wait again because something that was looked at is
 *  another one. In every script "change" is executed where something is changed from outside, and is never answered itself. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { FrameReader, FrameWriter, frameKinds } from "../src/frames.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { endsByRequest, escalateAsItIs, runGuarded, surroundings } from "./support/guarded-command.ts";
import { launchBytes, startRawBroker } from "./support/raw-broker.ts";
import { makeMark, untilNoneHas } from "./support/running-processes.ts";

const exitWith = compileFixture("exit-with", { flags: ["-static"] });
const startProgram = compileFixture("start-program");

/** A folder with `tool` and `change` in it. */
function makePlace(): { folder: string; tool: string; change: string } {
  const folder = mkdtempSync(join(workFolder, "standing-"));
  chmodSync(folder, 0o755);
  const [tool, change] = ["tool", "change"].map((name) => join(folder, name)) as [string, string];
  for (const path of [tool, change]) copyFileSync(exitWith, path);
  return { folder, tool, change };
}

function nameOf(event: ExecEvent): string {
  return basename(textToDisplay(event.file));
}

/** Everything stands but the shell and `change`. */
function letStand(onChange: () => void): (event: ExecEvent) => Verdict {
  return (event) => {
    const name = nameOf(event);
    if (name === "change") onChange();
    return name === "change" || name === "bash" ? { kind: "run" } : { kind: "run", stands: true };
  };
}

/** For each exec of `names`, whether it waited to be asked or was answered. */
function answersTo(execs: readonly ExecEvent[], names: string[]): string[] {
  return execs
    .filter((event) => names.includes(nameOf(event)))
    .map(({ answeredAtMs }) => (answeredAtMs === null ? "asked" : "answered"));
}

interface Change {
  /** What runs, with `$f` for the folder, `$t` for the tool and `$c` for the change. */
  script: string;
  prepare?(folder: string): void;
  change?(folder: string): void;
  names?: string[];
}

const before = "$t 0; $t 0; $c 0; ";
const interpreted = (folder: string, line: string): void => {
  writeFileSync(join(folder, "script"), `${line}\n`, { mode: 0o755 });
};

/** Each runs what stands twice before and once after; the last one has to wait again. */
const changes: Record<string, Change> = {
  "another argv[0]": { script: `${before}(exec -a box $t 0)` },
  "another working folder": { script: `${before}(cd /; exec $t 0)` },
  "another path to the same file": { script: `${before}(exec -a $t $f/./tool 0)` },
  LD_PRELOAD: { script: `${before}LD_PRELOAD= $t 0` },
  LD_LIBRARY_PATH: { script: `${before}LD_LIBRARY_PATH=/usr/lib $t 0` },
  "an LD_ variable as the last of many": { script: `${before}env A=1 LD_AUDIT=/x $t 0` },
  "another file in its place": {
    script: `${before}$t 0`,
    change(folder) {
      copyFileSync(exitWith, join(folder, "new"));
      renameSync(join(folder, "new"), join(folder, "tool"));
    },
  },
  "a byte more": { script: `${before}$t 0`, change: (folder) => appendFileSync(join(folder, "tool"), "!") },
  "the same bytes, written again": {
    script: `${before}$t 0`,
    change(folder) {
      copyFileSync(exitWith, join(folder, "tool"));
    },
  },
  "another mode": { script: `${before}$t 0`, change: (folder) => chmodSync(join(folder, "tool"), 0o4755) },
  "another time, set back to hide a change": {
    script: `${before}$t 0`,
    change: (folder) => utimesSync(join(folder, "tool"), 1, 1),
  },
  "a second name": {
    script: `${before}$t 0`,
    change: (folder) => linkSync(join(folder, "tool"), join(folder, "curl")),
  },
  "the same file, moved to another name that a symlink leads to": {
    script: `$f/link/tool 0; $f/link/tool 0; $c 0; $f/link/tool 0`,
    prepare(folder) {
      mkdirSync(join(folder, "a"));
      copyFileSync(exitWith, join(folder, "a", "tool"));
      symlinkSync("a", join(folder, "link"));
    },
    // The file itself is not touched: its ctime stays.
    change(folder) {
      renameSync(join(folder, "a"), join(folder, "b"));
      rmSync(join(folder, "link"));
      symlinkSync("b", join(folder, "link"));
    },
  },
  "a symlink that leads to the same file's other name": {
    script: `$f/link 0; $f/link 0; $c 0; $f/link 0`,
    names: ["link"],
    prepare(folder) {
      linkSync(join(folder, "tool"), join(folder, "curl"));
      symlinkSync("tool", join(folder, "link"));
    },
    change(folder) {
      rmSync(join(folder, "link"));
      symlinkSync("curl", join(folder, "link"));
    },
  },
  "a script whose #! line names another interpreter": {
    script: `$f/script; $f/script; $c 0; $f/script`,
    names: ["script"],
    prepare: (folder) => interpreted(folder, `#!${exitWith} 0`),
    change: (folder) => interpreted(folder, "#!/bin/true x"),
  },
  "a script whose interpreter is another file": {
    script: `$f/script; $f/script; $c 0; $f/script`,
    names: ["script"],
    prepare(folder) {
      copyFileSync(exitWith, join(folder, "interpreter"));
      interpreted(folder, `#!${folder}/interpreter 0`);
    },
    change(folder) {
      copyFileSync("/bin/true", join(folder, "new"));
      chmodSync(join(folder, "new"), 0o755);
      renameSync(join(folder, "new"), join(folder, "interpreter"));
    },
  },
};

for (const { around, skip } of surroundings) {
  describe(`verdicts that stand, inside ${around}`, { skip }, () => {
    async function answered(what: Change, isChanged: boolean): Promise<string[]> {
      const { folder, tool, change } = makePlace();
      what.prepare?.(folder);
      const result = await runGuarded({
        argv: ["/bin/bash", "-c", what.script],
        env: ["PATH=/usr/bin:/bin", `f=${folder}`, `t=${tool}`, `c=${change}`],
        around,
        decide: letStand(() => (isChanged ? what.change?.(folder) : undefined)),
      });
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
      return answersTo(result.execs, what.names ?? ["tool"]);
    }
    for (const [name, what] of Object.entries(changes)) {
      test(`not for ${name}`, async () => {
        assert.deepEqual(await answered(what, true), ["asked", "answered", "asked"]);
        // The negative control: without that difference the third one is answered too.
        const same = what.change === undefined ? { script: `${before}$t 0` } : what;
        assert.deepEqual(await answered(same, false), ["asked", "answered", "answered"]);
      });
    }

    test("not below an escalated program", async () => {
      const { tool } = makePlace();
      const script = `${tool} 0; ${tool} 0; sh -c '${tool} 0; ${tool} 0; :' escalate`;
      const result = await runGuarded({
        argv: ["/bin/sh", "-c", script],
        around,
        decide: (event) => (event.argv.at(-1) === "escalate" ? escalateAsItIs(event) : { kind: "run", stands: true }),
      });
      const tools = result.execs.filter((event) => nameOf(event) === "tool");
      assert.deepEqual(
        tools.map(({ outside, answeredAtMs }) => [outside ? "outside" : "inside", answeredAtMs === null]),
        [
          ["inside", true],
          ["inside", false],
          ["outside", true],
          ["outside", true],
        ],
      );
    });

    test("every exec that was answered is told with its arguments, its parent and its end, in order", async () => {
      const { tool } = makePlace();
      const result = await runGuarded({
        argv: ["/bin/bash", "-c", `${tool} 0; ${tool} 3; (exec ${startProgram} exec 5 ${tool}); ${tool} 4 & wait $!`],
        around,
        decide: letStand(() => {}),
      });
      const shell = result.execs[0]?.requestId;
      const tools = result.execs.filter((event) => nameOf(event) === "tool");
      const ends = new Map(result.ends.map((end) => [end.requestId, end]));
      assert.deepEqual(
        tools.map((event) => [
          event.argv[1],
          event.answeredAtMs !== null,
          event.parentRequestId === shell,
          ends.get(event.requestId)?.exitCode,
        ]),
        [
          ["0", false, true, 0],
          ["3", true, true, 3],
          ["5", true, true, 5],
          ["4", true, true, 4],
        ],
      );
      const replaced = result.ends.find(({ how }) => how === "replaced");
      assert.equal(replaced?.by, tools[2]?.requestId);
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });

    test("an exec that ran and would not run now ends the whole command", async () => {
      const { tool } = makePlace();
      let asked = 0;
      const result = await runGuarded({
        argv: ["/bin/sh", "-c", `${tool} 0; ${tool} 0; sleep 60; echo survived`],
        around,
        decide(event): Verdict {
          if (nameOf(event) !== "tool") return { kind: "run" };
          asked += 1;
          return asked === 1 ? { kind: "run", stands: true } : { kind: "deny", reason: "no more" };
        },
      });
      assert.deepEqual([asked, result.stdout, result.exitCode], [2, "", null]);
    });
  });
}

describe("a Node that answers and acknowledges as it should not", () => {
  const count = 150;

  /** Lets every exec stand, and reports how many were answered before the first one after those that waited again. */
  async function loop(
    onExec: (exec: { requestId: bigint; answered: boolean }, send: (frame: Buffer) => void) => void,
  ): Promise<{ answered: boolean[]; code: number | null; stderr: string }> {
    const { tool } = makePlace();
    const mark = makeMark();
    const { control, end } = startRawBroker();
    control.removeAllListeners("data");
    const reader = new FrameReader();
    const answered: boolean[] = [];
    control.on("data", (chunk: Buffer) => {
      for (const { kind, payload } of reader.read(chunk)) {
        if (kind !== frameKinds.exec) continue;
        const exec = { requestId: payload.readBigUInt64LE(0), answered: payload.readBigUInt64LE(16) !== 0n };
        answered.push(exec.answered);
        onExec(exec, (frame) => control.write(frame));
      }
    });
    const script = `i=0; while [ $i -lt ${count} ]; do ${tool} 0; i=$((i+1)); done`;
    control.write(launchBytes({ file: "/bin/sh", argv: ["sh", "-c", script], env: [mark, "PATH=/bin"] }));
    const { code, stderr } = await end;
    await untilNoneHas(mark);
    return { answered, code, stderr };
  }

  const stand = (requestId: bigint): Buffer => new FrameWriter(frameKinds.verdict).u64(requestId).u8(3).finish();

  test("who acknowledges nothing is waited for from the 65th on", async () => {
    const { answered, code } = await loop(({ requestId, answered: isAnswered }, send) => {
      if (!isAnswered) send(stand(requestId));
    });
    // The shell, and the first of the loop, whose verdict stands from then on.
    const expected = [false, false, ...Array.from({ length: count - 1 }, (_, at) => at < 64)];
    assert.deepEqual([answered, code], [expected, 0]);
  });

  test("who acknowledges each is waited for once", async () => {
    const { answered, code } = await loop(({ requestId, answered: isAnswered }, send) => {
      send(isAnswered ? new FrameWriter(frameKinds.acknowledge).u32(1).finish() : stand(requestId));
    });
    const expected = [false, false, ...Array.from({ length: count - 1 }, () => true)];
    assert.deepEqual([answered, code], [expected, 0]);
  });

  test("who revokes is waited for again, with at most the window answered meanwhile", async () => {
    let isRevoked = false;
    const { answered, code } = await loop(({ requestId, answered: isAnswered }, send) => {
      if (isAnswered && !isRevoked) send(new FrameWriter(frameKinds.revoke).finish());
      // Acknowledged, so that it is not the window that makes the rest wait.
      if (isAnswered) send(new FrameWriter(frameKinds.acknowledge).u32(1).finish());
      if (isAnswered) isRevoked = true;
      else send(isRevoked ? new FrameWriter(frameKinds.verdict).u64(requestId).u8(0).finish() : stand(requestId));
    });
    const last = answered.lastIndexOf(true);
    assert.equal(code, 0);
    assert.ok(last > 0 && last < 2 + 64, `the last one that was answered was number ${last}`);
  });

  test("who acknowledges what was not answered is not believed", async () => {
    const { code, stderr } = await loop((_, send) => send(new FrameWriter(frameKinds.acknowledge).u32(1).finish()));
    assert.deepEqual([code, stderr], [125, "sallyport-broker: Node acknowledged execs that were not answered\n"]);
  });
});
