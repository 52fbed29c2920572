/** What stays unreadable by default: keys and logins. */
import { join } from "node:path";

export function defaultDenyRead(userHome: string): string[] {
  return [".ssh", ".gnupg", ".aws", ".config/gh", ".netrc"].map((name) => join(userHome, name));
}
