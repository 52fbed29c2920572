/** Hashes of file contents. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import type { ExecFile } from "@sallyport/supervisor";

/** Larger files are not compared; one that has exactly the size of a file to recognise is then taken for a copy of it. */
const maxComparedSize = 268_435_456;
const chunkSize = 1_048_576;

/** Rejects where the file cannot be read, is larger than what is compared, or does not have `size` bytes. */
export async function digestOfFile(path: string, size: number): Promise<string> {
  if (size > maxComparedSize) throw new Error("too large to compare");
  const file = await open(path, "r");
  try {
    const hash = createHash("sha256");
    const chunk = Buffer.allocUnsafe(Math.min(chunkSize, size + 1));
    let total = 0;
    for (;;) {
      // At positions of its own: the descriptor behind /proc is the broker's, and its offset must stay where it is.
      const { bytesRead } = await file.read(chunk, 0, chunk.length, total);
      if (bytesRead === 0) break;
      total += bytesRead;
      if (total > size) break;
      hash.update(chunk.subarray(0, bytesRead));
    }
    if (total !== size) throw new Error("changed while it was read");
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

/** For files of moderate size, at once. */
export function digestOfFileNow(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Digests of files that cannot be changed from inside, by identity, times and size. Others are read each time: a shared
 *  mapping changes a file's content long before its times. */
export class DigestCache {
  readonly #brokerPid: number;
  readonly #digests = new Map<string, string>();

  constructor(brokerPid: number) {
    this.#brokerPid = brokerPid;
  }

  async digestOf(file: ExecFile, isStable: boolean): Promise<string> {
    const key = `${file.key} ${file.size} ${file.mtimeNs} ${file.ctimeNs}`;
    const known = isStable ? this.#digests.get(key) : undefined;
    if (known !== undefined) return known;
    if (file.fd < 0) throw new Error("not readable");
    const digest = await digestOfFile(`/proc/${this.#brokerPid}/fd/${file.fd}`, file.size);
    if (isStable) this.#digests.set(key, digest);
    return digest;
  }
}
