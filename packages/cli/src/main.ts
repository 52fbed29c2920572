/** What `bin/sallyport` loads: runs the command line and exits with its status. */
import process from "node:process";

const words = process.argv.slice(2);

// The way that clients start the server. It loads nothing else before `initialize` is answered.
if (words[0] === "app-server" && (words.length === 1 || (words.length === 2 && words[1] === "--stdio"))) {
  try {
    const { runAppServer } = await import("./turns/run-app-server.ts");
    process.exitCode = await runAppServer({});
  } catch (error) {
    const { reportFailure } = await import("./failure.ts");
    process.exitCode = reportFailure(error);
  }
} else {
  const { runCli } = await import("./run-cli.ts");
  process.exitCode = await runCli(words.length);
}
