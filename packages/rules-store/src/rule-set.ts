/** Rules together with where they came from. */
import type { PrefixRule } from "@sallyport/exec-policy";

/** `user`: a file in Sallyport's home; `flag`: a file named on the command line; `project`: a file of the project that is
 *  worked on, which may spare a question but never carries a program outside. `loadRules()` gives the first two. */
export type RuleOrigin = "user" | "flag" | "project";

export interface StoredRule extends PrefixRule {
  origin: RuleOrigin;
}

export interface RuleSet {
  /** In the order of the files, then of the calls. */
  rules: readonly StoredRule[];
  /** Every file that was read, in order. */
  files: readonly { path: string; origin: RuleOrigin }[];
}
