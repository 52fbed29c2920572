/** A program in a sandbox of its own, in place of a waiting caller. */
import type { Text } from "@sallyport/protocol";
import { frameHeaderBytes } from "./frames.ts";
import { launchFrame } from "./launch-frame.ts";
import { textToDisplay } from "./text-bytes.ts";
import type { Bounds } from "./types.ts";

interface BoundedProgram {
  argv: readonly Text[];
  env: readonly Text[];
  cwd: Text;
  bounds: Bounds;
  /** Report the programs that it starts. */
  intercept: boolean;
}

/** What the init of a bounded sandbox reads: the program itself comes as a descriptor. */
export function boundedLaunch({ argv, env, cwd, bounds, intercept }: BoundedProgram): Buffer {
  return launchFrame({
    mode: "guarded",
    intercept,
    pidNamespace: true,
    outerArgv: bounds.outerArgv,
    file: "",
    argv: [...argv],
    env: [...env],
    cwd: textToDisplay(cwd), // a name that is not UTF-8 leads nowhere, and the program is refused
    wall: bounds.wall,
    cgroup: null,
    pidsCgroup: null,
    terminal: false,
    pty: null,
  }).subarray(frameHeaderBytes);
}
