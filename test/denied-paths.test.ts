// Another name for what `--deny-read` hides: moved, linked, or reached by a program that a rule carries outside. The control is the
// same script without `--deny-read`, which reads the file.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noPatchedBash, patchedBash } from "../packages/shell-escalation/test/patched-bash.ts";
import { AttackPlace, callers } from "./support/attack-place.ts";
import { missingTools } from "./support/needed-tools.ts";

const bash = "/bin/bash";

interface Stage {
  place: AttackPlace;
  /** What the script prints, with `secret/key` in the working folder denied or not. */
  read: (script: string, options?: { denied?: boolean; rule?: string }) => string;
}

function stageFor(caller: (typeof callers)[number], shell: string): Stage {
  const place = new AttackPlace(caller, { visible: true });
  place.copy("/usr/bin/dash", "bin/tool");
  const patched = shell === bash ? null : place.copy(shell, "bin/patched-bash");
  const interceptor = patched === null ? [] : ["--interceptor", "bash", "--shell", patched];
  const read: Stage["read"] = (script, { denied = true, rule = 'prefix_rule(["tool"], escalate = True)\n' } = {}) => {
    const key = place.file("project/secret/key", "a secret\n");
    const words = denied ? ["--deny-read", key] : [];
    const rules = ["--rules", place.rules(rule)];
    return place.run([...rules, ...words, ...interceptor, "--", patched ?? bash, "-c", script]).stdout;
  };
  place.folder("project/secret");
  return { place, read };
}

function attack(title: string, body: (stage: Stage) => void): void {
  const skip = missingTools(["bwrap", "dash", "setpriv"]);
  for (const caller of callers) {
    test(`${title} (${caller.name})`, { skip }, () => body(stageFor(caller, bash)));
    const bashTitle = `${title}, with a patched Bash (${caller.name})`;
    test(bashTitle, { skip: skip === false ? noPatchedBash : skip }, () => body(stageFor(caller, patchedBash)));
  }
}

const everyName = "secret/key moved/key second soft key";

attack("denied: neither its folder nor itself is moved or linked from inside", ({ place, read }) => {
  const script = `ln -s secret/key soft; ln secret/key second; mv secret/key key; mv secret moved
    cat ${everyName}; tool -c 'cat ${everyName}'; echo end`;
  assert.equal(read(script), "end\n");
  assert.equal(existsSync(join(place.project, "secret", "key")), true);
  // Other files in the folder go on as before.
  assert.equal(read("echo 1 >secret/other; mv secret/other other; cat other; rm other"), "1\n");
  assert.match(read(script, { denied: false }), /a secret\n(.*\n)*end\n$/);
});

attack("denied: what a program outside has moved stays denied, inside and outside", ({ place, read }) => {
  const move = "tool -c 'ln secret/key secret/second; mv secret/key secret/third; mv secret moved'";
  const names = "moved/key moved/third secret/key";
  const script = `${move}; tool -c 'cat ${names} moved/second'; cat ${names}; echo end`;
  assert.equal(read(script), "end\n");
  // It has been moved.
  assert.equal(existsSync(join(place.project, "moved", "third")), true);
  place.plain(["rm", "-r", "moved"]);
  place.folder("project/secret");
  assert.equal(read(script, { denied: false }), "a secret\na secret\na secret\nend\n");
});

attack("denied: what is put in its place is denied as well", ({ place, read }) => {
  const replace =
    "tool -c 'cp /etc/hostname secret/new; mv secret/new secret/key'; tool -c 'mv secret/key secret/other'";
  const script = `${replace}; tool -c 'cat secret/other'; echo end`;
  assert.equal(read(script), "end\n");
  writeFileSync(join(place.project, "secret", "key"), "");
  assert.match(read(script, { denied: false }), /.\nend\n$/);
});

for (const caller of callers) {
  const skip = missingTools(["bwrap", "dash", "setpriv"]);
  test(`denied: a bounded sandbox hides it where it is by then (${caller.name})`, { skip }, () => {
    const { place, read } = stageFor(caller, bash);
    place.copy("/usr/bin/dash", "bin/mover");
    const rule =
      'prefix_rule(["tool"], escalate = True, escalate_with = {})\nprefix_rule(["mover"], escalate = True)\n';
    const script = "mover -c 'mv secret moved'; tool -c 'cat moved/key; echo $?'";
    assert.equal(read(script, { rule }), "1\n");
    place.plain(["rm", "-r", "moved"]);
    place.folder("project/secret");
    assert.equal(read(script, { rule, denied: false }), "a secret\n0\n");
  });

  test(`denied: with Landlock alone, too (${caller.name})`, { skip }, () => {
    const place = new AttackPlace(caller, { visible: true });
    place.copy("/usr/bin/dash", "bin/tool");
    place.folder("elsewhere");
    place.folder("elsewhere/secret");
    const key = place.file("elsewhere/secret/key", "a secret\n");
    const rules = ["--rules", place.rules('prefix_rule(["tool"], escalate = True)\n')];
    const read = (words: string[]): string => {
      const script = `cd ../elsewhere; ln secret/key ../project/second; mv secret moved; cat secret/key
        tool -c 'ln secret/key secret/second; mv secret moved; cat moved/key moved/second'
        tool -c 'cat moved/key moved/second'; cat moved/key; echo end`;
      return place.run(["--wall", "landlock", ...rules, ...words, "--", bash, "-c", script]).stdout;
    };
    assert.equal(read(["--deny-read", key]), "end\n");
    assert.equal(existsSync(join(place.base, "elsewhere", "moved", "key")), true);
    place.plain(["mv", join(place.base, "elsewhere", "moved"), join(place.base, "elsewhere", "secret")]);
    assert.match(read([]), /^a secret\n(.*\n)*end\n$/);
  });
}
