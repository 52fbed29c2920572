/** Text that came from the kernel: argv, environment, paths. Unix does not promise UTF-8, so bytes that are not UTF-8
 *  travel as `{ base64 }` and nothing is lost. A string is always the exact UTF-8 reading of the bytes. */
import { z } from "zod";

export const Text = z.union([z.string(), z.strictObject({ base64: z.base64() })]);
export type Text = string | { base64: string };
