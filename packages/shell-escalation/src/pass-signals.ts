/** Passes the signals that Sallyport gets on to the command, and turns the second request to stop into an order. */
import { signalNumber } from "@sallyport/supervisor";
import type { Broker } from "@sallyport/supervisor";

const passedOn: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
const stopSignals: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGTERM"]);
const secondRequestMs = 2000;
const graceMs = 2000;

/** SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the command's process group. A second SIGINT or SIGTERM within 2 s ends the whole
 *  tree: a command that ignores the first one must not be able to keep its user waiting. */
export function passSignals(broker: Pick<Broker, "signal" | "terminate">): Disposable {
  let firstStopAtMs = Number.NEGATIVE_INFINITY;
  const listeners = passedOn.map((name) => {
    const listener = (): void => {
      const nowMs = performance.now();
      const isSecond = stopSignals.has(name) && nowMs - firstStopAtMs <= secondRequestMs;
      if (stopSignals.has(name)) firstStopAtMs = nowMs;
      if (isSecond) broker.terminate(graceMs);
      else broker.signal(signalNumber(name));
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    [Symbol.dispose]: () => {
      for (const { name, listener } of listeners) process.removeListener(name, listener);
    },
  };
}
