/** POSTs the input to a URL. An answer of 2xx counts like the stdout of a command that exited with 0.
 *
 *  The attacks: a hook of a repository makes us post to a service of this machine or of its network, by address, by a name that
 *  resolves to it, by a name that resolves to it only the second time (rebinding), or by a redirect. So a name is resolved once,
 *  what it gave is checked, and the connection goes to exactly that; redirects are not followed, proxies not used. */
import { lookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import type { IncomingMessage, OutgoingHttpHeaders, RequestOptions } from "node:http";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import type { HandlerAction, HandlerResult } from "../types.ts";
import { Capture } from "./capture.ts";
import { answerProblem, messageOf, notStarted, resultOf } from "./handler-context.ts";
import type { HandlerContext } from "./handler-context.ts";
import { isPublicAddress } from "./public-address.ts";

type HttpAction = Extract<HandlerAction, { type: "http" }>;

export async function runHttp(action: HttpAction, context: HandlerContext): Promise<HandlerResult> {
  const { limit, session } = context;
  try {
    const url = new URL(action.url);
    const response = await post(url, headersOf(action, context), context);
    const body = new Capture(response, session.folder);
    limit.signal.addEventListener("abort", () => body.stop(), { once: true });
    const stdout = await body.done;
    if (limit.reached !== null) return resultOf({ outcome: limit.reached, stdout });
    // A connection that broke in the middle gave half an answer, which says nothing.
    if (!response.complete) return { ...answerProblem(`"${url.host}" broke off in the middle of its answer`), stdout };
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return resultOf({ outcome: "answered", stdout });
    const redirects = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
    const problem = `"${url.host}" answered ${status} ${response.statusMessage ?? ""}`.trimEnd();
    return { ...answerProblem(`${problem}, expected 2xx${redirects}`), stdout };
  } catch (error) {
    if (limit.reached !== null) return resultOf({ outcome: limit.reached });
    return notStarted("other", `POST to "${action.url}" failed: ${messageOf(error)}`);
  }
}

/** `${NAME}` in a header's value is a variable of the environment that the handler lists in `passEnv`. */
function headersOf(action: HttpAction, context: HandlerContext): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { "content-type": "application/json" };
  for (const [name, value] of Object.entries(action.headers)) {
    headers[name.toLowerCase()] = value.replaceAll(/\$\{([^{}]*)\}/g, (_, variable: string) => {
      const found = action.passEnv.includes(variable) ? context.session.env[variable] : undefined;
      if (found !== undefined) return found;
      throw new Error(`header "${name}" needs "${variable}", which is not set or not listed in passEnv`);
    });
  }
  headers["content-length"] = Buffer.byteLength(context.inputText);
  return headers;
}

async function post(
  url: URL,
  headers: OutgoingHttpHeaders,
  { inputText, limit, session }: HandlerContext,
): Promise<IncomingMessage> {
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Error(`"${url.protocol}" is not http: or https:`);
  const mayBePrivate = session.httpPrivateAddresses === true;
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  // Node resolves no literal, so nothing else would look at it.
  if (!mayBePrivate && isIP(literal) !== 0) refusePrivate(literal, url.hostname);
  const { request } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  const options: RequestOptions = {
    method: "POST",
    headers,
    signal: limit.signal,
    agent: false, // a connection of its own: no pool, no proxy of the environment
    ...(!mayBePrivate && { lookup: lookupPublic }),
  };
  const answered = Promise.withResolvers<IncomingMessage>();
  const sent = request(url, options, answered.resolve);
  sent.on("error", answered.reject);
  sent.end(inputText);
  return answered.promise;
}

function refusePrivate(address: string, host: string): void {
  if (isPublicAddress(address)) return;
  throw new Error(`"${host}" is at ${address}, which is private: set http_private_addresses to allow it`);
}

const lookupPublic: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    try {
      for (const { address } of addresses) refusePrivate(address, host);
    } catch (refusal) {
      callback(refusal as Error, []); // thrown by refusePrivate()
      return;
    }
    const [first] = addresses;
    if (options.all === true) callback(null, addresses);
    else callback(null, first?.address ?? "", first?.family ?? 0);
  });
};
