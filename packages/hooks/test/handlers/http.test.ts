/** http handlers against real servers of this machine, and what must not be reached. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { RunLimit } from "../../src/handlers/run-limit.ts";
import { isPublicAddress } from "../../src/handlers/public-address.ts";
import type { HandlerAction } from "../../src/types.ts";
import { readable, runOnce } from "../support/handlers.ts";
import type { RunChanges } from "../support/handlers.ts";

const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections?.();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<{ url: string; server: Server; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, server, requests };
}

function post(url: string, changes: RunChanges = {}, more: Partial<Extract<HandlerAction, { type: "http" }>> = {}) {
  const action: HandlerAction = { type: "http", url, headers: {}, async: false, passEnv: [], ...more };
  return runOnce(action, { ...changes, session: { httpPrivateAddresses: true, ...changes.session } });
}

const answered: ReturnType<typeof readable> = {
  outcome: "answered",
  exitCode: null,
  signal: null,
  problem: null,
  startFailure: null,
  leftBehind: [],
  stdout: "",
  stderr: "",
};

describe("an http handler", () => {
  test("posts the input as JSON and takes the body of a 2xx as output", async () => {
    let got: unknown;
    const { url } = await serve((request, response) => {
      void text(request).then((body) => {
        got = [request.method, request.url, request.headers["content-type"], body];
        response.writeHead(201).end('{"systemMessage":"ü"}');
      });
    });
    const result = await post(url, { input: { a: "ü" } });
    assert.deepEqual(readable(result), { ...answered, stdout: '{"systemMessage":"ü"}' });
    assert.deepEqual(got, ["POST", "/hook", "application/json", '{"a":"ü"}']);
  });

  test("other statuses are failures, and redirects are not followed", async () => {
    const target = await serve((_, response) => response.end("{}"));
    const problems = [];
    for (const status of [204, 301, 307, 404, 500]) {
      const { url } = await serve((_, response) => response.writeHead(status, { location: target.url }).end());
      problems.push((await post(url)).problem?.replace(/^"127.0.0.1:\d+" /, "") ?? null);
    }
    assert.deepEqual(problems, [
      null,
      "answered 301 Moved Permanently, expected 2xx (redirects are not followed)",
      "answered 307 Temporary Redirect, expected 2xx (redirects are not followed)",
      "answered 404 Not Found, expected 2xx",
      "answered 500 Internal Server Error, expected 2xx",
    ]);
    assert.equal(target.requests.length, 0);
  });

  test("a server that never answers, or never ends, is timed out; a cancelled call is cancelled", async () => {
    const silent = await serve(() => {});
    const endless = await serve((_, response) => response.writeHead(200).write("{"));
    const results = await Promise.all([silent, endless].map(({ url }) => post(url, { timeoutMs: 150 })));
    assert.deepEqual(
      results.map((result) => result.outcome),
      ["timedOut", "timedOut"],
    );
    const limit = new RunLimit(30_000);
    const running = post(silent.url, { limit });
    silent.server.once("request", () => limit.cancel());
    assert.equal((await running).outcome, "cancelled");
  });

  test("an answer that breaks off, a closed port, a bad URL and a bad header are failures and no throws", async () => {
    const broken = await serve((request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{}");
      request.socket.destroySoon();
    });
    const closed = await serve(() => {});
    await new Promise((resolve) => closed.server.close(resolve));
    const garbage = createTcpServer((socket) => socket.end("hello, this is no HTTP\r\n\r\n"));
    servers.push(garbage);
    await new Promise<void>((resolve) => garbage.listen(0, "127.0.0.1", resolve));
    const results = [
      await post(broken.url),
      await post(closed.url),
      await post(`http://127.0.0.1:${(garbage.address() as AddressInfo).port}/`),
      await post("not a url"),
      await post("file:///etc/passwd"),
      await post(closed.url, {}, { headers: { "bad header": "x" } }),
      await post(closed.url, {}, { headers: { fine: "two\r\nlines: x" } }),
    ];
    assert.deepEqual(
      results.map(({ outcome, problem }) => `${outcome} ${problem === null ? "without" : "with"} a problem`),
      ["answered with a problem", ...Array.from({ length: results.length - 1 }, () => "notStarted with a problem")],
    );
  });

  test("a large answer is kept within bounds", async () => {
    const { url } = await serve((_, response) => response.end(Buffer.alloc(3_000_000, "x")));
    const { stdout } = await post(url);
    assert.deepEqual(
      [stdout.bytes.length, stdout.totalBytes, stdout.spillFile === null],
      [1_048_576, 3_000_000, false],
    );
  });

  test("headers take variables that are listed, and no others", async () => {
    const { url, requests } = await serve((_, response) => response.end());
    const env = { HOOK_TOKEN: "secret", OTHER: "x" };
    const headers = { authorization: "Bearer ${HOOK_TOKEN}", "x-plain": "$HOOK_TOKEN" };
    await post(url, { session: { env } }, { headers, passEnv: ["HOOK_TOKEN"] });
    assert.deepEqual(
      [requests[0]?.headers["authorization"], requests[0]?.headers["x-plain"]],
      ["Bearer secret", "$HOOK_TOKEN"],
    );
    const unlisted = await post(url, { session: { env } }, { headers: { a: "${OTHER}" }, passEnv: ["HOOK_TOKEN"] });
    assert.match(unlisted.problem ?? "", /header "a" needs "OTHER", which is not set or not listed in passEnv/);
    assert.equal(requests.length, 1);
  });
});

describe("private addresses", () => {
  test("are not reached by address, in any spelling, unless configured", async () => {
    const { url, requests } = await serve((_, response) => response.end());
    const { port } = new URL(url);
    const hosts = [
      "127.0.0.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "127.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "0.0.0.0",
      "[::]",
    ];
    for (const host of hosts) {
      const { outcome, problem } = await post(`http://${host}:${port}/`, { session: { httpPrivateAddresses: false } });
      assert.equal(outcome, "notStarted", host);
      assert.match(problem ?? "", /which is private: set http_private_addresses to allow it/, host);
    }
    assert.equal(requests.length, 0);
    assert.equal((await post(url)).outcome, "answered");
    assert.equal(requests.length, 1);
  });

  test("are not reached by a name that resolves to one", async () => {
    const { url, requests } = await serve((_, response) => response.end());
    const byName = url.replace("127.0.0.1", "localhost");
    const refused = await post(byName, { session: { httpPrivateAddresses: false } });
    assert.match(refused.problem ?? "", /"localhost" is at (127\.0\.0\.1|::1), which is private/);
    assert.equal(requests.length, 0);
    assert.equal((await post(byName)).outcome, "answered");
  });

  test("are known from public ones", () => {
    const closed = [
      "10.1.2.3",
      "100.64.0.1",
      "127.255.255.254",
      "169.254.169.254",
      "172.31.255.255",
      "192.168.0.1",
      "198.19.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "::ffff:10.0.0.1",
      "64:ff9b::7f00:1",
      "2001:db8::1",
      "2002:7f00:1::",
      "fc00::1",
      "fd12::1",
      "fe80::1",
      "ff02::1",
    ];
    const open = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.167.255.255", "2606:4700::1111", "2a00:1450::1"];
    assert.deepEqual(closed.filter(isPublicAddress), []);
    assert.deepEqual(open.filter(isPublicAddress), open);
  });
});
