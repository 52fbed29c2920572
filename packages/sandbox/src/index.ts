/** The public surface of @sallyport/sandbox: from a sandbox policy to the wall around one command. */
export { planWall } from "./plan-wall.ts";
export type { PlanOptions } from "./plan-wall.ts";
export type { SandboxPolicy, WallPlan } from "./policy.ts";
export { surveyWritablePlaces } from "./writable-places.ts";
export type { WritablePlaces } from "./writable-places.ts";
export { defaultDenyRead } from "./deny-read.ts";
export { otherNames } from "./mount-aliases.ts";
export { HeldPaths } from "./held-paths.ts";
export { findBubblewrap } from "./bubblewrap.ts";
export type { Bubblewrap } from "./bubblewrap.ts";
