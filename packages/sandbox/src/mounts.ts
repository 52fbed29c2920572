/** From a survey to the mounts of the sandbox and to bubblewrap's arguments. Pure.
 *
 *  The order of mounts is the order of depth: a mount hides what was mounted below its own path before it, so `/run` must come before
 *  what is shown again in it, a writable root before the protected names in it. For two mounts at one path the stricter one stays. */
import { dirname, join } from "node:path";
import { depth, foldersBetween, isWithin } from "./paths.ts";
import type { Placeholder } from "./protected-names.ts";
import type { Shown, Survey } from "./survey.ts";

export type Mount =
  /** A folder or file of the host; `source` is its path there. */
  | { kind: "bind"; at: string; source: string; writable: boolean }
  /** An empty folder that can't be written. With `closed` it can't be listed either. */
  | { kind: "empty"; at: string; closed: boolean }
  /** Nothing that can be opened: /dev/null on a mount where devices don't work. */
  | { kind: "nothing"; at: string }
  /** Memory of its own, writable. */
  | { kind: "memory"; at: string };

export interface MountPlan {
  mounts: Mount[];
  /** Folders to be made on the host, in the scratch folder, before the start. */
  scratchFolders: string[];
  /** Inside name of the folder of the probe's canary. */
  canaryFolder: string;
}

const strictness: Record<Mount["kind"], number> = { memory: 0, bind: 1, empty: 2, nothing: 3 };
const sharedMemoryBytes = 1 << 30;

export const canaryName = "canary";
export const shownCanaryName = "shown-canary";

/** `standing`: the placeholders that exist on the host now. */
export function planMounts(survey: Survey, standing: readonly Placeholder[], scratchFolder: string): MountPlan {
  const hasScratch = survey.roots.length > 0 && !survey.ownMemory;
  const table = new MountTable(hasScratch ? scratchFolder : null);
  for (const folder of survey.privateFolders)
    if (survey.ownMemory) table.add({ kind: "memory", at: folder });
    else table.addPrivate(folder);
  for (const folder of survey.runFolders) table.add({ kind: "empty", at: folder, closed: false });
  if (survey.hasSharedMemory && (survey.roots.length > 0 || survey.ownMemory))
    table.add({ kind: "memory", at: "/dev/shm" });
  if (table.isVisible(survey.home)) table.add({ kind: "empty", at: survey.home, closed: false });
  for (const root of survey.roots) table.add({ kind: "bind", at: root, source: root, writable: true });
  table.show({ at: survey.cwd, source: survey.cwd });
  for (const shown of survey.shown)
    if (!survey.denied.some(({ path }) => isWithin(shown.source, path))) table.show(shown);
  for (const path of table.maskedPaths(survey)) table.add(path);
  for (const path of survey.lifted) table.add({ kind: "bind", at: path, source: path, writable: false });
  for (const shown of survey.grantedSockets) table.show(shown);
  for (const { path, how } of survey.protectedNames.guards)
    table.add({ kind: "bind", at: path, source: path, writable: how === "pinned" });
  for (const { path } of standing) table.add({ kind: "bind", at: path, source: path, writable: false });
  if (survey.asRoot)
    for (const path of survey.procFolders) table.add({ kind: "bind", at: path, source: path, writable: false });
  // At the path of the host's canary folder, but another one: the broker's socket in the host's is what the probe must not reach.
  const canaryFolder = join(scratchFolder, canaryName);
  table.add({ kind: "bind", at: canaryFolder, source: join(scratchFolder, shownCanaryName), writable: false });
  table.pinFolders();
  return { mounts: table.sorted(), scratchFolders: table.scratchFolders(), canaryFolder };
}

class MountTable {
  readonly #mounts = new Map<string, Mount>();
  /** Null in read-only mode, where nothing can be written and so nothing has to be kept. */
  readonly #scratch: string | null;
  readonly #scratchFolders = new Set<string>();

  constructor(scratch: string | null) {
    this.#scratch = scratch;
    if (scratch !== null) this.#scratchFolders.add(join(scratch, "shm"));
  }

  add(mount: Mount): void {
    const present = this.#mounts.get(mount.at);
    if (present !== undefined && isStricter(present, mount)) return;
    this.#mounts.set(mount.at, mount);
  }

  addPrivate(folder: string): void {
    if (this.#scratch === null) return this.add({ kind: "empty", at: folder, closed: false });
    const source = join(this.#scratch, folder.slice(1).replaceAll("/", "-"));
    this.#scratchFolders.add(source);
    this.add({ kind: "bind", at: folder, source, writable: true });
  }

  /** The innermost mount that the path lies in; undefined for the read-only root. */
  cover(path: string): Mount | undefined {
    let found: Mount | undefined;
    for (const mount of this.#mounts.values()) {
      if (isWithin(path, mount.at) && mount.at.length > (found?.at.length ?? 0)) found = mount;
    }
    return found;
  }

  /** True where the host's own file would be seen at the path. */
  isVisible(path: string): boolean {
    const cover = this.cover(path);
    return cover === undefined || (cover.kind === "bind" && cover.source === cover.at);
  }

  /** Binds what would be hidden, read-only, at its real path and at the name that the caller used for it. */
  show({ at, source }: Shown): void {
    for (const path of at === source ? [source] : [source, at]) {
      // A private or hidden folder itself is never brought back, whatever a PATH says.
      if (this.isVisible(path) || this.#mounts.has(path)) continue;
      this.add({ kind: "bind", at: path, source, writable: false });
    }
  }

  maskedPaths(survey: Survey): Mount[] {
    const denied = survey.denied.map(({ path, kind }): Mount =>
      kind === "folder"
        ? // Closed, nobody but root gets to what is lifted in it.
          { kind: "empty", at: path, closed: !survey.lifted.some((lifted) => isWithin(lifted, path)) }
        : { kind: "nothing", at: path },
    );
    const sockets = survey.sockets.map((path): Mount => {
      const folder = dirname(path);
      // The whole folder where that breaks nothing: it may get further sockets while the command runs.
      return isKept(folder, survey) ? { kind: "nothing", at: path } : { kind: "empty", at: folder, closed: false };
    });
    const masks = [...denied, ...sockets].flatMap((mask) => this.#namesOf(mask.at).map((at) => ({ ...mask, at })));
    return masks.filter(
      ({ at }) => !masks.some((other) => other.at !== at && other.kind === "empty" && isWithin(at, other.at)),
    );
  }

  /** Every path inside under which the host's `path` can be seen: its own, and those through a folder that is shown by another name. */
  #namesOf(path: string): string[] {
    const aliases = [...this.#mounts.values()].flatMap((mount) =>
      mount.kind === "bind" && mount.source !== mount.at && isWithin(path, mount.source)
        ? [`${mount.at}${path.slice(mount.source.length)}`]
        : [],
    );
    return this.isVisible(path) ? [path, ...aliases] : aliases;
  }

  /** Mounts each folder between a writable area and a mount in it over itself: it could be renamed otherwise, and a new one, with
   *  other contents under the name that the mount was to protect, put in its place. What hides would move along with its folder, and
   *  hide on inside; but what is denied to programs outside is told by its path, and would be read there under the new one. */
  pinFolders(): void {
    for (const mount of [...this.#mounts.values()].toSorted((a, b) => depth(a.at) - depth(b.at))) {
      const area = this.cover(dirname(mount.at));
      if (area === undefined || area.kind !== "bind" || !area.writable) continue;
      for (const folder of foldersBetween(area.at, mount.at)) {
        const source = join(area.source, folder.slice(area.at.length));
        if (this.#isScratch(source)) this.#scratchFolders.add(source);
        this.add({ kind: "bind", at: folder, source, writable: true });
      }
    }
  }

  #isScratch(path: string): boolean {
    return this.#scratch !== null && isWithin(path, this.#scratch);
  }

  sorted(): Mount[] {
    return [...this.#mounts.values()].toSorted((a, b) => depth(a.at) - depth(b.at) || (a.at < b.at ? -1 : 1));
  }

  scratchFolders(): string[] {
    return [...this.#scratchFolders].toSorted((a, b) => depth(a) - depth(b));
  }
}

/** A read-only bind stays before a writable one, and whatever hides before whatever shows. */
function isStricter(a: Mount, b: Mount): boolean {
  if (strictness[a.kind] !== strictness[b.kind]) return strictness[a.kind] > strictness[b.kind];
  return a.kind === "bind" && b.kind === "bind" && !a.writable && b.writable;
}

/** Folders high up (`/var/lib`, `~/.config`, `~/.local/share`) hold much else; folders that hold a home, a root or a PATH entry are needed. */
function isKept(folder: string, survey: Survey): boolean {
  const isHighUp =
    depth(folder) < 3 ||
    survey.userHomes.some((home) => dirname(folder) === home || dirname(folder) === join(home, ".local"));
  return isHighUp || survey.keptFolders.some((path) => isWithin(path, folder));
}

/** Arguments for bubblewrap, without its own name, up to what it executes. */
export function mountArguments(mounts: readonly Mount[]): string[] {
  const args = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"];
  const readOnlyAtTheEnd = ["/dev"];
  for (const mount of mounts) {
    if (mount.kind === "bind") args.push(mount.writable ? "--bind" : "--ro-bind", mount.source, mount.at);
    else if (mount.kind === "nothing") args.push("--ro-bind", "/dev/null", mount.at);
    else if (mount.kind === "memory")
      args.push("--perms", "1777", "--size", String(sharedMemoryBytes), "--tmpfs", mount.at);
    else {
      args.push("--perms", mount.closed ? "0000" : "0755", "--tmpfs", mount.at);
      readOnlyAtTheEnd.push(mount.at);
    }
  }
  // Only when every mount point in them is made. A writable memory file system would let the command put a program under a name
  // that outside belongs to somebody else; /dev itself is such a one.
  for (const at of readOnlyAtTheEnd) args.push("--remount-ro", at);
  return args;
}

/** What a path inside is called outside. */
export function outsideName(path: string, mounts: readonly Mount[], scratchFolder: string): string {
  let found: Mount | undefined;
  for (const mount of mounts) if (isWithin(path, mount.at) && mount.at.length > (found?.at.length ?? 0)) found = mount;
  if (found === undefined) return path;
  const rest = path.slice(found.at.length);
  if (found.kind === "memory") return join(scratchFolder, "shm", rest);
  return found.kind === "bind" ? `${found.source}${rest}` : path;
}
