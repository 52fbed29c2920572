/** `initialize`. Its params are read by hand: loading the schemas would take longer than the answer. A test holds what is accepted
 *  here against the schema. */
import { release } from "node:os";
import type { InitializeResponse } from "@sallyport/protocol";
import type { Handshake } from "./connection.ts";
import { RpcError, rpcCodes } from "./rpc-error.ts";

// What a client calls itself is handed on in HTTP headers.
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

export function readInitialize(params: unknown): Handshake {
  const given = objectOf(params, "");
  const info = objectOf(given["clientInfo"], "clientInfo");
  const name = textOf(info["name"], "clientInfo.name");
  if (!headerValue.test(name))
    throw new RpcError(
      rpcCodes.invalidRequest,
      `Invalid clientInfo.name: '${name}'. Must be a valid HTTP header value.`,
    );
  const version = textOf(info["version"], "clientInfo.version");
  const title = info["title"] == null ? null : textOf(info["title"], "clientInfo.title");
  const capabilities = given["capabilities"] == null ? {} : objectOf(given["capabilities"], "capabilities");
  return {
    client: { name, version, title },
    optOut: new Set(readOptOut(capabilities["optOutNotificationMethods"])),
    asksPerson: readBoolean(capabilities["requiredHumanApproval"], "capabilities.requiredHumanApproval") ?? false,
    execRuns: readExecRuns(capabilities["extensions"]),
  };
}

export function initializeResponse(
  handshake: Handshake,
  server: { home: string; version: string },
): InitializeResponse {
  const { name, version } = handshake.client;
  const platform =
    process.platform === "win32" ? "windows" : process.platform === "darwin" ? "macos" : process.platform;
  return {
    userAgent: `${name}/${server.version} (${platform} ${release()}; ${process.arch}) sallyport (${name}; ${version})`,
    codexHome: server.home,
    platformFamily: process.platform === "win32" ? "windows" : "unix",
    platformOs: platform,
  };
}

function readOptOut(value: unknown): string[] {
  const path = "capabilities.optOutNotificationMethods";
  if (value == null) return [];
  if (!Array.isArray(value)) throw invalid(path, "an array of strings");
  return value.map((method: unknown, index) => textOf(method, `${path}.${index}`));
}

function readExecRuns(value: unknown): boolean {
  if (value == null) return false;
  const { sallyport } = objectOf(value, "capabilities.extensions") as { sallyport?: unknown };
  if (sallyport == null) return false;
  const { execRuns } = objectOf(sallyport, "capabilities.extensions.sallyport") as { execRuns?: unknown };
  return readBoolean(execRuns, "capabilities.extensions.sallyport.execRuns") ?? true;
}

function readBoolean(value: unknown, path: string): boolean | undefined {
  if (value !== undefined && typeof value !== "boolean") throw invalid(path, "true or false");
  return value;
}

function objectOf(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>; // just checked
  throw invalid(path, "an object");
}

function textOf(value: unknown, path: string): string {
  if (typeof value === "string") return value;
  throw invalid(path, "a string");
}

function invalid(path: string, expected: string): RpcError {
  const where = path === "" ? "params" : `params.${path}`;
  return new RpcError(rpcCodes.invalidParams, `Invalid ${where} of initialize: expected ${expected}`, { path });
}
