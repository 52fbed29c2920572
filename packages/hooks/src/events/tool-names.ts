/** Names that a tool's hooks are matched on: its own, and those that hooks written for other agents use for the same thing. */
const aliases: Record<string, readonly string[]> = {
  apply_patch: ["Write", "Edit"],
  spawn_agent: ["Agent"],
};

export function toolNames(name: string): string[] {
  return [name, ...(Object.hasOwn(aliases, name) ? (aliases[name] ?? []) : [])];
}
