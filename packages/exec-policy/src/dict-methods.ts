/** The methods of dicts. */
import { take } from "./arguments.ts";
import { addEntries } from "./elements.ts";
import { changedInLoop, List, Tuple, ValueFailure } from "./values.ts";
import type { Dict, Given, Tools, Value } from "./values.ts";

export const dictMethods: Record<string, (dict: Dict, given: Given, tools: Tools) => Value> = {
  clear: (dict, given) => {
    take("clear", given, []);
    if (dict.iterations > 0) throw changedInLoop("dict");
    dict.entries.clear();
    return null;
  },
  get: (dict, given, { charge }) => {
    const [key, otherwise] = take("get", given, ["key", "default?"]);
    return dict.get(key ?? null, charge) ?? otherwise ?? null;
  },
  items: (dict, given, { charge }) => {
    take("items", given, []);
    charge(dict.entries.size);
    return new List([...dict.entries.values()].map(({ key, value }) => new Tuple([key, value])));
  },
  keys: (dict, given, { charge }) => {
    take("keys", given, []);
    charge(dict.entries.size);
    return new List(dict.keys());
  },
  pop: (dict, given, { charge }) => {
    const [key, otherwise] = take("pop", given, ["key", "default?"]);
    const found = dict.delete(key ?? null, charge) ?? otherwise;
    if (found === undefined) throw new ValueFailure("the key is not in the dict", "a key that is there, or a default");
    return found;
  },
  popitem: (dict, given, { charge }) => {
    take("popitem", given, []);
    const [first] = dict.entries.values();
    if (first === undefined) throw new ValueFailure("the dict is empty", "an entry to take");
    dict.delete(first.key, charge);
    return new Tuple([first.key, first.value]);
  },
  setdefault: (dict, given, { charge }) => {
    const [key, otherwise] = take("setdefault", given, ["key", "default?"]);
    const known = dict.get(key ?? null, charge);
    if (known !== undefined) return known;
    dict.set(key ?? null, otherwise ?? null, charge);
    return otherwise ?? null;
  },
  update: (dict, given, { charge }) => {
    const [from] = given.positional;
    if (given.positional.length > 1)
      throw new ValueFailure("too many positional arguments for call to update", "at most 1");
    addEntries(dict, from, charge);
    for (const [key, value] of given.named) dict.set(key, value, charge);
    return null;
  },
  values: (dict, given, { charge }) => {
    take("values", given, []);
    charge(dict.entries.size);
    return new List(dict.values());
  },
};
