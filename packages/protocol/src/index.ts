/** The public surface of @sallyport/protocol: every wire type, once, as a schema. */
export { Text } from "./text.ts";
export { DecisionKind, ExecRecord, Reason, ReasonKind } from "./exec.ts";
