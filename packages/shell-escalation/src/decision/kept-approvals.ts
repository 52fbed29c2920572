/** What an approval is about: which program an exec is, by its files and its name, and for what a yes may be kept. */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";
import type { Text } from "@sallyport/protocol";
import type { ApprovalExec, ApprovalProposal } from "@sallyport/rules-store";
import type { ExecEvent, ExecFile } from "@sallyport/supervisor";
import type { Launchers } from "./launchers.ts";
import { isAnonymous } from "./programs.ts";
import type { Program } from "./programs.ts";
import { mayBeWithinReach } from "./second-names.ts";
import { baseName, isWithin } from "./text-path.ts";
import type { Places } from "./way.ts";

export interface ApprovalContext {
  places: Places;
  launchers: Launchers;
  brokerPid: number;
}

/** Where packages put their files. To root every file is changeable, and only these are changed by nobody but packages. */
const systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/snap"];
const writableByOthers = 0o022;
/** A yes is not asked for while a film is hashed. */
const maxHashedSize = 67_108_864;
const maxPatternLength = 32_768;
const chunkSize = 1_048_576;

/** Programs that do to files whatever their arguments name. Outside, any argument would be one too many. */
const fileTools = new Set(
  (
    "rm rmdir unlink shred dd mv cp ln install tee truncate chmod chown chgrp chattr touch mkdir mknod mkfifo mkfs wipefs fdisk parted " +
    "curl kill pkill killall shutdown reboot poweroff crontab useradd usermod passwd visudo iptables nft sysctl " +
    "link hardlink fallocate csplit uniq shuf sponge patch dos2unix unix2dos iconv xxd tic setfacl setcap chcon " +
    "gzip gunzip bzip2 bunzip2 lzma unlzma lzip zstd unzstd lz4 unlz4 compress uncompress pigz unpigz pbzip2 unzip 7z 7za 7zr unrar zipcloak zipnote " +
    "sfdisk cfdisk gdisk sgdisk mkswap swapon swapoff mke2fs resize2fs tune2fs e2fsck badblocks blkdiscard losetup cryptsetup lvm hdparm nvme " +
    "userdel groupadd groupmod groupdel gpasswd chpasswd newusers chsh chfn adduser addgroup deluser delgroup update-alternatives " +
    "ip6tables iptables-restore ufw firewall-cmd date hwclock skill snice killall5 halt telinit init http https xh xsltproc"
  ).split(" "),
);

/** `mkfs.ext4` is mkfs. */
function isFileTool(name: string): boolean {
  return fileTools.has(name) || fileTools.has(name.split(".", 1)[0] ?? name);
}

/** `judged.unusual`: what the files don't say about what the program does. */
export function approvalExecOf(
  event: ExecEvent,
  judged: { programs: readonly Program[]; unusual: readonly unknown[] },
  context: ApprovalContext,
): ApprovalExec | null {
  const [asked] = judged.programs;
  if (asked === undefined) return null;
  const files = [...new Set(judged.programs.map(({ file }) => file))];
  let digest: string | null | undefined;
  return {
    file: asked.file.path,
    pattern: [callName(asked), ...asked.argv.slice(1)],
    cwd: event.cwd,
    identity: JSON.stringify(files.map(({ path, key, ctimeNs }) => [path, key, String(ctimeNs)])),
    unusual: judged.unusual.length === 0 ? "" : JSON.stringify(judged.unusual),
    isOutOfReach: () => files.every((file) => isOutOfReach(file, context.places)),
    sha256: () => {
      const own = files.filter((file) => !isOutOfReach(file, context.places));
      return (digest ??= digestOf(own.length === 0 ? files.slice(0, 1) : own, context.brokerPid));
    },
  };
}

/** The narrowest first: this call in this folder, this call anywhere, then calls that start like it. */
export function proposalsFor(
  exec: ApprovalExec,
  programs: readonly Program[],
  { launchers }: Pick<ApprovalContext, "launchers">,
): ApprovalProposal[] {
  const { file, cwd, unusual } = exec;
  const pattern = exec.pattern.filter((token) => typeof token === "string");
  const length = pattern.reduce((sum, token) => sum + token.length, 0);
  const isText = pattern.length === exec.pattern.length && typeof file === "string" && typeof cwd === "string";
  if (!isText || unusual !== "" || !file.startsWith("/") || length > maxPatternLength) return [];
  const sha256 = exec.isOutOfReach() ? null : exec.sha256();
  if (sha256 === null && !exec.isOutOfReach()) return [];
  const exact = { pattern, exact: true, file, sha256 };
  const prefixes = prefixesOf(pattern, programs, launchers).map((prefix) => ({
    pattern: prefix,
    exact: false,
    file,
    sha256,
    cwd: null,
  }));
  return [{ ...exact, cwd }, { ...exact, cwd: null }, ...prefixes];
}

/** Never for what runs its arguments: a yes to `env` would be a yes to everything. Told by the resolved file, not by its spelling. */
function prefixesOf(pattern: readonly string[], programs: readonly Program[], launchers: Launchers): string[][] {
  const [asked] = programs;
  const [name = "", first] = pattern;
  // The interpreter of a script runs that script alone, so only what was asked for counts. A box is all of its applets.
  const own = programs.filter(({ part }) => part !== "interpreter");
  const isRisky = own.some(
    (program) =>
      program.multiCall !== null ||
      isAnonymous(program.file) ||
      launchers.reasonFor(program) !== null ||
      program.names.some((other) => typeof other === "string" && isFileTool(other)),
  );
  if (asked === undefined || isRisky || isFileTool(name)) return [];
  const isSubcommand = first !== undefined && pattern.length > 2 && /^[A-Za-z][\w:-]*$/.test(first);
  return [...(isSubcommand ? [[name, first]] : []), [name]];
}

/** The kernel gives a script the path that it was found by, and drops the name that the caller gave it. */
function callName({ file, calledAs, argv }: Program): Text {
  return baseName(file.kind === "script" ? calledAs : (argv[0] ?? ""));
}

/** Root's file, in folders of root's all the way, so that its path says which program it is. */
function isOutOfReach(file: ExecFile, places: Places): boolean {
  const { path, uid, mode, nlink } = file;
  if (typeof path !== "string" || !path.startsWith("/") || nlink === 0 || places.isWritable(path)) return false;
  if (uid !== 0 || (mode & writableByOthers) !== 0) return false;
  const isRoot = process.geteuid?.() === 0;
  if (isRoot && !systemFolders.some((folder) => isWithin(folder, path))) return false;
  if (mayBeWithinReach(file, places, isRoot)) return false;
  try {
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      const stats = lstatSync(folder);
      if (stats.uid !== 0 || (stats.mode & writableByOthers) !== 0) return false;
      if (folder === "/") return true;
    }
  } catch {
    return false; // what can't be looked at proves nothing
  }
}

/** Of one file its SHA-256, as `sha256sum` prints it; of several the SHA-256 of those, one a line. */
function digestOf(files: readonly ExecFile[], brokerPid: number): string | null {
  const digests = files.map((file) => digestOfOpened(file, brokerPid));
  const [only] = digests;
  if (only === undefined || digests.includes(null)) return null;
  if (digests.length === 1) return only;
  return createHash("sha256")
    .update(digests.map((digest) => `${digest}\n`).join(""))
    .digest("hex");
}

function digestOfOpened({ fd, size }: ExecFile, brokerPid: number): string | null {
  if (fd < 0 || size > maxHashedSize) return null;
  let own: number;
  try {
    own = openSync(`/proc/${brokerPid}/fd/${fd}`, "r");
  } catch {
    return null;
  }
  try {
    const hash = createHash("sha256");
    const chunk = Buffer.allocUnsafe(Math.min(chunkSize, size + 1));
    let total = 0;
    for (;;) {
      const count = readSync(own, chunk, 0, chunk.length, total);
      if (count === 0) break;
      total += count;
      // Whoever goes on writing would be read for ever.
      if (total > size) return null;
      hash.update(chunk.subarray(0, count));
    }
    return total === size ? hash.digest("hex") : null;
  } catch {
    return null;
  } finally {
    closeSync(own);
  }
}
