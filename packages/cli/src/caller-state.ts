/** What bin/sallyport noted about its caller before it became Node: `SOFT:IGNORED:CLOSED:ADDED` in SALLYPORT_CALLER. Node
 *  changes the soft limit of open files and the ignored signals (a mask in hexadecimal) and opens the standard descriptors that
 *  were closed (a mask); Bash adds variables that the caller did not have. */
import type { Text } from "@sallyport/protocol";
import type { LaunchSpec } from "@sallyport/supervisor";

const name = "SALLYPORT_CALLER";
const form = /^(\d{1,15}|unlimited):([0-9a-f]{1,16}):([0-7]):([A-Z_,]*)$/;

export interface Caller {
  /** The environment as the caller had it. */
  env: Text[];
  state: NonNullable<LaunchSpec["caller"]> | null;
}

export function separateCaller(env: Text[]): Caller {
  const isNote = (entry: Text): entry is string => typeof entry === "string" && entry.startsWith(`${name}=`);
  const match = form.exec(env.find(isNote)?.slice(name.length + 1) ?? "");
  const added = new Set(match?.[4]?.split(","));
  const isAdded = (entry: Text): boolean => typeof entry === "string" && added.has(entry.slice(0, entry.indexOf("=")));
  return {
    env: env.filter((entry) => !isNote(entry) && !isAdded(entry)),
    state:
      match === null
        ? null
        : {
            nofileSoft: Number(match[1]) || 0,
            ignoredSignals: BigInt(`0x${match[2] ?? "0"}`),
            closedDescriptors: Number(match[3]),
          },
  };
}

/** Whether the caller had no such descriptor. */
export function wasClosed(descriptor: 0 | 1 | 2): boolean {
  const match = form.exec(process.env[name] ?? "");
  return match !== null && (Number(match[3]) & (1 << descriptor)) !== 0;
}
