/** The methods of lists. */
import { intOf, take } from "./arguments.ts";
import { extendList } from "./elements.ts";
import { limits } from "./limits.ts";
import { areEqual, changedInLoop, tooMany, ValueFailure } from "./values.ts";
import type { Given, List, Tools, Value } from "./values.ts";

export const listMethods: Record<string, (list: List, given: Given, tools: Tools) => Value> = {
  append: (list, given) => {
    const [value] = take("append", given, ["x"]);
    mayChange(list);
    if (list.items.length >= limits.elements) throw tooMany();
    list.items.push(value ?? null);
    return null;
  },
  clear: (list, given) => {
    take("clear", given, []);
    mayChange(list);
    list.items.length = 0;
    return null;
  },
  extend: (list, given, tools) => {
    extendList(list, take("extend", given, ["x"])[0] ?? null, tools.charge);
    return null;
  },
  index: (list, given, tools) => {
    const [wanted, from, to] = take("index", given, ["x", "start?", "end?"]);
    const [start, end] = [placeOf(from, 0, list), placeOf(to, list.items.length, list)];
    const at = list.items.findIndex(
      (item, index) => index >= start && index < end && areEqual(item, wanted ?? null, tools.charge),
    );
    if (at === -1) throw new ValueFailure("the value is not in the list", "one that is there");
    return BigInt(at);
  },
  insert: (list, given, tools) => {
    const [index, value] = take("insert", given, ["i", "x"]);
    mayChange(list);
    if (list.items.length >= limits.elements) throw tooMany();
    tools.charge(list.items.length);
    list.items.splice(placeOf(index, 0, list), 0, value ?? null);
    return null;
  },
  pop: (list, given, tools) => {
    const [index] = take("pop", given, ["i?"]);
    mayChange(list);
    const at = index === undefined ? list.items.length - 1 : Number(intOf(index, "the index"));
    const place = at < 0 && index !== undefined ? at + list.items.length : at;
    if (place < 0 || place >= list.items.length)
      throw new ValueFailure("pop is out of range", "the index of an element");
    tools.charge(list.items.length - place);
    return list.items.splice(place, 1)[0] ?? null;
  },
  remove: (list, given, tools) => {
    const [wanted] = take("remove", given, ["x"]);
    mayChange(list);
    const at = list.items.findIndex((item) => areEqual(item, wanted ?? null, tools.charge));
    if (at === -1) throw new ValueFailure("the value is not in the list", "one that is there");
    tools.charge(list.items.length - at);
    list.items.splice(at, 1);
    return null;
  },
};

function mayChange(list: List): void {
  if (list.iterations > 0) throw changedInLoop("list");
}

/** An index as slices have it: from the end when negative, never out of range. */
function placeOf(value: Value | undefined, otherwise: number, list: List): number {
  if (value === undefined || value === null) return otherwise;
  const index = Number(intOf(value, "the index"));
  const { length } = list.items;
  return Math.min(length, Math.max(0, index < 0 ? index + length : index));
}
