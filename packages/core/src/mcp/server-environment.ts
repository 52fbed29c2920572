/** What a server on stdio finds in its environment: a minimal set, and what its configuration names. The attack: a server of
 *  somebody else's reads the keys of models and clouds out of the environment that the agent was started with. */
import { isAbsolute } from "node:path";

const inherited: readonly string[] = [
  "HOME",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "LOGNAME",
  "PATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER",
  // Where certificates are, without which nothing on the network can be reached in many companies.
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "NODE_EXTRA_CA_CERTS",
  "PIP_CERT",
  "REQUESTS_CA_BUNDLE",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
];

export function serverEnvironment(
  env: NodeJS.ProcessEnv,
  own: { env: Readonly<Record<string, string>>; envVars: readonly string[] },
): Record<string, string> {
  const names = new Set([...inherited, ...own.envVars]);
  const taken = [...names].flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(taken), ...own.env };
}

/** The attack: with an empty or relative entry in PATH, a repository that has a program of the server's name is started in its place,
 *  outside of the sandbox. */
export function absoluteFolders(path: string | undefined): string {
  return (path ?? "").split(":").filter(isAbsolute).join(":") || "/usr/bin:/bin";
}
