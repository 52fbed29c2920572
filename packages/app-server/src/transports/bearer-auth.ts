/** Who may connect over TCP: whoever has the token. Checked before anything of a client is read; compared in constant time, by
 *  hashes, so that neither content nor length can be felt out. */
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SallyportError } from "@sallyport/supervisor";

/** Null: may come in; else the reason, which goes to the client. */
export type BearerAuth = (authorization: string | undefined) => string | null;

export interface SignedTokenOptions {
  secret: Buffer;
  issuer: string | null;
  audience: string | null;
  clockSkewSeconds: number;
}

const missing = "missing websocket bearer token";
const invalid = "invalid websocket bearer token";
/** HMAC-SHA-256 is as strong as its key, so a key shorter than the hash is refused. */
const shortestSecretBytes = 32;
const longestTokenBytes = 8192;

export function tokenAuth(sha256: Buffer): BearerAuth {
  return (authorization) => {
    const token = bearerToken(authorization);
    if (token === null) return missing;
    return timingSafeEqual(hash(token), sha256) ? null : invalid;
  };
}

/** Signed tokens (JWT, HS256): `exp` is required; `nbf`, `iss` and `aud` are checked where they are asked for or there. */
export function signedTokenAuth(options: SignedTokenOptions): BearerAuth {
  return (authorization) => {
    const token = bearerToken(authorization);
    if (token === null) return missing;
    return isGoodSignedToken(token, options, Date.now() / 1000) ? null : invalid;
  };
}

/** The hash of a token file's content, without white space around it. Throws `TOKEN_REFUSED`. */
export function readTokenFile(file: string): Buffer {
  return hash(readSecret(file).toString("utf8").trim());
}

/** Throws `TOKEN_REFUSED` for one that is too short. */
export function readSharedSecret(file: string): Buffer {
  const secret = Buffer.from(readSecret(file).toString("utf8").trim());
  if (secret.length >= shortestSecretBytes) return secret;
  throw refused(file, `it has ${secret.length} bytes, expected at least ${shortestSecretBytes}`);
}

/** Throws `TOKEN_REFUSED`. */
export function parseTokenHash(sha256: string): Buffer {
  if (/^[0-9a-f]{64}$/i.test(sha256)) return Buffer.from(sha256, "hex");
  const message = `The token's SHA-256 is ${JSON.stringify(sha256)}, expected 64 hexadecimal digits`;
  throw new SallyportError("TOKEN_REFUSED", message, { data: { sha256 } });
}

/** The home's own token, made when there is none: `app-server-token`, for its owner alone. Throws `TOKEN_REFUSED`. */
export function ownToken(home: string): { file: string; sha256: Buffer } {
  const file = join(home, "app-server-token");
  try {
    mkdirSync(home, { mode: 0o700, recursive: true });
    // Whole, and only where there is none: of two servers that start at once one makes it, and the other reads that.
    if (!existsSync(file)) linkNewToken(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw refused(file, `it can't be written: ${(error as Error).message}`, error);
    }
  }
  return { file, sha256: readTokenFile(file) };
}

function linkNewToken(file: string): void {
  const whole = `${file}.${randomUUID()}`;
  writeFileSync(whole, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  try {
    linkSync(whole, file);
  } finally {
    unlinkSync(whole);
  }
}

/** The attack: another user replaces the secret, or reads it. So only a file that others can neither write nor read is taken. */
function readSecret(file: string): Buffer {
  let bytes: Buffer;
  let mode: number;
  let uid: number;
  try {
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) throw refused(file, "it is no regular file");
      ({ mode, uid } = stats);
      bytes = readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw refused(file, `it can't be read: ${(error as Error).message}`, error);
  }
  const own = process.geteuid?.() ?? uid;
  if (uid !== own && uid !== 0) throw refused(file, `it belongs to user ${uid}, expected ${own}`);
  if ((mode & 0o077) !== 0) throw refused(file, "others may read or write it, expected mode 0600: chmod 600 it");
  if (bytes.length > longestTokenBytes) throw refused(file, `it has more than ${longestTokenBytes} bytes`);
  if (bytes.toString("utf8").trim() === "") throw refused(file, "it is empty; remove it, and a new one is made");
  return bytes;
}

function refused(file: string, why: string, cause?: unknown): SallyportError {
  return new SallyportError("TOKEN_REFUSED", `The token file ${JSON.stringify(file)} is refused: ${why}`, {
    data: { file },
    ...(cause === undefined ? {} : { cause }),
  });
}

function bearerToken(authorization: string | undefined): string | null {
  return /^bearer +(?<token>\S+) *$/i.exec(authorization ?? "")?.groups?.["token"] ?? null;
}

function hash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function isGoodSignedToken(token: string, options: SignedTokenOptions, now: number): boolean {
  const [header = "", payload = "", signature = "", ...rest] = token.split(".");
  if (rest.length > 0) return false;
  const signed = createHmac("sha256", options.secret).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== signed.length || !timingSafeEqual(given, signed)) return false;
  // The attack: a header that names "none" or another algorithm. What it says has to be what was checked.
  if (readPart(header)?.["alg"] !== "HS256") return false;
  const claims = readPart(payload);
  return claims !== null && areGoodClaims(claims, options, now);
}

function areGoodClaims(claims: Record<string, unknown>, options: SignedTokenOptions, now: number): boolean {
  const { exp, nbf, iss, aud } = claims;
  const { issuer, audience, clockSkewSeconds: skew } = options;
  if (typeof exp !== "number" || exp + skew <= now) return false;
  if (nbf !== undefined && (typeof nbf !== "number" || nbf - skew > now)) return false;
  if (issuer !== null && iss !== issuer) return false;
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  return audience === null || audiences.includes(audience);
}

function readPart(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
