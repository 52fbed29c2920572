/** The rules have to be readable before a thread starts: a broken file would refuse every command of it, one after the other. */
import { loadRules } from "@sallyport/rules-store";
import { checkHome } from "@sallyport/shell-escalation";

/** Throws `RULES_INVALID` with file, line and column, and `HOME_REFUSED`. */
export function requireRules(home: string): void {
  loadRules({ home, files: [], discover: checkHome(home) });
}
