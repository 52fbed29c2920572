/** Thrown through a turn whose question waits when its server ends; the reason of its signal. Nothing of the turn is stored any more: it
 *  goes on where it is asked again. */
export class Suspended extends Error {
  constructor() {
    super("the server ends, and the question waits");
    this.name = "Suspended";
  }
}

export function isSuspended({ reason }: AbortSignal): boolean {
  return reason instanceof Suspended;
}
