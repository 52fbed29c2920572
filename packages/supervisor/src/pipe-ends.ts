/** Our ends of pipes that a broker made, opened through its /proc: Node passes no descriptors. */
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";

export interface PipeEnds {
  stdin: Socket;
  stdout: Socket;
  stderr: Socket;
}

/** Opened anew, ours don't share the program's non-blocking flag. Throws what `openSync()` throws, with nothing left open. */
export function openPipeEnds(pid: number | undefined, ends: readonly [number, number, number]): PipeEnds {
  const opened: number[] = [];
  try {
    for (const [at, end] of ends.entries()) {
      const access = at === 0 ? constants.O_WRONLY : constants.O_RDONLY;
      opened.push(openSync(`/proc/${pid}/fd/${end}`, access | constants.O_NONBLOCK));
    }
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
  const [stdin, stdout, stderr] = opened as [number, number, number]; // one for each of `ends`
  return {
    stdin: new Socket({ fd: stdin, readable: false, writable: true }),
    stdout: new Socket({ fd: stdout, readable: true, writable: false }),
    stderr: new Socket({ fd: stderr, readable: true, writable: false }),
  };
}
