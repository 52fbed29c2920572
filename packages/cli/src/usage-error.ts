/** A command line that can't be understood: exit 125, nothing run. */
import { SallyportError } from "@sallyport/supervisor/errors";

export function usageError(
  message: string,
  command: "run" | "rules" | "shell" | "doctor" | "demo" | "exec" | "hooks" | "threads" | "app-server" | null,
): SallyportError {
  const help = command === null ? "sallyport --help" : `sallyport ${command} --help`;
  return new SallyportError("USAGE", `${message}; see ${help}`);
}
