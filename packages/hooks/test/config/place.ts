/** A home, a project and a system folder of one's own, and what is configured in them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { discoverHooks, listHooks, loadConfigLayers, parseOverride } from "@sallyport/hooks";
import type { ConfigLayers, ConfiguredHandler, DiscoverOptions, DiscoveredHooks } from "@sallyport/hooks";
import type { HookMetadata } from "@sallyport/protocol";

export class Place {
  /** Real path, as the keys of hooks have it. */
  readonly base: string = realpathSync(mkdtempSync(join(tmpdir(), "sallyport-hooks-")));
  readonly home: string = join(this.base, "home");
  readonly project: string = join(this.base, "project");
  readonly system: string = join(this.base, "etc");
  /** The user's home folder, where other agents keep their files. */
  readonly user: string = join(this.base, "user");

  constructor() {
    after(() => rmSync(this.base, { recursive: true, force: true }));
    mkdirSync(this.home, { mode: 0o700 });
    mkdirSync(this.project);
  }

  /** Writes a file, given relative to the place, and the folders above it. */
  write(name: string, content: string | object): string {
    const path = join(this.base, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
    return path;
  }

  load(changes: { cwd?: string; flags?: string[] } = {}): ConfigLayers {
    return loadConfigLayers({
      home: this.home,
      cwd: changes.cwd ?? this.project,
      env: { HOME: this.user },
      sessionFlags: (changes.flags ?? []).map(parseOverride),
      systemFolder: this.system,
    });
  }

  discover(changes: { cwd?: string; flags?: string[] } & DiscoverOptions = {}): DiscoveredHooks {
    return discoverHooks(this.load(changes), changes);
  }

  /** Warnings and errors as people see them, with the place's own path cut out. */
  complaints(changes: { cwd?: string; flags?: string[] } = {}): string[] {
    const { warnings, errors } = listHooks(this.discover(changes), this.project);
    const all = [...errors.map(({ path, message }) => `${path}: ${message}`), ...warnings];
    return all.map((text) => text.replaceAll(`${this.base}/`, ""));
  }

  list(changes: { cwd?: string; flags?: string[] } & DiscoverOptions = {}): HookMetadata[] {
    return listHooks(this.discover(changes), this.project).hooks;
  }

  /** The only handler of a home whose hooks.json has just this one. */
  only(event: string, handler: object, group: object = {}): ConfiguredHandler {
    this.write("home/hooks.json", { hooks: { [event]: [{ ...group, hooks: [handler] }] } });
    const [first] = this.discover().handlers;
    if (first === undefined) throw new Error(`nothing was found: ${this.complaints().join("\n")}`);
    return first;
  }

  trustProject(folder: string = this.project): void {
    this.write("home/config.toml", `[projects.${JSON.stringify(folder)}]\ntrust_level = "trusted"\n`);
  }
}

export function command(text: string, fields: object = {}): object {
  return { type: "command", command: text, ...fields };
}

export function commandsOf(handlers: readonly ConfiguredHandler[]): string[] {
  return handlers.map(({ action }) => (action.type === "command" ? action.command : action.type));
}

/** For comparing the rest of an object as a whole. */
export function without(object: object, ...keys: string[]): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
