/** `"..." % values`: %s, %r, %d, %x, %o and %%. */
import { limits } from "./limits.ts";
import { fitting, reprOf, strOf } from "./text-of.ts";
import { aType, Tuple, ValueFailure } from "./values.ts";
import type { Charge, Value } from "./values.ts";

export function formatPercent(format: string, given: Value, charge: Charge): string {
  const values = given instanceof Tuple ? given.items : [given];
  charge(format.length);
  let used = 0;
  let length = format.length;
  const text = format.replace(/%(.?)/gsu, (_, letter: string) => {
    if (letter === "%") return "%";
    if (!"srdxo".includes(letter) || letter === "")
      throw new ValueFailure(`%${letter} is not known in a format`, "%s, %r, %d, %x, %o or %%");
    const value = values[used];
    if (value === undefined) throw new ValueFailure("too few values for the format", `more than ${values.length}`);
    used += 1;
    const piece = pieceOf(letter, value, charge);
    // Before the pieces are put together: a short format and one long value can make a text without end.
    length += piece.length;
    if (length > 2 * limits.stringLength)
      throw new ValueFailure("the string is too long", `at most ${limits.stringLength} characters`);
    return piece;
  });
  if (used < values.length) throw new ValueFailure("too many values for the format", `${used}`);
  return fitting(text);
}

function pieceOf(letter: string, value: Value, charge: Charge): string {
  if (letter === "s") return strOf(value, charge);
  if (letter === "r") return reprOf(value, charge);
  const whole =
    typeof value === "number" && Number.isFinite(value) && letter === "d" ? BigInt(Math.trunc(value)) : value;
  if (typeof whole !== "bigint") throw new ValueFailure(`%${letter} got ${aType(value)}`, "an int");
  return whole.toString(letter === "x" ? 16 : letter === "o" ? 8 : 10);
}
