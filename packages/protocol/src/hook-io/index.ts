/** What hooks read and what they may print, per event. */
export { hookInputs, HookPermissionMode } from "./inputs.ts";
export type { HookInputs } from "./inputs.ts";
export { hookJsonSchemas } from "./json-schemas.ts";
export { hookOutputs } from "./outputs.ts";
export type { HookOutputs } from "./outputs.ts";
