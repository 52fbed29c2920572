/** The layers of configuration, weakest first. Values of a later layer win; hooks of all layers add up.
 *
 *      requirements   /etc/sallyport/requirements.toml     what nobody may change; besides, managed hooks
 *      system         /etc/sallyport/{hooks.json,config.toml}
 *      user           <home>/{hooks.json,config.toml}      trust is kept here, and nowhere else
 *      project        <folder>/.sallyport/{hooks.json,config.toml}, from the repository's root down; trusted projects only
 *      sessionFlags   -c key=value, or `config` of a request
 *      managed        /etc/sallyport/managed_config.toml
 *
 *  Files of Codex and Claude Code join the user's and the project's layer where `[hooks] read` names them: their hooks only. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { HookSource } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import { nodeFromValue, parseJsonNode, parseTomlFile, plainValue } from "./config-node.ts";
import type { ConfigNode } from "./config-node.ts";
import { formatConfigWarning, suggestion, wholeFile } from "./config-warning.ts";
import type { ConfigWarning } from "./config-warning.ts";
import { findProject, realPath } from "./find-project.ts";
import type { Project } from "./find-project.ts";
import type { ConfigOverride } from "./overrides.ts";
import { readConfigFile } from "./read-config-file.ts";

/** Whose rules a file follows. */
export type FileOrigin = "sallyport" | "codex" | "claude";

/** One file, or part of one, that may hold hooks. */
export interface HookFile {
  path: string;
  origin: FileOrigin;
  /** `document`: the whole of hooks.json, events under its key `hooks`; `events`: the `[hooks]` table itself. */
  shape: "document" | "events";
  node: ConfigNode;
}

export interface ConfigLayer {
  kind: "requirements" | "system" | "user" | "project" | "sessionFlags" | "managed";
  source: HookSource;
  isManaged: boolean;
  /** The file that `values` come from, whether it exists or not. */
  configPath: string;
  /** What `config.toml` says, without what this layer may not say. */
  values: Record<string, unknown>;
  hookFiles: HookFile[];
}

export interface ConfigError {
  path: string;
  message: string;
}

export interface ConfigLayers {
  home: string;
  cwd: string;
  project: Project;
  projectIsTrusted: boolean;
  /** Where the machine's files were looked for. */
  systemFolder: string;
  /** Weakest first. */
  layers: ConfigLayer[];
  /** `config.toml` of Codex, where trust for its own files may already be noted; null unless it is read. */
  codexValues: Record<string, unknown> | null;
  warnings: ConfigWarning[];
  /** Files that could not be used at all. */
  errors: ConfigError[];
}

export interface LoadConfigOptions {
  /** Sallyport's home; checked by the caller. */
  home: string;
  /** The session's folder. */
  cwd: string;
  env?: NodeJS.ProcessEnv;
  sessionFlags?: readonly ConfigOverride[];
  /** Of tests; nothing that an agent controls may choose it. */
  systemFolder?: string;
}

/** Keys of `[hooks]` that are no events. */
export const hookSettingNames: readonly string[] = [
  "http_private_addresses",
  "managed_dir",
  "max_stop_blocks",
  "read",
  "state",
  "windows_managed_dir",
];

/** Where hooks and values given on the command line or in a request are said to come from. */
export const sessionFlagsPath = "/<session-flags>/config.toml";
const defaultSystemFolder = "/etc/sallyport";

/** What a project may set. Whoever can write into a folder below the workspace's root, such as a command in the sandbox, can plant
 *  a `.sallyport/config.toml` there for the next session. So a project has no say in the sandbox, approvals, programs to
 *  start and servers to send keys to; hooks are trusted one by one. */
const projectKeys = new Set([
  "developer_instructions",
  "hooks",
  "model",
  "model_reasoning_effort",
  "model_reasoning_summary",
  "model_verbosity",
  "project_doc_fallback_filenames",
  "project_doc_max_bytes",
  "review_model",
]);

/** Reads every layer. A file that can't be used is in `errors` and the rest still loads, with one exception: throws
 *  `CONFIG_INVALID` for a broken requirements.toml, because without it everything that it forbids would be allowed. */
export function loadConfigLayers(options: LoadConfigOptions): ConfigLayers {
  const env = options.env ?? process.env;
  const system = options.systemFolder ?? defaultSystemFolder;
  const collected: Collected = { warnings: [], errors: [] };
  const user = readLayer("user", "user", options.home, collected);
  const readers = readersOf(user, collected);
  const codexValues = readers.has("codex") ? addCodexFiles(user, codexHome(env), "onlyOwn", collected) : null;
  if (readers.has("claude")) addClaudeFiles(user, claudeHome(env), ["settings.json"], collected);
  const project = findProject(options.cwd);
  const trust = projectTrust(user.values["projects"], project, realPath(options.cwd));
  const projectLayers = trust === "trusted" ? readProject(project, options.home, readers, collected) : [];
  if (trust === "unknown") warnOfUntrusted(project, user.configPath, options.home, collected);
  const layers = [
    readRequirements(join(system, "requirements.toml"), collected),
    readLayer("system", "system", system, collected),
    user,
    ...projectLayers,
    readSessionFlags(options.sessionFlags ?? [], collected),
    readManaged(join(system, "managed_config.toml"), collected),
  ];
  return {
    home: options.home,
    cwd: options.cwd,
    project,
    projectIsTrusted: trust === "trusted",
    systemFolder: system,
    layers,
    codexValues,
    ...collected,
  };
}

interface Collected {
  warnings: ConfigWarning[];
  errors: ConfigError[];
}

/** The values of all layers as one: tables are merged key by key, anything else of a later layer replaces the earlier. `hooks`, as
 *  they add up, and `projects` are left out: both are asked for elsewhere. */
export function mergedConfig({ layers }: Pick<ConfigLayers, "layers">): Record<string, unknown> {
  let merged: Record<string, unknown> = {};
  for (const { kind, values } of layers) {
    // Requirements are limits to what may be set, not settings.
    if (kind !== "requirements") merged = mergeTables(merged, values);
  }
  const { hooks: _, projects: __, ...config } = merged;
  return config;
}

/** What nobody may change: the system's requirements.toml. */
export function requirementsOf({ layers }: Pick<ConfigLayers, "layers">): Record<string, unknown> {
  return layers.find(({ kind }) => kind === "requirements")?.values ?? {};
}

export function userLayerOf({ layers }: Pick<ConfigLayers, "layers">): ConfigLayer {
  const user = layers.find(({ kind }) => kind === "user");
  if (user === undefined) throw new TypeError("loadConfigLayers() makes a user layer");
  return user;
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mergeTables(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  // A map, because a key such as `__proto__` assigned to an object would do something else.
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const old = merged.get(key);
    merged.set(key, isTable(old) && isTable(value) ? mergeTables(old, value) : value);
  }
  return Object.fromEntries(merged);
}

function readLayer(
  kind: "system" | "user" | "project",
  source: HookSource,
  folder: string,
  collected: Collected,
): ConfigLayer {
  const check = kind === "project" ? "anyOwner" : "onlyOwn";
  const configPath = join(folder, "config.toml");
  const json = readHooksJson(join(folder, "hooks.json"), "sallyport", check, collected);
  const toml = readToml(configPath, check, collected);
  const events = toml === null ? null : eventsOf(configPath, "sallyport", toml.node);
  return {
    kind,
    source,
    isManaged: kind === "system",
    configPath,
    values: toml?.table ?? {},
    hookFiles: [json, events].filter((file) => file !== null),
  };
}

function readRequirements(path: string, collected: Collected): ConfigLayer {
  const before = collected.errors.length;
  const toml = readToml(path, "onlyOwn", collected);
  const [error] = collected.errors.slice(before);
  if (error !== undefined) {
    // Fails closed, because what the file forbids is not known.
    throw new SallyportError(
      "CONFIG_INVALID",
      `Requirements "${path}" can't be used: ${error.message}; ask who manages this machine`,
      { data: { path } },
    );
  }
  const events = toml === null ? null : eventsOf(shownRequirementsPath(path, toml.table), "sallyport", toml.node);
  return {
    kind: "requirements",
    source: "system",
    isManaged: true,
    configPath: path,
    values: toml?.table ?? {},
    hookFiles: events === null ? [] : [events],
  };
}

/** `[hooks] managed_dir` only says what is shown as the hooks' place. */
function shownRequirementsPath(path: string, table: Record<string, unknown>): string {
  const hooks = table["hooks"];
  const shown = isTable(hooks)
    ? hooks[process.platform === "win32" ? "windows_managed_dir" : "managed_dir"]
    : undefined;
  return typeof shown === "string" && isAbsolute(shown) ? shown : path;
}

function readManaged(path: string, collected: Collected): ConfigLayer {
  const toml = readToml(path, "onlyOwn", collected);
  const events = toml === null ? null : eventsOf(path, "sallyport", toml.node);
  return {
    kind: "managed",
    source: "legacyManagedConfigFile",
    isManaged: true,
    configPath: path,
    values: toml?.table ?? {},
    hookFiles: events === null ? [] : [events],
  };
}

function readProject(
  project: Project,
  home: string,
  readers: ReadonlySet<FileOrigin>,
  collected: Collected,
): ConfigLayer[] {
  return project.configFolders.map((folder) => {
    const own = join(folder, ".sallyport");
    const isHome = realPath(own) === realPath(home);
    const layer: ConfigLayer = isHome ? emptyProjectLayer(own) : readLayer("project", "project", own, collected);
    layer.values = withoutForbidden(layer, collected);
    if (readers.has("codex")) addCodexFiles(layer, join(folder, ".codex"), "anyOwner", collected);
    if (readers.has("claude")) {
      addClaudeFiles(layer, join(folder, ".claude"), ["settings.json", "settings.local.json"], collected);
    }
    return layer;
  });
}

/** In the user's home folder `.sallyport` is the home itself, which is no project's. */
function emptyProjectLayer(folder: string): ConfigLayer {
  const configPath = join(folder, "config.toml");
  return { kind: "project", source: "project", isManaged: false, configPath, values: {}, hookFiles: [] };
}

function withoutForbidden(layer: ConfigLayer, collected: Collected): Record<string, unknown> {
  const ignore = (path: string): false => {
    const message = "a project can't set this; it is ignored. Set it in your own config.toml";
    collected.warnings.push({ file: layer.configPath, place: { ...wholeFile, path }, message });
    return false;
  };
  const allowed = Object.entries(layer.values).filter(([key]) => projectKeys.has(key) || ignore(key));
  const { hooks, ...values } = Object.fromEntries(allowed);
  if (!isTable(hooks)) return values;
  const events = Object.entries(hooks).filter(([key]) => !hookSettingNames.includes(key) || ignore(`hooks.${key}`));
  return { ...values, hooks: Object.fromEntries(events) };
}

function readSessionFlags(flags: readonly ConfigOverride[], collected: Collected): ConfigLayer {
  let table: Record<string, unknown> = {};
  for (const { path, value } of flags) {
    const nested = path.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), value);
    // Every path has at least one key, so what is nested is a table.
    table = mergeTables(table, nested as Record<string, unknown>);
  }
  const hooks = table["hooks"];
  const node = hooks === undefined ? null : eventsOf(sessionFlagsPath, "sallyport", nodeFromValue(table, ""));
  const values = plainValue(table) as Record<string, unknown>; // a table stays one
  const hookValues = isTable(values["hooks"]) ? values["hooks"] : {};
  const ignored = [
    ...["bypass_hook_trust", "projects"].filter((key) => Object.hasOwn(values, key)),
    ...["read", "state"].filter((key) => Object.hasOwn(hookValues, key)).map((key) => `hooks.${key}`),
  ];
  for (const path of ignored) {
    const message = "flags can't set this; it is ignored";
    collected.warnings.push({ file: sessionFlagsPath, place: { ...wholeFile, path }, message });
  }
  return {
    kind: "sessionFlags",
    source: "sessionFlags",
    isManaged: false,
    configPath: sessionFlagsPath,
    values,
    hookFiles: node === null ? [] : [node],
  };
}

function readersOf(user: ConfigLayer, collected: Collected): Set<FileOrigin> {
  const hooks = user.values["hooks"];
  const read = isTable(hooks) ? (hooks["read"] ?? []) : [];
  const known: readonly FileOrigin[] = ["codex", "claude"];
  const readers = new Set<FileOrigin>();
  for (const name of Array.isArray(read) ? (read as unknown[]) : [read]) {
    const reader = known.find((candidate) => candidate === name);
    if (reader !== undefined) readers.add(reader);
    else {
      const written = typeof name === "string" ? name : JSON.stringify(name);
      const message = `"${written}" is not known, expected "codex" or "claude"${suggestion(written, known)}`;
      collected.warnings.push({ file: user.configPath, place: { ...wholeFile, path: "hooks.read" }, message });
    }
  }
  return readers;
}

function addCodexFiles(
  layer: ConfigLayer,
  folder: string,
  check: "onlyOwn" | "anyOwner",
  collected: Collected,
): Record<string, unknown> {
  const json = readHooksJson(join(folder, "hooks.json"), "codex", "anyOwner", collected);
  const path = join(folder, "config.toml");
  const toml = readToml(path, check, collected);
  const events = toml === null ? null : eventsOf(path, "codex", toml.node);
  layer.hookFiles.push(...[json, events].filter((file) => file !== null));
  return toml?.table ?? {};
}

function addClaudeFiles(layer: ConfigLayer, folder: string, names: readonly string[], collected: Collected): void {
  const files = names.map((name) => readHooksJson(join(folder, name), "claude", "anyOwner", collected));
  const found = files.filter((file) => file !== null);
  // The switch turns off the hooks of all of its settings files.
  if (found.some(({ node }) => disablesHooks(node))) return;
  layer.hookFiles.push(...found.filter(({ node }) => entryOf(node, "hooks") !== undefined));
}

function disablesHooks(node: ConfigNode): boolean {
  const value = entryOf(node, "disableAllHooks")?.value;
  return value?.kind === "boolean" && value.value;
}

function entryOf(node: ConfigNode, key: string): { value: ConfigNode } | undefined {
  return node.kind === "object" ? node.entries.find((entry) => entry.key === key) : undefined;
}

function readHooksJson(
  path: string,
  origin: FileOrigin,
  check: "onlyOwn" | "anyOwner",
  collected: Collected,
): HookFile | null {
  const read = readConfigFile(path, check);
  if (read.kind === "missing") return null;
  const parsed =
    read.kind === "broken" ? { problem: { place: wholeFile, message: read.message } } : parseJsonNode(read.text);
  if ("node" in parsed) return { path, origin, shape: "document", node: parsed.node };
  const { place, message } = parsed.problem;
  collected.warnings.push({ file: path, place, message: `${message}; the file is skipped` });
  return null;
}

function readToml(
  path: string,
  check: "onlyOwn" | "anyOwner",
  collected: Collected,
): { table: Record<string, unknown>; node: ConfigNode } | null {
  const read = readConfigFile(path, check);
  if (read.kind === "missing") return null;
  const parsed =
    read.kind === "broken" ? { problem: { place: wholeFile, message: read.message } } : parseTomlFile(read.text);
  if ("table" in parsed) return parsed;
  const { place, message } = parsed.problem;
  const text = formatConfigWarning({ file: path, place, message: `${message}; the file is skipped` });
  collected.errors.push({ path, message: text.slice(path.length).replace(/^:? ?/, "") });
  return null;
}

function eventsOf(path: string, origin: FileOrigin, node: ConfigNode): HookFile | null {
  const events = entryOf(node, "hooks");
  return events === undefined ? null : { path, origin, shape: "events", node: events.value };
}

/** The folder's own entry counts, else the repository's root. Only the user's config.toml says who is trusted. */
function projectTrust(projects: unknown, project: Project, cwd: string): "trusted" | "untrusted" | "unknown" {
  const levels = new Map<string, unknown>();
  for (const [path, entry] of Object.entries(isTable(projects) ? projects : {})) {
    if (isAbsolute(path) && isTable(entry)) levels.set(realPath(path), entry["trust_level"]);
  }
  const folders = [cwd, project.root, project.configRoot];
  const [first] = folders.flatMap((folder) => (levels.has(folder) ? [levels.get(folder)] : []));
  // A worktree that is trusted does not make its main checkout so, and that is where the files come from.
  const isTrusted =
    first === "trusted" && (project.configRoot === project.root || levels.get(project.configRoot) === "trusted");
  if (isTrusted) return "trusted";
  return first === "untrusted" ? "untrusted" : "unknown";
}

function warnOfUntrusted(project: Project, userConfig: string, home: string, collected: Collected): void {
  const found = project.configFolders.flatMap((folder) => {
    const own = join(folder, ".sallyport");
    if (realPath(own) === realPath(home)) return [];
    return ["hooks.json", "config.toml", "rules"]
      .map((name) => join(own, name))
      .filter((path) => readConfigFile(path, "anyOwner").kind !== "missing");
  });
  const [first] = found;
  if (first === undefined) return;
  const section = `[projects.${JSON.stringify(project.configRoot)}] trust_level = "trusted"`;
  const message = `the project is not trusted, so its configuration is not read; to trust it, add ${section} to ${userConfig}`;
  collected.warnings.push({ file: first, place: wholeFile, message });
}

function codexHome(env: NodeJS.ProcessEnv): string {
  return env["CODEX_HOME"] || join(env["HOME"] || homedir(), ".codex");
}

function claudeHome(env: NodeJS.ProcessEnv): string {
  return env["CLAUDE_CONFIG_DIR"] || join(env["HOME"] || homedir(), ".claude");
}
