import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  ownToken,
  parseTokenHash,
  readSharedSecret,
  readTokenFile,
  signedTokenAuth,
  tokenAuth,
} from "../../src/transports/bearer-auth.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-auth-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

test("tokenAuth() lets in who has the token, and says why not", () => {
  const auth = tokenAuth(sha256("right"));
  const cases: [string | undefined, string | null][] = [
    ["Bearer right", null],
    ["bearer  right ", null],
    [undefined, "missing websocket bearer token"],
    ["", "missing websocket bearer token"],
    ["Basic right", "missing websocket bearer token"],
    ["Bearer ", "missing websocket bearer token"],
    ["Bearer wrong", "invalid websocket bearer token"],
    ["Bearer right right", "missing websocket bearer token"],
    [`Bearer ${"x".repeat(100_000)}`, "invalid websocket bearer token"],
  ];
  for (const [header, answer] of cases) assert.equal(auth(header), answer, header?.slice(0, 40));
});

test("ownToken() makes a token for its owner alone, once", () => {
  const home = join(folder, "home");
  const first = ownToken(home);
  assert.equal(statSync(first.file).mode & 0o777, 0o600);
  const token = readFileSync(first.file, "utf8").trim();
  assert.match(token, /^[\w-]{43}$/);
  assert.deepEqual(first.sha256, sha256(token));
  assert.deepEqual(ownToken(home), first);
});

test("ownToken() gives servers that start at once the same token", async () => {
  const homes = Array.from({ length: 50 }, (_, index) => join(folder, `raced-${index}`));
  const module = new URL("../../src/transports/bearer-auth.ts", import.meta.url).href;
  const program = `import { ownToken } from ${JSON.stringify(module)};
    process.stdin.once("data", () => {
      for (const home of ${JSON.stringify(homes)}) console.log(ownToken(home).sha256.toString("hex"));
      process.exit();
    });
    console.log("ready");`;
  const words = ["--conditions=sallyport-source", "--no-warnings", "--input-type=module", "-e", program];
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] }),
  );
  await Promise.all(children.map(({ stdout }) => once(stdout, "data")));
  const printed = children.map(async ({ stdin, stdout }) => {
    stdin.write("go");
    return (await stdout.setEncoding("utf8").toArray()).join("").trimEnd().split("\n");
  });
  const all = await Promise.all(printed);
  const stored = homes.map((home) => readTokenFile(join(home, "app-server-token")).toString("hex"));
  for (const hashes of all) assert.deepEqual(hashes, stored);
  for (const home of homes) assert.deepEqual(readdirSync(home), ["app-server-token"]);
});

test("readTokenFile() refuses a file that others may read or that has no token", () => {
  const file = join(folder, "token");
  writeFileSync(file, "  secret\n", { mode: 0o600 });
  assert.deepEqual(readTokenFile(file), sha256("secret"));
  chmodSync(file, 0o644);
  assert.throws(() => readTokenFile(file), {
    code: "TOKEN_REFUSED",
    message: `The token file ${JSON.stringify(file)} is refused: others may read or write it, expected mode 0600: chmod 600 it`,
  });
  chmodSync(file, 0o600);
  writeFileSync(file, " \n");
  assert.throws(() => readTokenFile(file), { code: "TOKEN_REFUSED", message: /it is empty/ });
  assert.throws(() => readTokenFile(join(folder, "none")), { code: "TOKEN_REFUSED", message: /ENOENT/ });
  assert.throws(() => readTokenFile(folder), { code: "TOKEN_REFUSED" });
});

test("parseTokenHash() takes 64 hexadecimal digits", () => {
  assert.deepEqual(parseTokenHash(sha256("t").toString("hex").toUpperCase()), sha256("t"));
  for (const text of ["", "12", `${"0".repeat(63)}g`, "0".repeat(65)]) {
    assert.throws(() => parseTokenHash(text), { code: "TOKEN_REFUSED", message: /expected 64 hexadecimal digits$/ });
  }
});

const secret = Buffer.from("s".repeat(32));
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
function sign(claims: unknown, { key = secret, header = { alg: "HS256" } } = {}): string {
  const text = `${part(header)}.${part(claims)}`;
  return `Bearer ${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}
const now = Math.floor(Date.now() / 1000);
const soon = now + 600;

test("signedTokenAuth() checks signature, time, issuer and audience", () => {
  const auth = signedTokenAuth({ secret, issuer: "me", audience: "you", clockSkewSeconds: 30 });
  const good = { exp: soon, iss: "me", aud: "you" };
  const accepted = [good, { ...good, aud: ["a", "you"] }, { ...good, nbf: now - 5 }, { ...good, exp: now - 10 }];
  for (const claims of accepted) assert.equal(auth(sign(claims)), null, JSON.stringify(claims));
  const refused = [
    sign({ ...good, exp: now - 60 }),
    sign({ ...good, exp: String(soon) }),
    sign({ iss: "me", aud: "you" }),
    sign({ ...good, nbf: now + 60 }),
    sign({ ...good, iss: "other" }),
    sign({ ...good, aud: "other" }),
    sign({ ...good, aud: undefined }),
    sign(good, { key: Buffer.from("t".repeat(32)) }),
    sign(good, { header: { alg: "none" } }),
    sign(good, { header: { alg: "HS512" } }),
    sign([good]),
    `${sign(good)}.more`,
    `Bearer ${part({ alg: "none" })}.${part(good)}.`,
    "Bearer ..",
    "Bearer a.b.c",
  ];
  for (const header of refused) assert.equal(auth(header), "invalid websocket bearer token", header);
  assert.equal(auth(undefined), "missing websocket bearer token");
});

test("signedTokenAuth() never throws, whatever it is given", () => {
  const auth = signedTokenAuth({ secret, issuer: null, audience: null, clockSkewSeconds: 0 });
  const good = sign({ exp: soon });
  assert.equal(auth(good), null);
  for (let index = 7; index < good.length; index += 1) {
    for (const character of [".", "A", "\u0000", "é", ""]) {
      const changed = good.slice(0, index) + character + good.slice(index + 1);
      if (changed !== good) assert.equal(typeof auth(changed), "string", changed);
    }
  }
});

test("readSharedSecret() refuses a short secret", () => {
  const file = join(folder, "secret");
  writeFileSync(file, `${"s".repeat(32)}\n`, { mode: 0o600 });
  assert.deepEqual(readSharedSecret(file), secret);
  writeFileSync(file, `${"s".repeat(31)}\n`);
  assert.throws(() => readSharedSecret(file), {
    code: "TOKEN_REFUSED",
    message: /it has 31 bytes, expected at least 32$/,
  });
});
