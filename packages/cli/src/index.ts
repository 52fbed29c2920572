/** The public surface of @sallyport/cli: the command line as a function. */
export { runCli } from "./run-cli.ts";
