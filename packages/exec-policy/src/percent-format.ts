/** `"..." % values`: %s, %r, %d, %x, %X, %o, %e, %f, %g (and in capitals) and %%. */
import { limits } from "./limits.ts";
import { exponentText, fitting, floatText, reprOf, strOf } from "./text-of.ts";
import { aType, Tuple, ValueFailure } from "./values.ts";
import type { Charge, Value } from "./values.ts";

export function formatPercent(format: string, given: Value, charge: Charge): string {
  const values = given instanceof Tuple ? given.items : [given];
  charge(format.length);
  let used = 0;
  let length = format.length;
  const text = format.replace(/%(.?)/gsu, (_, letter: string) => {
    if (letter === "%") return "%";
    if (!"srdxXoeEfFgG".includes(letter) || letter === "")
      throw new ValueFailure(`%${letter} is not known in a format`, "%s, %r, %d, %x, %X, %o, %e, %f, %g or %%");
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
  if ("eEfFgG".includes(letter)) return floatPiece(letter, value);
  const whole =
    typeof value === "number" && Number.isFinite(value) && letter === "d" ? BigInt(Math.trunc(value)) : value;
  if (typeof whole !== "bigint") throw new ValueFailure(`%${letter} got ${aType(value)}`, "an int");
  const digits = whole.toString("xX".includes(letter) ? 16 : letter === "o" ? 8 : 10);
  return letter === "X" ? digits.toUpperCase() : digits;
}

const fractionDigits = 6;
/** From here on JavaScript writes no plain digits, and there is no fraction. */
const largestFixed = 1e21;

function floatPiece(letter: string, value: Value): string {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw new ValueFailure(`%${letter} got ${aType(value)}`, "a number");
  const number = Number(value);
  const kind = letter.toLowerCase();
  const text =
    !Number.isFinite(number) || kind === "g"
      ? floatText(number)
      : kind === "e"
        ? exponentText(number)
        : fixedText(number);
  return letter === "E" || letter === "G" ? text.toUpperCase() : text;
}

function fixedText(number: number): string {
  if (Math.abs(number) >= largestFixed) return `${BigInt(number)}.${"0".repeat(fractionDigits)}`;
  return `${Object.is(number, -0) ? "-" : ""}${number.toFixed(fractionDigits)}`;
}
