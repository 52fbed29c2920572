/** What the methods get besides their params. */
import type { Threads, ThreadStore } from "@sallyport/core";
import type { ClientRequestMethod, ClientRequestParams, ClientRequestResult } from "@sallyport/protocol";
import type { Connection } from "../connection.ts";
import type { Subscriptions } from "../subscriptions.ts";

export interface MethodContext {
  connection: Connection;
  subscriptions: Subscriptions;
  home: string;
  cwd: string;
  env: NodeJS.ProcessEnv;
  version: string;
  core(): Promise<{ threads: Threads; store: ThreadStore }>;
}

/** `afterwards` runs when the answer is written. */
type MethodAnswer<Method extends ClientRequestMethod> = {
  result: ClientRequestResult<Method>;
  afterwards?: () => void;
};

export type MethodHandler<Method extends ClientRequestMethod> = (
  params: ClientRequestParams<Method>,
  context: MethodContext,
) => Promise<MethodAnswer<Method>>;

/** Every method but the handshake. */
export type MethodTable = { [Method in Exclude<ClientRequestMethod, "initialize">]: MethodHandler<Method> };
