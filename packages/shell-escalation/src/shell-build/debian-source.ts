/** Fetches the sources of Bash as the distribution ships them, without root and without touching the system: apt-get works on
 *  lists, caches and a list of sources of its own. apt checks the signatures and digests as ever. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BuildJob } from "./build-job.ts";
import { toolEnvironment } from "./build-job.ts";

export interface DebianSource {
  /** The upstream sources. */
  tarball: string;
  /** What the distribution adds, its patches among it; null if there is no such file. */
  additions: string | null;
  /** As the distribution counts: "5.2.15-2". */
  version: string;
  detail: string;
}

/** `aptFolder` holds the system's `sources.list` and `sources.list.d`. */
export async function fetchDebianSource(job: BuildJob, aptFolder: string): Promise<DebianSource> {
  const place = join(job.folder, "apt");
  const download = join(place, "download");
  const parts = join(place, "parts");
  for (const folder of [
    parts,
    download,
    join(place, "lists", "partial"),
    join(place, "cache", "archives", "partial"),
  ]) {
    mkdirSync(folder, { recursive: true });
  }
  const sources = sourceLists(aptFolder, addressesOf(job));
  if (sources.length === 0) throw job.failure(`"${aptFolder}" names no package source; give the sources with --source`);
  for (const { name, text } of sources) writeFileSync(join(parts, name), text);

  const options = aptOptions(place, parts);
  // An update that fails in part still leaves usable lists, so only the download decides.
  await job.run("apt-get", [...options, "update"], { cwd: place, mayFail: true });
  await job.run("apt-get", [...options, "source", "--download-only", "bash"], { cwd: download });
  return describeDownload(job, download);
}

function aptOptions(place: string, parts: string): string[] {
  const settings = {
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": parts,
    "Dir::State::lists": join(place, "lists"),
    // Else apt would look for the sources of the version that is installed, which may be gone.
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(place, "cache"),
    "Debug::NoLocking": "1",
    // As root apt would give up its rights and then not reach this folder.
    "APT::Sandbox::User": "",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowDowngradeToInsecureRepositories": "false",
    "APT::Get::AllowUnauthenticated": "false",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
  };
  return ["-q", "-y", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

/** Where the installed Bash can come from; empty if apt does not know. Other sources need not be asked. */
function addressesOf(job: BuildJob): string[] {
  const { stdout, error } = spawnSync("apt-cache", ["policy", "bash"], { encoding: "utf8", env: toolEnvironment() });
  if (error !== undefined) throw job.failure(`apt-cache can't be started (${error.message})`);
  return [...stdout.matchAll(/^ +-?\d+ ([a-z+]+:\S+) /gm)].map(([, address]) => withoutSlash(address ?? ""));
}

/** The system's lists, turned to sources. */
function sourceLists(aptFolder: string, addresses: string[]): { name: string; text: string }[] {
  const folder = join(aptFolder, "sources.list.d");
  const listed = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const lists = [join(aptFolder, "sources.list"), ...listed].filter((file) => existsSync(file));
  const wanted = (address: string): boolean => addresses.length === 0 || addresses.includes(withoutSlash(address));
  return lists.flatMap((file, index) => {
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".sources")) return named(`${index}.sources`, sourceStanzas(text, wanted));
    return file.endsWith(".list") ? named(`${index}.list`, sourceLines(text, wanted)) : [];
  });
}

function named(name: string, text: string): { name: string; text: string }[] {
  return text === "" ? [] : [{ name, text }];
}

function sourceStanzas(text: string, wanted: (address: string) => boolean): string {
  const stanzas = text
    .split(/\n\s*\n/)
    .map((stanza) => stanza.replaceAll(/^#.*\n?/gm, ""))
    .filter((stanza) => {
      const [, addresses] = /^URIs:\s*(.*)$/im.exec(stanza) ?? [];
      return /^Types:.*\bdeb\b/im.test(stanza) && (addresses ?? "").split(/\s+/).some(wanted);
    });
  return stanzas.map((stanza) => stanza.replace(/^Types:.*$/im, "Types: deb-src")).join("\n\n");
}

function sourceLines(text: string, wanted: (address: string) => boolean): string {
  return text
    .split("\n")
    .flatMap((line) => {
      const [, options, address, rest] = /^\s*deb\s+(\[.*?\]\s+)?(\S+)(\s.*)$/.exec(line) ?? [];
      return address !== undefined && wanted(address) ? [`deb-src ${options ?? ""}${address}${rest ?? ""}\n`] : [];
    })
    .join("");
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, "");
}

function describeDownload(job: BuildJob, download: string): DebianSource {
  const names = readdirSync(download);
  const find = (pattern: RegExp): string | null => {
    const name = names.find((candidate) => pattern.test(candidate));
    return name === undefined ? null : join(download, name);
  };
  const tarball = find(/\.orig\.tar\.[a-z0-9]+$/);
  const description = find(/\.dsc$/);
  if (tarball === null || description === null) {
    throw job.failure(`apt-get brought ${names.join(", ") || "nothing"}, expected a .dsc and a .orig.tar file`);
  }
  const [, version] = /^Version: (\S+)$/m.exec(readFileSync(description, "utf8")) ?? [];
  if (version === undefined) throw job.failure(`"${description}" names no version`);
  return { tarball, additions: find(/\.debian\.tar\.[a-z0-9]+$/), version, detail: `bash ${version}` };
}
