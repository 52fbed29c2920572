/** Rules together with where they came from. */
import type { HostExecutables, PrefixRule } from "@sallyport/exec-policy";

/** `system`: a file of the machine's, which only root can have written; `user`: one in Sallyport's home; `project`: one of the project
 *  that is worked on, which may spare a question but never carries a program outside; `flag`: one named on the command line;
 *  `managed`: the machine's requirements, which no other rule and no kept yes loosens. */
export type RuleOrigin = "system" | "user" | "project" | "flag" | "managed";

export interface StoredRule extends PrefixRule {
  origin: RuleOrigin;
  /** Only a person can answer: no hook, and nothing that was kept. With `decision` "prompt". */
  onlyPerson?: true;
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
  /** The same for the project's own rules. The attack: a list that comes with the code that is worked on makes the user's allow rule one
   *  for another file. Absent: no file of a project was read. */
  projectHosts?: HostExecutables;
  /** All paths that any file lists for a name, for what is forbidden or asked about: a later list must not take a file out of that.
   *  Absent: as `hosts`. */
  listed?: HostExecutables;
  /** Every file that was read, in order. */
  files: readonly ReadFile[];
}
