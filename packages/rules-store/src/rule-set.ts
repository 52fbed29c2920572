/** Rules together with where they came from. */
import type { HostExecutables, PrefixRule } from "@sallyport/exec-policy";

/** `user`: a file in Sallyport's home; `flag`: a file named on the command line; `project`: a file of the project that is
 *  worked on, which may spare a question but never carries a program outside. */
export type RuleOrigin = "user" | "flag" | "project";

export interface StoredRule extends PrefixRule {
  origin: RuleOrigin;
}

export interface ReadFile {
  path: string;
  origin: RuleOrigin;
  /** Calls that Codex would refuse, because they use parameters that only Sallyport has. */
  own: readonly { line: number; column: number; parameters: readonly string[] }[];
}

export interface RuleSet {
  /** In the order of the files, then of the calls. */
  rules: readonly StoredRule[];
  /** Where programs of some names lie, as the last file that speaks of a name says. */
  hosts: HostExecutables;
  /** Every file that was read, in order. */
  files: readonly ReadFile[];
}
