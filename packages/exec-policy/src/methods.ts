/** The methods of strings, lists, dicts and bytes. */
import { dictMethods } from "./dict-methods.ts";
import { listMethods } from "./list-methods.ts";
import { quoted } from "./rules-error.ts";
import { stringMethods } from "./string-methods.ts";
import { aType, Builtin, Bytes, Dict, List, Tuple, ValueFailure } from "./values.ts";
import type { Value } from "./values.ts";

export function attributeOf(object: Value, name: string): Value {
  const call = methodOf(object, name);
  if (call !== null) return new Builtin(name, call);
  const known = attributeNames(object).join(", ");
  throw new ValueFailure(
    `${aType(object)} has no attribute ${quoted(name)}`,
    known === "" ? "none" : `one of ${known}`,
  );
}

function methodOf(object: Value, name: string): Builtin["call"] | null {
  if (typeof object === "string") {
    const method = Object.hasOwn(stringMethods, name) ? stringMethods[name] : undefined;
    return method === undefined ? null : (given, tools) => method(object, given, tools);
  }
  if (object instanceof List) {
    const method = Object.hasOwn(listMethods, name) ? listMethods[name] : undefined;
    return method === undefined ? null : (given, tools) => method(object, given, tools);
  }
  if (object instanceof Dict) {
    const method = Object.hasOwn(dictMethods, name) ? dictMethods[name] : undefined;
    return method === undefined ? null : (given, tools) => method(object, given, tools);
  }
  if (object instanceof Bytes && name === "elems")
    return () => new Tuple(Array.from(object.bytes, (byte) => new Bytes(Uint8Array.of(byte))));
  return null;
}

export function attributeNames(object: Value): string[] {
  if (typeof object === "string") return Object.keys(stringMethods).toSorted();
  if (object instanceof List) return Object.keys(listMethods).toSorted();
  if (object instanceof Dict) return Object.keys(dictMethods).toSorted();
  return object instanceof Bytes ? ["elems"] : [];
}
