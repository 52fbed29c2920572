/** What a handler's program finds in its environment. */
import type { HookEventName } from "@sallyport/protocol";

// The attack: a hook from a repository reads the agent's keys out of its environment and sends them away.
const secretLooking = /(^|_)(KEY|TOKEN|SECRET|PASSW(OR)?D|CREDENTIALS?)(_|$)/i;

export interface HandlerEnvironmentOptions {
  env: NodeJS.ProcessEnv;
  /** Names that are handed on although they look like secrets. */
  passEnv: readonly string[];
  projectDir: string;
  sessionId: string;
  event: HookEventName;
}

/** NAME=value entries. */
export function handlerEnvironment(options: HandlerEnvironmentOptions): string[] {
  const own = {
    SALLYPORT_PROJECT_DIR: options.projectDir,
    SALLYPORT_SESSION_ID: options.sessionId,
    SALLYPORT_EVENT: options.event,
    CLAUDE_PROJECT_DIR: options.projectDir,
  };
  const inherited = Object.entries(options.env).filter(
    ([name, value]) =>
      value !== undefined && !(name in own) && (!secretLooking.test(name) || options.passEnv.includes(name)),
  );
  return [...inherited, ...Object.entries(own)].map(([name, value]) => `${name}=${value}`);
}
