/** The launch specification as bytes; `native/launch.c` reads them in the same order. */
import type { LaunchSpec, WallSpec } from "./types.ts";
import { FrameWriter, frameKinds } from "./frames.ts";

const outputKinds = { inherited: 0, pty: 1, pipe: 2 } as const;

function writeWall(frame: FrameWriter, wall: WallSpec | null): void {
  frame.u8(wall !== null);
  if (wall === null) return;
  frame.u8(wall.seccomp).u8(wall.refuseUnixSockets).u8(wall.refuseInetSockets).u64(wall.keepCapabilities);
  frame.u8(wall.landlock !== null);
  if (wall.landlock !== null) {
    const { handledFs, handledNet, scoped, rules, exceptPaths, exceptAccess } = wall.landlock;
    frame.u64(handledFs).u64(handledNet).u64(scoped).u32(rules.length);
    for (const rule of rules) frame.text(rule.path).u64(rule.access);
    frame.texts(exceptPaths).u64(exceptAccess);
  }
  frame.u8(wall.probe !== null);
  if (wall.probe !== null) {
    frame.text(wall.probe.canaryFile).text(wall.probe.canaryFolder).u8(wall.probe.network).texts(wall.probe.gaps);
  }
}

export function launchFrame(spec: LaunchSpec): Buffer {
  return writeLaunch(new FrameWriter(frameKinds.launch), spec).finish();
}

/** The same for a starter. */
export function programFrame(programId: number, spec: LaunchSpec): Buffer {
  return writeLaunch(new FrameWriter(frameKinds.program).u32(programId), spec).finish();
}

function writeLaunch(frame: FrameWriter, spec: LaunchSpec): FrameWriter {
  const size = spec.pty === null || spec.pty === "size-of-caller" ? { rows: 0, columns: 0 } : spec.pty;
  frame
    .u8(spec.mode === "guarded")
    .u8(spec.intercept)
    .u8(spec.pidNamespace)
    .u8(spec.terminal)
    .u8(spec.pty === null ? (spec.mergedOutput === true ? outputKinds.pipe : outputKinds.inherited) : outputKinds.pty)
    .u32(size.rows)
    .u32(size.columns)
    .text(spec.cgroup ?? "")
    .text(spec.pidsCgroup ?? "")
    .u64(spec.caller?.nofileSoft ?? 0)
    .u64(spec.caller?.ignoredSignals ?? 0n)
    .u8(spec.caller?.closedDescriptors ?? 0)
    .u8(spec.ownSession === true)
    .u32(spec.lingerMs ?? 0)
    .texts(spec.outerArgv)
    .text(spec.file)
    .texts(spec.argv)
    .texts(spec.env)
    .text(spec.cwd);
  writeWall(frame, spec.wall);
  return frame.u32(spec.escalateSocket ?? 0).text(spec.freezerCgroup ?? "");
}
