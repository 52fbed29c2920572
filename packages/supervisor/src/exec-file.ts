/** One file of an exec, as `native/resolve.c` writes it into a frame. */
import type { PayloadReader } from "./frames.ts";
import type { ExecFile } from "./types.ts";

const fileKinds = ["elf", "script", "other"] as const;

/** `fd` is -1: where there are descriptors, they follow the whole list. */
export function readExecFile(payload: PayloadReader): ExecFile {
  const path = payload.text();
  const key = `${payload.u64()}:${payload.u64()}`;
  const size = payload.count();
  const mtimeNs = payload.u64();
  const ctimeNs = payload.u64();
  const mode = payload.u32();
  const uid = payload.u32();
  const nlink = payload.u32();
  const kind = fileKinds[payload.u8()] ?? "other";
  const foreign = payload.u8() !== 0;
  const parts = payload.u8();
  const file: ExecFile = { path, key, size, mtimeNs, ctimeNs, mode, uid, nlink, kind, foreign, fd: -1 };
  if (parts & 1) {
    file.interpreter = { file: payload.text() };
    if (parts & 2) file.interpreter.argument = payload.text();
  }
  return file;
}
