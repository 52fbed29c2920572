/** What `bin/sallyport` loads: runs the command line and exits with its status. */
import { runCli } from "./run-cli.ts";

process.exitCode = await runCli(process.argv.length - 2);
