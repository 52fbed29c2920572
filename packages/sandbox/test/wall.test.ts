import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import {
  attempts,
  isRoot,
  makeFolders,
  missingBubblewrap,
  outcomes,
  plan,
  runInside,
  runOutside,
  type Folders,
} from "./test-wall.ts";

const skip = missingBubblewrap();

function makeRepository(folder: string): void {
  const result = runOutside(folder, "git init -q . && echo 1 > file && git add file && git commit -qm first");
  assert.deepEqual(result, { exitCode: 0, stdout: "" });
}

async function listen(t: TestContext, path: string): Promise<void> {
  const server = createServer((socket) => socket.end());
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
}

function connectTo(path: string): string {
  const program = `require("net").connect(${JSON.stringify(path)}).on("connect",()=>process.exit(0)).on("error",()=>process.exit(1))`;
  return `${process.execPath} -e '${program}'`;
}

/** The listener answers from this process, which a synchronous run would block: connect(2) succeeds all the same by the backlog. */
describe("the wall of mounts", { skip }, () => {
  test("writes succeed in the project and nowhere else", (t) => {
    const folders = makeFolders(t);
    const outside = join(folders.base, "outside");
    mkdirSync(outside);
    const shown = join(folders.base, "bin");
    mkdirSync(shown);
    const script = attempts({
      inside: "echo 1 > made",
      outside: `echo 1 > '${outside}/made'`,
      path: `echo 1 > '${shown}/made'`,
      root: "echo 1 > /made-by-test",
    });
    assert.deepEqual(outcomes(runInside(plan(folders, { readableExtra: [shown] }), script)), {
      inside: "yes",
      outside: "no",
      path: "no",
      root: "no",
    });
    assert.equal(existsSync(join(folders.project, "made")), true);
    const control = attempts({
      inside: "echo 1 > made",
      outside: `echo 1 > '${outside}/made'`,
      path: `echo 1 > '${shown}/made'`,
    });
    assert.deepEqual(outcomes(runOutside(folders.project, control)), { inside: "yes", outside: "yes", path: "yes" });
  });

  test("git works, but what runs later outside can't be planted", (t) => {
    const folders = makeFolders(t);
    makeRepository(folders.project);
    const planting = {
      hook: "echo evil > .git/hooks/pre-commit",
      config: "git config core.pager evil",
      worktreeConfig: "echo evil > .git/config.worktree",
      commondir: "echo /evil > .git/commondir",
      attributes: "echo evil > .git/info/attributes",
      moveHooks: "mv .git/hooks .git/old",
      moveInfo: "mv .git/info .git/old",
      moveGit: "mv .git old",
      removeConfig: "rm -f .git/config",
    };
    const working = {
      status: "git status",
      commit: "echo 2 > file && git commit -qam second",
      branch: "git checkout -qb new",
      stash: "echo 3 > file && git stash -q && git stash pop -q",
      gc: "git gc -q",
    };
    const made = plan(folders);
    const expected = {
      ...Object.fromEntries(Object.keys(planting).map((name) => [name, "no"])),
      ...Object.fromEntries(Object.keys(working).map((name) => [name, "yes"])),
    };
    assert.deepEqual(outcomes(runInside(made, attempts({ ...planting, ...working }))), expected);
    assert.deepEqual(made.close(), []);
    assert.equal(runOutside(folders.project, "git log --format=%s").stdout, "second\nfirst\n");
    for (const name of ["commondir", "config.worktree", "info/attributes"])
      assert.equal(existsSync(join(folders.project, ".git", name)), false);
    const control = attempts({
      hook: planting.hook,
      config: planting.config,
      worktreeConfig: planting.worktreeConfig,
      attributes: planting.attributes,
      moveGit: planting.moveGit,
    });
    assert.deepEqual(outcomes(runOutside(folders.project, control)), {
      hook: "yes",
      config: "yes",
      worktreeConfig: "yes",
      attributes: "yes",
      moveGit: "yes",
    });
  });

  test("protected names can't come into being, and their placeholders go at the end", (t) => {
    const folders = makeFolders(t);
    const names = [".git", ".sallyport", ".codex", ".claude", ".vscode"];
    const script = attempts(Object.fromEntries(names.map((name) => [name, `rmdir ${name}; mkdir -p ${name}/hooks`])));
    const made = plan(folders);
    assert.deepEqual(readdirSync(folders.project).toSorted(), names.toSorted());
    assert.deepEqual(outcomes(runInside(made, script)), Object.fromEntries(names.map((name) => [name, "no"])));
    assert.deepEqual(made.close(), []);
    assert.deepEqual(readdirSync(folders.project), []);
    assert.deepEqual(readdirSync(join(folders.home, "placeholders")), []);
    assert.deepEqual(
      outcomes(runOutside(folders.project, script)),
      Object.fromEntries(names.map((name) => [name, "yes"])),
    );
  });

  test("existing settings folders are read-only, and one that is given with --writable is not", (t) => {
    const folders = makeFolders(t);
    for (const name of [".claude", ".vscode"]) {
      mkdirSync(join(folders.project, name));
      writeFileSync(join(folders.project, name, "settings.json"), "{}");
    }
    const script = attempts({ claude: "echo > .claude/settings.json", vscode: "echo > .vscode/settings.json" });
    assert.deepEqual(outcomes(runInside(plan(folders, { writable: [join(folders.project, ".vscode")] }), script)), {
      claude: "no",
      vscode: "yes",
    });
  });

  test("git init needs allowGitInit", (t) => {
    const folders = makeFolders(t);
    const refused = plan(folders);
    assert.notEqual(runInside(refused, "git init -q . 2>&1").exitCode, 0);
    refused.close();
    const allowed = plan(folders, { allowGitInit: true });
    assert.deepEqual(runInside(allowed, "git init -q ."), { exitCode: 0, stdout: "" });
    allowed.close();
    assert.equal(existsSync(join(folders.project, ".git/HEAD")), true);
  });

  test("an empty .git of the user is no repository and stays", (t) => {
    const folders = makeFolders(t);
    mkdirSync(join(folders.project, ".git"));
    const made = plan(folders);
    assert.deepEqual(outcomes(runInside(made, attempts({ plant: "mkdir .git/hooks" }))), { plant: "no" });
    made.close();
    assert.deepEqual(readdirSync(folders.project), [".git"]);
  });

  test("a .git file, a bare repository and a worktree are guarded", (t) => {
    const folders = makeFolders(t);
    const main = join(folders.base, "main");
    mkdirSync(main);
    makeRepository(main);
    rmdirSync(folders.project);
    assert.equal(
      runOutside(main, `git worktree add -q '${folders.project}' && git clone -q --bare . '${folders.base}/bare.git'`)
        .exitCode,
      0,
    );
    const bare = join(folders.base, "bare.git");
    const script = attempts({
      gitFile: "echo gitdir: /evil > .git",
      replaceGitFile: "rm -f .git",
      bareHook: `echo evil > '${bare}/hooks/update'`,
      bareConfig: `git -C '${bare}' config core.pager evil`,
      bareWork: `git -C '${bare}' update-ref refs/heads/other HEAD`,
      worktreeCommit: "echo 2 > file && git commit -qam second",
      worktreeCommondir: `echo /evil > '${main}/.git/worktrees/project/commondir'`,
      worktreeMove: `mv '${main}/.git/worktrees/project' '${main}/.git/worktrees/old'`,
    });
    const made = plan(folders, { writable: [bare, main] });
    assert.deepEqual(outcomes(runInside(made, script)), {
      gitFile: "no",
      replaceGitFile: "no",
      bareHook: "no",
      bareConfig: "no",
      bareWork: "yes",
      worktreeCommit: "yes",
      worktreeCommondir: "no",
      worktreeMove: "no",
    });
    assert.equal(made.notes.length, 1);
    made.close();
    assert.deepEqual(
      outcomes(
        runOutside(
          folders.project,
          attempts({ bareHook: `echo evil > '${bare}/hooks/update'`, gitFile: "echo gitdir: /evil > .git" }),
        ),
      ),
      {
        bareHook: "yes",
        gitFile: "yes",
      },
    );
  });

  test("hooks and config of submodules can't be planted by moving their folders", (t) => {
    const folders = makeFolders(t);
    const library = join(folders.base, "library");
    mkdirSync(library);
    makeRepository(library);
    makeRepository(folders.project);
    assert.equal(
      runOutside(
        folders.project,
        `git -c protocol.file.allow=always submodule --quiet add '${library}' libs/a 2>&1 && git commit -qm sub`,
      ).exitCode,
      0,
    );
    const module = ".git/modules/libs/a";
    const planting = {
      hook: `echo evil > ${module}/hooks/pre-commit`,
      config: `echo evil >> ${module}/config`,
      move: `mv ${module} .git/modules/libs/old`,
      moveAll: "mv .git/modules .git/old",
      moveParent: "mv .git/modules/libs .git/modules/old",
    };
    const working = { status: "git submodule status", commit: "cd libs/a && echo 2 > file && git commit -qam second" };
    assert.deepEqual(outcomes(runInside(plan(folders), attempts({ ...planting, ...working }))), {
      hook: "no",
      config: "no",
      move: "no",
      moveAll: "no",
      moveParent: "no",
      status: "yes",
      commit: "yes",
    });
    assert.deepEqual(outcomes(runOutside(folders.project, attempts({ hook: planting.hook, move: planting.move }))), {
      hook: "yes",
      move: "yes",
    });
  });

  test("a protected symlink is refused, as nothing can be mounted on it", (t) => {
    const folders = makeFolders(t);
    mkdirSync(join(folders.base, "elsewhere"));
    symlinkSync(join(folders.base, "elsewhere"), join(folders.project, ".claude"));
    assert.throws(() => plan(folders), { code: "WALL_REFUSED" });
    assert.equal(plan(folders, { writable: [join(folders.project, ".claude")] }).level, "bubblewrap");
  });

  test("sockets outside the project are out of reach unless granted", async (t) => {
    const folders = makeFolders(t);
    const shown = join(folders.base, "bin");
    mkdirSync(join(shown, "agent"), { recursive: true });
    const sockets = {
      beside: join(shown, "tool.sock"),
      folder: join(shown, "agent/agent.sock"),
      granted: join(shown, "agent/granted.sock"),
      own: join(folders.project, "own.sock"),
    };
    for (const path of Object.values(sockets)) await listen(t, path);
    const script = attempts(Object.fromEntries(Object.entries(sockets).map(([name, path]) => [name, connectTo(path)])));
    const made = plan(folders, {
      readableExtra: [shown, process.execPath, ...(process.env["PATH"] ?? "").split(":")],
      sockets: [sockets.granted],
    });
    assert.deepEqual(outcomes(runInside(made, script)), { beside: "no", folder: "no", granted: "yes", own: "yes" });
    assert.deepEqual(outcomes(runOutside(folders.project, script)), {
      beside: "yes",
      folder: "yes",
      granted: "yes",
      own: "yes",
    });
  });

  test(
    "sockets in /run are out of reach",
    { skip: isRoot ? false : "only root may make a folder in /run" },
    async (t) => {
      const folders = makeFolders(t);
      const folder = join("/run", basename(folders.base));
      mkdirSync(folder);
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const made = plan(folders);
      // After the plan, so that it is the whole folder that is hidden and not this socket.
      await listen(t, join(folder, "s.sock"));
      const script = attempts({ connect: connectTo(join(folder, "s.sock")), write: "echo 1 > /run/made-by-test" });
      assert.deepEqual(outcomes(runInside(made, script)), { connect: "no", write: "no" });
      assert.deepEqual(
        outcomes(runOutside(folders.project, attempts({ connect: connectTo(join(folder, "s.sock")) }))),
        { connect: "yes" },
      );
    },
  );

  test("a project in /run works", { skip: isRoot ? false : "only root may make a folder in /run" }, (t) => {
    const folders = makeFolders(t);
    const project = join("/run", basename(folders.base));
    mkdirSync(project);
    t.after(() => rmSync(project, { recursive: true, force: true }));
    assert.deepEqual(runInside(plan({ ...folders, project }), "echo 1 > made && pwd"), {
      exitCode: 0,
      stdout: `${project}\n`,
    });
    assert.equal(existsSync(join(project, "made")), true);
  });

  test("root can neither undo the mounts nor change kernel settings", { skip: isRoot ? false : "needs root" }, (t) => {
    const folders = makeFolders(t);
    const commands = {
      setting: "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness",
      cgroup: "mkdir /sys/fs/cgroup/made-by-test",
    };
    const script = attempts({
      ...commands,
      remount: "mount -o remount,rw /",
      umount: "umount /run",
      node: "mknod sda b 8 0",
      chmod: "chmod 755 /etc",
    });
    assert.deepEqual(outcomes(runInside(plan(folders), script)), {
      setting: "no",
      cgroup: "no",
      remount: "no",
      umount: "no",
      node: "no",
      chmod: "no",
    });
    assert.deepEqual(outcomes(runOutside(folders.project, attempts({ setting: commands.setting }))), {
      setting: "yes",
    });
  });

  test("/tmp is private, shared memory and devices hold no way out", (t) => {
    const folders = makeFolders(t);
    writeFileSync(join(folders.base, "secret"), "");
    const made = plan(folders);
    const script = attempts({
      hostFile: `cat '${folders.base}/secret'`,
      ownFile: "echo 1 > /tmp/own && cat /tmp/own",
      varTmp: "echo 1 > /var/tmp/own",
      shm: "echo 1 > /dev/shm/own",
      device: "echo 1 > /dev/own",
      devNull: "echo 1 > /dev/null",
    });
    assert.deepEqual(outcomes(runInside(made, script)), {
      hostFile: "no",
      ownFile: "yes",
      varTmp: "yes",
      shm: "yes",
      device: "no",
      devNull: "yes",
    });
    assert.equal(readFileSync(made.translate("/tmp/own"), "utf8"), "1\n");
    assert.equal(lstatSync(made.scratchFolder ?? "").mode & 0o777, 0o700);
    assert.deepEqual(made.close(), []);
    assert.equal(existsSync(made.scratchFolder ?? ""), false);
    assert.deepEqual(outcomes(runOutside(folders.project, attempts({ hostFile: `cat '${folders.base}/secret'` }))), {
      hostFile: "yes",
    });
  });

  test("denied paths and the home can't be read", (t) => {
    const folders = makeFolders(t);
    const secrets = join(folders.project, "secrets");
    mkdirSync(secrets);
    for (const file of [join(secrets, "key"), join(folders.project, ".env"), join(folders.home, "config.toml")])
      writeFileSync(file, "1");
    const shown = join(folders.base, "bin");
    mkdirSync(shown);
    writeFileSync(join(shown, "key"), "1");
    const commands = {
      folder: "cat secrets/key",
      list: "ls secrets/*",
      file: "cat .env",
      home: `cat '${folders.home}/config.toml'`,
      shown: `cat '${shown}/key'`,
    };
    const made = plan(folders, {
      denyRead: [secrets, join(folders.project, ".env"), join(folders.project, "missing"), join(shown, "key")],
      readableExtra: [shown, ...(process.env["PATH"] ?? "").split(":")],
    });
    assert.deepEqual(outcomes(runInside(made, attempts(commands))), {
      folder: "no",
      list: "no",
      file: "no",
      home: "no",
      shown: "no",
    });
    assert.deepEqual(outcomes(runOutside(folders.project, attempts(commands))), {
      folder: "yes",
      list: "yes",
      file: "yes",
      home: "yes",
      shown: "yes",
    });
  });

  test("read-only mode: nothing can be written, not even in /tmp", (t) => {
    const folders = makeFolders(t);
    writeFileSync(join(folders.project, "file"), "1");
    const made = plan(folders, { mode: "read-only" });
    const script = attempts({
      read: "cat file",
      project: "echo 1 > made",
      tmp: "echo 1 > /tmp/made",
      shm: "echo 1 > /dev/shm/made",
      devNull: "echo 1 > /dev/null",
    });
    assert.deepEqual(outcomes(runInside(made, script)), {
      read: "yes",
      project: "no",
      tmp: "no",
      shm: "no",
      devNull: "yes",
    });
    assert.deepEqual(readdirSync(folders.project), ["file"]);
  });

  test("PATH folders in /tmp stay, under the name that the PATH has for them; /tmp itself does not come back", (t) => {
    const folders = makeFolders(t);
    const real = join(folders.base, "real");
    mkdirSync(real);
    writeFileSync(join(real, "tool"), "#!/bin/sh\necho works\n", { mode: 0o755 });
    symlinkSync(real, join(folders.base, "link"));
    const made = plan(folders, { readableExtra: [join(folders.base, "link"), "/tmp"] });
    assert.deepEqual(
      runInside(made, `'${folders.base}/link/tool'; '${real}/tool'; cat '${folders.base}/home' 2>/dev/null`),
      { exitCode: 1, stdout: "works\nworks\n" },
    );
    assert.equal(made.translate(join(folders.base, "link/tool")), join(real, "tool"));
    const swap = attempts({ move: `mv '${folders.base}' /tmp/moved`, replace: `rmdir '${real}'` });
    assert.deepEqual(outcomes(runInside(made, swap)), { move: "no", replace: "no" });
  });

  for (const name of ["with space", "with\nnewline", "ünï-🚪", "-dash", "quote'\"$x"]) {
    test(`a project folder named ${JSON.stringify(name)} works`, (t) => {
      const folders = makeFolders(t);
      const project = join(folders.base, name);
      mkdirSync(project);
      const script = attempts({ write: "echo 1 > made", git: "mkdir -p .git/hooks" });
      assert.deepEqual(outcomes(runInside(plan({ ...folders, project }), script)), { write: "yes", git: "no" });
      assert.equal(existsSync(join(project, "made")), true);
    });
  }

  test("a project given through a symlink is its target", (t) => {
    const folders = makeFolders(t);
    const link = join(folders.base, "link");
    symlinkSync(folders.project, link);
    const made = plan({ ...folders, project: link });
    assert.deepEqual(made.writableRoots, [folders.project, made.scratchFolder]);
    assert.equal(runInside(made, "echo 1 > made && pwd").stdout, `${folders.project}\n`);
  });

  test("nested writable roots: the inner one's names hold although the outer one is writable", (t) => {
    const folders = makeFolders(t);
    const inner = join(folders.project, "a/b/inner");
    mkdirSync(inner, { recursive: true });
    const made = plan(folders, { writable: [inner] });
    const script = attempts({
      plant: "mkdir a/b/inner/.git/hooks",
      swap: "mv a/b a/old",
      swapOuter: "mv a old",
      write: "echo 1 > a/b/made && echo 1 > a/b/inner/made",
    });
    assert.deepEqual(outcomes(runInside(made, script)), { plant: "no", swap: "no", swapOuter: "no", write: "yes" });
    made.close();
    assert.deepEqual(
      outcomes(runOutside(folders.project, attempts({ plant: "mkdir -p a/b/inner/.git/hooks", swap: "mv a/b a/old" }))),
      { plant: "yes", swap: "yes" },
    );
  });

  test("the network and other processes are not there", async (t) => {
    const folders = makeFolders(t);
    const server = createServer((socket) => socket.end());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { port } = server.address() as { port: number }; // TCP, so not a path.
    const connect = `${process.execPath} -e 'require("net").connect(${port},"127.0.0.1").on("connect",()=>process.exit(0)).on("error",()=>process.exit(1))'`;
    const script = attempts({ connect, process: `kill -0 ${process.pid}` });
    assert.deepEqual(outcomes(runInside(plan(folders), script)), { connect: "no", process: "no" });
    assert.deepEqual(outcomes(runInside(plan(folders, { network: true }), script)), {
      connect: "yes",
      process: "no",
    });
    assert.deepEqual(outcomes(runOutside(folders.project, script)), { connect: "yes", process: "yes" });
  });

  test("replacedSinceStart() names a file whose protection ended because it was replaced outside", (t) => {
    const folders = makeFolders(t);
    makeRepository(folders.project);
    const made = plan(folders);
    assert.deepEqual(made.replacedSinceStart(), []);
    const config = join(folders.project, ".git/config");
    writeFileSync(`${config}.new`, readFileSync(config));
    renameSync(`${config}.new`, config);
    assert.deepEqual(made.replacedSinceStart(), [config]);
  });
});

describe("what a run leaves on the host", { skip }, () => {
  async function startOwner(
    t: TestContext,
    folders: Folders,
  ): Promise<{ kill: () => Promise<void>; scratchFolder: string }> {
    const child = spawn(
      process.execPath,
      [...process.execArgv, join(import.meta.dirname, "fixtures/plan-and-wait.ts"), folders.project, folders.home],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    t.after(() => child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer]; // The fixture's one line.
    const kill = async (): Promise<void> => {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    };
    return { kill, scratchFolder: line.toString().trim() };
  }

  test("the next start removes what a killed owner left", async (t) => {
    const folders = makeFolders(t);
    const other = join(folders.base, "other");
    mkdirSync(other);
    const owner = await startOwner(t, folders);
    assert.equal(existsSync(join(folders.project, ".git")), true);
    plan({ ...folders, project: other }).close();
    assert.equal(existsSync(join(folders.project, ".git")), true);
    await owner.kill();
    assert.equal(existsSync(owner.scratchFolder), true);
    plan({ ...folders, project: other }).close();
    assert.deepEqual(readdirSync(folders.project), []);
    assert.equal(existsSync(owner.scratchFolder), false);
    assert.deepEqual(readdirSync(join(folders.home, "placeholders")), []);
  });

  test("what was put into a placeholder outside meanwhile is left alone", async (t) => {
    const folders = makeFolders(t);
    const owner = await startOwner(t, folders);
    writeFileSync(join(folders.project, ".vscode/settings.json"), "{}");
    await owner.kill();
    plan(folders).close();
    assert.deepEqual(readdirSync(folders.project), [".vscode"]);
  });

  test("runs in one folder share placeholders, and the last removes them", async (t) => {
    const folders = makeFolders(t);
    const owner = await startOwner(t, folders);
    const first = plan(folders);
    const second = plan(folders);
    const script = attempts({ plant: "mkdir -p .git/hooks" });
    first.close();
    assert.equal(existsSync(join(folders.project, ".git")), true);
    assert.deepEqual(outcomes(runInside(second, script)), { plant: "no" });
    await owner.kill();
    const third = plan(folders);
    second.close();
    assert.deepEqual(outcomes(runInside(third, script)), { plant: "no" });
    third.close();
    assert.deepEqual(readdirSync(folders.project), []);
  });

  test("close() removes folders without rights and folders deeper than a path can name", (t) => {
    const folders = makeFolders(t);
    const made = plan(folders);
    const descend =
      'process.chdir("/tmp"); for (let i = 0; i < 40; i++) { fs.mkdirSync("d".repeat(200)); process.chdir("d".repeat(200)); }';
    const script = attempts({
      close: "mkdir /tmp/closed && echo 1 > /tmp/closed/file && chmod 000 /tmp/closed",
      descend: `${process.execPath} -e '${descend}'`,
    });
    assert.deepEqual(outcomes(runInside(made, script)), { close: "yes", descend: "yes" });
    assert.deepEqual(made.close(), []);
    assert.deepEqual(made.close(), []);
    assert.equal(existsSync(made.scratchFolder ?? ""), false);
  });

  test("close() removes what was made although its record is gone", (t) => {
    const folders = makeFolders(t);
    const made = plan(folders);
    rmSync(folders.home, { recursive: true });
    assert.deepEqual(made.close(), []);
    assert.deepEqual([readdirSync(folders.project), existsSync(made.scratchFolder ?? "")], [[], false]);
  });

  test("a refused plan leaves nothing", (t) => {
    const folders = makeFolders(t);
    spawnSync("ln", ["-s", "/nowhere", join(folders.project, ".vscode")]);
    assert.throws(() => plan(folders), { code: "WALL_REFUSED" });
    assert.deepEqual(readdirSync(folders.project), [".vscode"]);
  });
});
