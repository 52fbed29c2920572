import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { approvalUses, openApprovals, readApprovals, readUses, revokeApprovals } from "@sallyport/rules-store";
import type { ApprovalBook, ApprovalExec, ApprovalKeep, ApprovalProposal } from "@sallyport/rules-store";
import { isSallyportError } from "@sallyport/supervisor";

const origin = { by: "the user", for: "pushing is for people" };
const base: ApprovalProposal = {
  pattern: ["git", "push", "origin"],
  exact: true,
  file: "/usr/bin/git",
  sha256: null,
  cwd: "/home/me/project",
};

interface Place {
  home: string;
  warnings: string[];
  open: () => ApprovalBook;
}

function makePlace(context: TestContext): Place {
  const root = mkdtempSync(join(tmpdir(), "approvals-"));
  context.after(() => rmSync(root, { recursive: true }));
  const home = join(root, "home");
  mkdirSync(home, { mode: 0o700 });
  const warnings: string[] = [];
  return {
    home,
    warnings,
    open: () => openApprovals({ home, onWarning: (message) => warnings.push(message.replaceAll(home, "~")) }),
  };
}

function execOf(changes: Partial<ApprovalExec> & { digest?: string | null } = {}): ApprovalExec {
  const { digest = null, ...rest } = changes;
  return {
    file: "/usr/bin/git",
    pattern: ["git", "push", "origin"],
    cwd: "/home/me/project",
    identity: "1:2",
    unusual: "",
    isOutOfReach: () => digest === null,
    sha256: () => digest,
    ...rest,
  };
}

function always(changes: Partial<ApprovalProposal> = {}): ApprovalKeep {
  return { scope: "always", proposal: { ...base, ...changes } };
}

describe("openApprovals()", () => {
  test("finds nothing where nothing was kept, and makes no file", (context) => {
    const place = makePlace(context);
    assert.equal(place.open().find(execOf()), null);
    assert.equal(existsSync(join(place.home, "approvals.rules")), false);
    assert.deepEqual(place.warnings, []);
  });

  test("an approval that is kept for good answers in every session, and its file is the user's alone", (context) => {
    const place = makePlace(context);
    const record = place.open().keep(always(), execOf(), origin);
    assert.match(record.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    assert.deepEqual(place.open().find(execOf()), record);
    assert.equal(statSync(join(place.home, "approvals.rules")).mode & 0o777, 0o600);
    assert.deepEqual(readApprovals(place.home), [record]);
  });

  const others: [string, Partial<ApprovalExec> & { digest?: string }][] = [
    ["another argument", { pattern: ["git", "push", "upstream"] }],
    ["one argument more", { pattern: ["git", "push", "origin", "--force"] }],
    ["one argument less", { pattern: ["git", "push"] }],
    ["another name", { pattern: ["git-receive-pack", "push", "origin"] }],
    ["another file", { file: "/home/me/git" }],
    ["another folder", { cwd: "/home/me" }],
    ["a file that can be changed by now", { digest: "a".repeat(64) }],
    ["something unusual", { unusual: "LD_PRELOAD" }],
    ["bytes that are no text", { pattern: ["git", "push", { base64: "b3JpZ2lu" }] }],
  ];
  for (const [what, changes] of others) {
    test(`does not answer for ${what}`, (context) => {
      const book = makePlace(context).open();
      book.keep(always(), execOf(), origin);
      assert.equal(book.find(execOf(changes)), null);
      assert.notEqual(book.find(execOf()), null);
    });
  }

  test("a prefix answers for further arguments, and in every folder where it has none", (context) => {
    const book = makePlace(context).open();
    const { id } = book.keep(always({ pattern: ["git", "push"], exact: false, cwd: null }), execOf(), origin);
    assert.equal(book.find(execOf({ pattern: ["git", "push", "a", "b"], cwd: "/" }))?.id, id);
    assert.equal(book.find(execOf({ pattern: ["git", "fetch"] })), null);
  });

  test("a file of the user's own answers only with the content that was approved", (context) => {
    const book = makePlace(context).open();
    const sha256 = "b".repeat(64);
    book.keep(always({ sha256 }), execOf(), origin);
    assert.notEqual(book.find(execOf({ digest: sha256 })), null);
    assert.equal(book.find(execOf({ digest: "c".repeat(64) })), null);
    assert.equal(book.find(execOf({ sha256: () => null, isOutOfReach: () => false })), null);
  });

  test("a session's approval is for the very same call, files and settings, and for that session", (context) => {
    const place = makePlace(context);
    const book = place.open();
    const odd = execOf({ unusual: "LD_PRELOAD", pattern: ["git", { base64: "/w==" }] });
    const { id, scope } = book.keep({ scope: "session" }, odd, origin);
    assert.equal(scope, "session");
    assert.equal(book.find(odd)?.id, id);
    assert.equal(book.find({ ...odd, identity: "1:3" }), null);
    assert.equal(book.find({ ...odd, unusual: "" }), null);
    assert.equal(book.find({ ...odd, pattern: ["git", { base64: "/g==" }] }), null);
    assert.equal(place.open().find(odd), null);
    assert.equal(existsSync(join(place.home, "approvals.rules")), false);
  });

  test("what is revoked answers nothing from then on, in a session that runs too", (context) => {
    const place = makePlace(context);
    const book = place.open();
    const kept = book.keep(always(), execOf(), origin);
    const other = book.keep(always({ pattern: ["git", "fetch"] }), execOf(), origin);
    assert.notEqual(book.find(execOf()), null);
    assert.deepEqual(
      revokeApprovals(place.home, ({ id }) => id === kept.id),
      [kept],
    );
    assert.equal(book.find(execOf()), null);
    assert.deepEqual(readApprovals(place.home), [other]);
  });

  test("an approval that is over answers nothing", (context) => {
    const place = makePlace(context);
    const write = (day: string): void =>
      writeFileSync(
        join(place.home, "approvals.rules"),
        `approval(id = "x", pattern = ["git"], file = "/usr/bin/git", expires = "${day}")\n`,
        { mode: 0o600 },
      );
    write("2001-01-01");
    assert.equal(place.open().find(execOf()), null);
    write("2999-01-01");
    assert.equal(place.open().find(execOf())?.id, "x");
  });

  test("of a broken file nothing counts, and a warning says why, once", (context) => {
    const place = makePlace(context);
    const book = place.open();
    book.keep(always(), execOf(), origin);
    const path = join(place.home, "approvals.rules");
    writeFileSync(path, `${readFileSync(path, "utf8")}approval(\n`);
    assert.equal(book.find(execOf()), null);
    assert.equal(book.find(execOf()), null);
    assert.equal(place.warnings.length, 1);
    assert.match(place.warnings[0] ?? "", /^~\/approvals\.rules:3:1: .*; no approval counts until it is corrected$/);
    assert.throws(
      () => book.keep(always({ cwd: null }), execOf(), origin),
      (error) => isSallyportError(error) && error.code === "APPROVALS_INVALID",
    );
  });

  for (const mode of [0o620, 0o602]) {
    test(`a file that others can write (${mode.toString(8)}) does not count`, (context) => {
      const place = makePlace(context);
      const book = place.open();
      book.keep(always(), execOf(), origin);
      chmodSync(join(place.home, "approvals.rules"), mode);
      assert.equal(book.find(execOf()), null);
      assert.match(place.warnings[0] ?? "", /the file can be written by others/);
    });
  }

  test("counts how often each has answered, beside the approvals", (context) => {
    const place = makePlace(context);
    const book = place.open();
    const { id } = book.keep(always(), execOf(), origin);
    const before = readFileSync(join(place.home, "approvals.rules"), "utf8");
    for (let round = 0; round < 3; round += 1) book.find(execOf());
    book.flush();
    place.open().find(execOf());
    book.find(execOf());
    book.flush();
    assert.equal(readUses(approvalUses(place.home)).get(id)?.hits, 4);
    assert.match(readUses(approvalUses(place.home)).get(id)?.lastUsedAt ?? "", /^\d{4}-\d{2}-\d{2}T/);
    assert.equal(readFileSync(join(place.home, "approvals.rules"), "utf8"), before);
  });
});

describe("revokeApprovals()", () => {
  test("keeps every other byte of the file", (context) => {
    const { home } = makePlace(context);
    const path = join(home, "approvals.rules");
    const first = '# mine\napproval(id = "a", pattern = ["a"], file = "/a")\n';
    writeFileSync(path, `${first}approval(\n  id = "b",\n  pattern = ["b"], file = "/b")\n# end`, { mode: 0o600 });
    revokeApprovals(home, ({ id }) => id === "b");
    assert.equal(readFileSync(path, "utf8"), `${first}# end`);
  });

  test("writes what is left anew where several calls share a line", (context) => {
    const { home } = makePlace(context);
    const path = join(home, "approvals.rules");
    const call = (id: string): string => `approval(id = "${id}", pattern = ["a"], file = "/a")`;
    writeFileSync(path, `${call("a")}; ${call("b")}\n`, { mode: 0o600 });
    revokeApprovals(home, ({ id }) => id === "a");
    assert.deepEqual(
      readApprovals(home).map(({ id }) => id),
      ["b"],
    );
  });
});

test("processes that keep approvals at once lose none", async (context) => {
  const { home } = makePlace(context);
  const source = fileURLToPath(new URL("fixtures/keep-approvals.ts", import.meta.url));
  const exits = ["a", "b", "c"].map(async (name) => {
    const child = spawn(process.execPath, ["--conditions=sallyport-source", source, home, name, "5"], {
      stdio: "inherit",
    });
    const [code] = (await once(child, "exit")) as [number];
    return code;
  });
  assert.deepEqual(await Promise.all(exits), [0, 0, 0]);
  assert.deepEqual(
    readApprovals(home)
      .map(({ pattern }) => pattern.join(" "))
      .toSorted(),
    ["a", "b", "c"].flatMap((name) => [0, 1, 2, 3, 4].map((index) => `${name} ${index}`)),
  );
});
