/** Who may connect to `sallyport app-server` over TCP: without a word, whoever can read the token in the home. */
import {
  ownToken,
  parseTokenHash,
  readSharedSecret,
  readTokenFile,
  signedTokenAuth,
  tokenAuth,
} from "@sallyport/app-server";
import type { BearerAuth } from "@sallyport/app-server";
import { usageError } from "../usage-error.ts";

export interface AuthFlags {
  /** False: `--no-auth`. */
  auth?: boolean;
  wsAuth?: "capability-token" | "signed-bearer-token";
  wsTokenFile?: string;
  wsTokenSha256?: string;
  wsSharedSecretFile?: string;
  wsIssuer?: string;
  wsAudience?: string;
  wsMaxClockSkewSeconds?: number;
}

interface ChosenAuth {
  auth: BearerAuth | null;
  /** Where the token lies that clients need, if we know it. */
  tokenFile: string | null;
}

const defaultClockSkewSeconds = 30;

/** Throws a usage error for flags that do not go together, and `TOKEN_REFUSED`. */
export function chooseAuth(
  flags: AuthFlags,
  { home, isOpenTo }: { home: string; isOpenTo: "this machine" | "the network" },
): ChosenAuth {
  if (flags.auth === false) {
    // The attack: anybody on the network runs commands here.
    if (isOpenTo === "the network") throw usage("--no-auth needs an address of this machine alone, such as 127.0.0.1");
    if (flags.wsAuth !== undefined) throw usage("--no-auth and --ws-auth exclude each other");
    return { auth: null, tokenFile: null };
  }
  if (flags.wsAuth === "signed-bearer-token") return { auth: signed(flags), tokenFile: null };
  const { wsTokenFile: file, wsTokenSha256: sha256 } = flags;
  if (file !== undefined && sha256 !== undefined)
    throw usage("--ws-token-file and --ws-token-sha256 exclude each other");
  if (file !== undefined) return { auth: tokenAuth(readTokenFile(file)), tokenFile: file };
  if (sha256 !== undefined) return { auth: tokenAuth(parseTokenHash(sha256)), tokenFile: null };
  const own = ownToken(home);
  return { auth: tokenAuth(own.sha256), tokenFile: own.file };
}

function signed(flags: AuthFlags): BearerAuth {
  if (flags.wsSharedSecretFile === undefined) throw usage("signed-bearer-token needs --ws-shared-secret-file");
  return signedTokenAuth({
    secret: readSharedSecret(flags.wsSharedSecretFile),
    issuer: flags.wsIssuer ?? null,
    audience: flags.wsAudience ?? null,
    clockSkewSeconds: flags.wsMaxClockSkewSeconds ?? defaultClockSkewSeconds,
  });
}

function usage(message: string): Error {
  return usageError(message, "app-server");
}
