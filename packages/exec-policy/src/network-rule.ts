/** `network_rule`: read and checked, so that a file with such rules loads; which hosts may be reached is decided elsewhere. */
import type { Placed, Report } from "./call-arguments.ts";
import { parameterTable, readArguments, shortRepr } from "./call-arguments.ts";
import type { RuleDecision } from "./rule.ts";
import { quoted } from "./rules-error.ts";
import type { Call } from "./syntax.ts";
import type { Given } from "./values.ts";

export interface NetworkRule {
  /** Lower case, without port and trailing dots. */
  host: string;
  protocol: "http" | "https" | "socks5_tcp" | "socks5_udp";
  decision: RuleDecision;
  justification?: string;
  at: { file: string; line: number; column: number };
}

const table = parameterTable(
  "network_rule",
  { host: "string", protocol: "string", decision: "string", justification: "string" },
  { required: ["host", "protocol", "decision"] },
);
const protocols: Readonly<Record<string, NetworkRule["protocol"]>> = {
  http: "http",
  https: "https",
  https_connect: "https",
  "http-connect": "https",
  socks5_tcp: "socks5_tcp",
  socks5_udp: "socks5_udp",
};
const decisions: Readonly<Record<string, RuleDecision>> = {
  allow: "allow",
  prompt: "prompt",
  forbidden: "forbidden",
  deny: "forbidden",
};

export function readNetworkRule(call: Call, given: Given, at: NetworkRule["at"], report: Report): NetworkRule | null {
  let broken = false;
  const note: Report = (where, text, expected) => {
    broken = true;
    report(where, text, expected);
  };
  const found = readArguments(table, call, given, note);
  const host = hostOf(found.get("host"), note);
  const protocol = choice(
    found.get("protocol"),
    protocols,
    note,
    "network_rule protocol must be one of http, https, socks5_tcp, socks5_udp",
  );
  const decision = choice(found.get("decision"), decisions, note, null);
  const justification = justificationOf(found.get("justification"), note);
  if (broken || host === null || protocol === null || decision === null) return null;
  return { host, protocol, decision, ...justification, at };
}

export function justificationOf(place: Placed | undefined, report: Report): { justification?: string } {
  if (typeof place?.value !== "string") return {};
  if (place.value.trim() === "")
    report(place, "invalid rule: justification cannot be empty", "a reason, or no justification at all");
  return { justification: place.value };
}

function choice<Result>(
  place: Placed | undefined,
  known: Readonly<Record<string, Result>>,
  report: Report,
  rule: string | null,
): Result | null {
  if (typeof place?.value !== "string") return null;
  const found = Object.hasOwn(known, place.value) ? known[place.value] : undefined;
  if (found !== undefined) return found;
  const text = rule === null ? `invalid decision: ${place.value}` : `invalid rule: ${rule} (got ${place.value})`;
  report(
    place,
    text,
    Object.keys(known)
      .map((name) => quoted(name))
      .join(", "),
  );
  return null;
}

function hostOf(place: Placed | undefined, report: Report): string | null {
  if (typeof place?.value !== "string") return null;
  const refuse = (text: string, expected: string): null => {
    report(place, `invalid rule: ${text}`, expected);
    return null;
  };
  const written = place.value.trim();
  if (written === "") return refuse("network_rule host cannot be empty", "a name such as api.example.com");
  if (/:\/\/|[/?#]/.test(written))
    return refuse(`network_rule host ${shortRepr(written)} is not a bare host`, "no scheme and no path");
  const bare = withoutPort(written);
  if (bare === null)
    return refuse(`network_rule host ${shortRepr(written)} has a broken bracket`, "[address] or [address]:port");
  const host = bare.replace(/\.+$/, "").replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (host === "") return refuse("network_rule host cannot be empty", "a name such as api.example.com");
  if (host.includes("*"))
    return refuse(`network_rule host ${shortRepr(written)} has a wildcard`, "one host by its whole name");
  if (/\s/u.test(host)) return refuse(`network_rule host ${shortRepr(written)} has blanks`, "a name without blanks");
  return host;
}

function withoutPort(written: string): string | null {
  if (written.startsWith("[")) return /^\[([^\]]*)\](?::[0-9]+)?$/.exec(written)?.[1] ?? null;
  const [, name] = /^([^:]+):[0-9]+$/.exec(written) ?? [];
  return name ?? written;
}
