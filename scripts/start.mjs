// npm start: brings what the demo needs, builds what is missing, then becomes `sallyport demo`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureBuild, ROOT } from "./ensure-build.mjs";
import { ensureSystemPackages } from "./system-packages.mjs";

ensureSystemPackages(["build", "demo"]);
ensureBuild();

const command = join(ROOT, "bin", "sallyport");
const args = ["demo", ...process.argv.slice(2)];
// Becoming the demo, rather than waiting for it, leaves Ctrl-C and the exit status to the demo itself.
if (typeof process.execve === "function") process.execve(command, [command, ...args], process.env);
const { status, signal } = spawnSync(command, args, { stdio: "inherit" });
if (signal !== null) process.kill(process.pid, signal);
process.exitCode = status ?? 1;
