/** What a user says in one turn. */
import { z } from "zod";

/** A span of `text` that a client draws in its own way; `byteRange` counts UTF-8 bytes. */
export const TextElement = z.object({
  byteRange: z.object({ start: z.int(), end: z.int() }),
  placeholder: z.string().nullish(),
});
export type TextElement = z.infer<typeof TextElement>;

const ImageDetail = z.enum(["auto", "low", "high", "original"]);

/** Unknown keys of a client are dropped. An absent `text_elements` is echoed as an empty list. `url` is a data URL: nothing is
 *  fetched on a client's word. */
export const UserInput = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string(), text_elements: z.array(TextElement).default([]) }),
  z.object({
    type: z.literal("image"),
    url: z.string().optional(),
    fileId: z.string().optional(),
    detail: ImageDetail.optional(),
  }),
  z.object({ type: z.literal("localImage"), path: z.string(), detail: ImageDetail.optional() }),
  z.object({ type: z.literal("audio"), url: z.string().optional(), fileId: z.string().optional() }),
  z.object({ type: z.literal("localAudio"), path: z.string() }),
  z.object({ type: z.literal("skill"), name: z.string(), path: z.string() }),
  z.object({ type: z.literal("mention"), name: z.string(), path: z.string() }),
]);
export type UserInput = z.infer<typeof UserInput>;
