/** The universal fields that mean something for a turn and nothing for a single tool call. Taking them in silence would let a guard
 *  believe that it stopped something. */
interface Universal {
  continue?: boolean | undefined;
  stopReason?: string | null | undefined;
  suppressOutput?: boolean | undefined;
}

export function unsupportedUniversal(output: Universal): { invalid: string } | null {
  if (output.continue === false)
    return { invalid: '"continue": false, which this event can\'t do, expected true or nothing' };
  if (output.stopReason != null) return { invalid: '"stopReason", which this event does not have, expected nothing' };
  return unsupportedSuppress(output);
}

export function unsupportedSuppress({ suppressOutput }: Universal): { invalid: string } | null {
  return suppressOutput === true
    ? { invalid: '"suppressOutput": true, which this event can\'t do, expected false or nothing' }
    : null;
}
