/** Bytes from the kernel to `Text` and back, losslessly. */
import { isUtf8 } from "node:buffer";
import type { Text } from "@sallyport/protocol";

export function textFromBytes(bytes: Buffer): Text {
  return isUtf8(bytes) ? bytes.toString("utf8") : { base64: bytes.toString("base64") };
}

export function textToBytes(text: Text): Buffer {
  return typeof text === "string" ? Buffer.from(text, "utf8") : Buffer.from(text.base64, "base64");
}

/** For people and for messages: undecodable bytes become replacement characters. Never use the result as a path. */
export function textToDisplay(text: Text): string {
  return typeof text === "string" ? text : Buffer.from(text.base64, "base64").toString("utf8");
}
