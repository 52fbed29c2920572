/** The escalation protocol: what codex-execve-wrapper and the server say to each other on the stream that the wrapper makes. Each
 *  message is its length (u32, little endian) and that many bytes of JSON.
 *
 *      wrapper                                             server
 *         | -- EscalateRequest ----------------------------> |
 *         | <------------------------------ EscalateAnswer - |
 *         | -- EscalateDescriptors, with the descriptors --> |   after "Escalate"
 *         | <------------------------------ EscalateResult - |
 *
 *  Peers are lenient: unknown keys are passed over, since a newer one may add some. What only version 2 has is in `protocol`, and
 *  in EscalateSignal and EscalateEvent; it is used where both sides have said so. */
import { z } from "zod";
import { Text } from "./text.ts";

/** A signal mask: bit n-1 for signal n, as 16 hexadecimal digits. */
const SignalMask = z.string().regex(/^[0-9a-f]{16}$/);

/** - `file` may be relative: it is resolved against `workdir`. An empty `workdir` (version 2) is a folder without a name.
 *  - `argv` includes argv[0]; `env` leaves out the three variables of this protocol.
 *  - Strings are plain in version 1; what is not UTF-8 is `{ base64 }` in version 2.
 *  - `protocol.blocked` are the signals that were blocked when the wrapper was started.
 *  - `protocol.env` are entries that `env` can't hold: NAME=value with a name that is not UTF-8 or came before, or without "=". */
export const EscalateRequest = z.looseObject({
  file: Text,
  argv: z.array(Text),
  workdir: Text,
  env: z.record(z.string(), Text),
  protocol: z
    .looseObject({ version: z.int(), blocked: SignalMask.optional(), env: z.array(Text).optional() })
    .optional(),
});
export type EscalateRequest = z.infer<typeof EscalateRequest>;

/** - `Run`: the wrapper executes the program itself. `protocol.errno` is what that would fail with: then it does not try, and fails
 *    so; `protocol.shell` is what runs a file that the kernel does not know how to run.
 *  - `Escalate`: the wrapper hands its descriptors over and ends as the program ended.
 *  - `Deny`: it prints "Execution denied: <reason>", or "Execution denied", and exits with 1. */
export const EscalateAnswer = z.looseObject({
  action: z.union([
    z.literal("Run"),
    z.literal("Escalate"),
    z.strictObject({ Deny: z.looseObject({ reason: z.string().nullish() }) }),
  ]),
  protocol: z.looseObject({ version: z.int(), errno: z.int().optional(), shell: z.string().optional() }).nullish(),
});
export type EscalateAnswer = z.infer<typeof EscalateAnswer>;

/** The numbers of the descriptors that come with this message, in their order. With `more` (version 2) another one follows. */
export const EscalateDescriptors = z.looseObject({
  fds: z.array(z.int().min(0)),
  more: z.boolean().optional(),
});
export type EscalateDescriptors = z.infer<typeof EscalateDescriptors>;

/** How the program ended. Where `signal` is a number (version 2) that signal ended it, and the wrapper dies of it too. */
export const EscalateResult = z.looseObject({ exit_code: z.int(), signal: z.int().nullish() });
export type EscalateResult = z.infer<typeof EscalateResult>;

/** From the wrapper, version 2: a signal that it got. With `terminal` the whole process group has got it, the program too. */
export const EscalateSignal = z.looseObject({ signal: z.int().min(1).max(64), terminal: z.boolean().optional() });
export type EscalateSignal = z.infer<typeof EscalateSignal>;

/** From the server, version 2, before the result: the program runs (the wrapper lets its descriptors go), it was stopped by a signal
 *  (the wrapper stops too), or it could not be started (the wrapper says why and exits with 125; no result follows). */
export const EscalateEvent = z.union([
  z.looseObject({ started: z.literal(true) }),
  z.looseObject({ stopped: z.int() }),
  z.looseObject({ error: z.string() }),
]);
export type EscalateEvent = z.infer<typeof EscalateEvent>;
