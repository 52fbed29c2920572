/** start-and-wait.ts MODE MARK: a Node of its own that starts a tree of processes with MARK in their environment, to be killed. */
import { startBroker } from "../../src/index.ts";
import { launchSpec } from "./raw-broker.ts";

const [mode, mark = ""] = process.argv.slice(2);
const broker = await startBroker({
  handlers: { onExec: (event) => broker.verdict(event.requestId, { kind: "run" }), onExecEnd: () => {} },
});
await broker.launch(
  launchSpec({
    mode: mode === "plain" ? "plain" : "guarded",
    intercept: mode !== "plain",
    file: "/bin/sh",
    argv: ["sh", "-c", "setsid sleep 67 & sleep 67 & sleep 67"],
    env: [mark, "PATH=/usr/bin:/bin"],
  }),
);
await broker.finished;
