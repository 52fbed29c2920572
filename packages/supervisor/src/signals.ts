/** Signal numbers and names of this machine. */
import { constants } from "node:os";

const names = new Map<number, string>(
  Object.entries(constants.signals)
    .filter(([name]) => name !== "SIGIOT" && name !== "SIGPOLL" && name !== "SIGUNUSED")
    .map(([name, number]) => [number, name]),
);

/** "SIGTERM" for 15; a number without a name, such as a real-time signal, becomes "SIG42". */
export function signalName(number: number): string {
  return names.get(number) ?? `SIG${number}`;
}

export function signalNumber(name: NodeJS.Signals): number {
  return constants.signals[name];
}
