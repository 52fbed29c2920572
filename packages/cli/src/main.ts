/** What `bin/sallyport` loads: runs the command line and exits with its status. */
import process from "node:process";
import { readServerWords } from "./turns/server-words.ts";

const words = process.argv.slice(2);
const serverFlags = readServerWords(words);

// Nothing else is loaded before `initialize` is answered.
if (serverFlags !== null) {
  try {
    const { runAppServer } = await import("./turns/run-app-server.ts");
    process.exitCode = await runAppServer(serverFlags);
  } catch (error) {
    const { reportFailure } = await import("./failure.ts");
    process.exitCode = reportFailure(error);
  }
} else {
  const { runCli } = await import("./run-cli.ts");
  process.exitCode = await runCli(words.length);
}
