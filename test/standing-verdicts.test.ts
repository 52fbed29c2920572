// What runs again and again is answered without waiting. Here the program behind the same call becomes a forbidden one in between:
// changed from outside, by an escalated program, because nothing inside can reach it. Each time the third call is stopped by the rule;
// with a harmless change in its place it runs.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test } from "node:test";
import { AttackPlace, callers } from "./support/attack-place.ts";
import { missingTools } from "./support/needed-tools.ts";

interface Attack {
  /** Shell words; `$b` is a folder that can't be written from inside, and `tool`, `forbidden` and `harmless` lie in it. */
  call: string;
  /** Before anything runs, by the user. */
  prepare?: string;
  /** Outside: `$1` is the forbidden program, or the harmless one. */
  swap: string;
  tools?: string[];
}

const attacks: Record<string, Attack> = {
  "a copy of it in the same place": { call: "$b/tool", swap: 'cp "$1" "$b/new" && mv "$b/new" "$b/tool"' },
  "a copy of it, written into the same file": { call: "$b/tool", swap: 'cat "$1" > "$b/tool"' },
  "a hard link to it in the same place": { call: "$b/tool", swap: 'ln -f "$1" "$b/tool"' },
  "a symlink that now leads to it": {
    call: "$b/link",
    prepare: 'ln -s tool "$b/link"',
    swap: 'ln -sf "$1" "$b/link"',
  },
  "a symlink inside that now leads to it": {
    call: "./link",
    prepare: 'ln -s "$b/tool" link',
    swap: 'ln -sf "$1" link',
  },
  "a script whose interpreter it became": {
    call: "$b/script",
    prepare: 'cp "$b/tool" "$b/interpreter" && echo "#!$b/interpreter" > "$b/script" && chmod 755 "$b/script"',
    swap: 'cp "$1" "$b/new" && mv "$b/new" "$b/interpreter"',
  },
  "a script that now names it": {
    call: "$b/script",
    prepare: 'echo "#!$b/tool" > "$b/script" && chmod 755 "$b/script"',
    swap: 'echo "#!$1" > "$b/script"',
  },
};

for (const caller of callers) {
  for (const [name, attack] of Object.entries(attacks)) {
    test(`${name} (${caller.name})`, { skip: missingTools(["bash"]) }, () => {
      assert.deepEqual(decisions(caller, attack, "forbidden"), ["run", "run", "deny"]);
      assert.deepEqual(decisions(caller, attack, "harmless"), ["run", "run", "run"]);
    });
  }

  const calls: Record<string, { third: string; control: string; rule?: string }> = {
    "LD_PRELOAD from inside": { third: "LD_PRELOAD=$PWD/evil.so $b/tool", control: "LD_PRELOAD= $b/tool" },
    "argv[0] that makes a box of it": {
      third: "(exec -a busybox $b/tool forbidden)",
      control: "(exec -a busy $b/tool forbidden)",
    },
    "an argument that a rule names": {
      third: "$b/tool bad",
      control: "$b/tool good",
      rule: 'prefix_rule(["tool", "bad"], "forbidden")\n',
    },
    "another name in another folder": { third: "(cd $b && ./forbidden)", control: "(cd $b && ./tool)" },
  };
  for (const [name, { third, control, rule }] of Object.entries(calls)) {
    test(`${name} (${caller.name})`, { skip: missingTools(["bash"]) }, () => {
      for (const [call, last] of [
        [third, "deny"],
        [control, "run"],
      ] as const) {
        const place = makePlace(caller);
        const rules = place.rules(`prefix_rule(["forbidden"], "forbidden")\n${rule ?? ""}`);
        const script = `$b/tool; $b/tool; ${call}; :`;
        const ended = place.recorded(["--rules", rules, "--", "bash", "-c", script], { env: { b: place.bin } });
        assert.deepEqual(
          ended.records.slice(1).map(({ decision }) => decision),
          ["run", "run", last],
        );
      }
    });
  }
}

function makePlace(caller: AttackPlace["caller"]): AttackPlace {
  const place = new AttackPlace(caller, { visible: true });
  place.copy("/bin/true", "bin/tool");
  for (const [name, bytes] of [
    ["forbidden", "!"],
    ["harmless", "!!"],
  ] as const)
    appendFileSync(place.copy("/bin/true", `bin/${name}`), bytes);
  return place;
}

/** What was decided on the three calls, the swap being between the second and the third. */
function decisions(caller: AttackPlace["caller"], { call, prepare, swap }: Attack, to: string): string[] {
  const place = makePlace(caller);
  if (prepare !== undefined) assert.equal(place.plain(["bash", "-c", prepare], { env: { b: place.bin } }).status, 0);
  const body = `#!/bin/sh -e\nb='${place.bin}'\nset -- "$b/${to}"\n${swap}\n: > "$b/swapped"\n`;
  place.file("bin/swap", body, 0o755);
  const rules = place.rules('prefix_rule(["forbidden"], "forbidden")\nprefix_rule(["swap"])\n');
  const script = `${call}; ${call}; swap; ${call}; :`;
  const ended = place.recorded(["--rules", rules, "--", "bash", "-c", script], { env: { b: place.bin } });
  const swapped = ended.records.find(({ argv }) => argv[0] === "swap" || argv[1] === "swap");
  assert.deepEqual([swapped?.decision, swapped?.exitCode], ["escalate", 0], `${ended.stderr} ${swapped?.reason.text}`);
  const called = call.replace("$b", place.bin);
  return ended.records.filter(({ calledAs }) => calledAs === called).map(({ decision }) => decision);
}
