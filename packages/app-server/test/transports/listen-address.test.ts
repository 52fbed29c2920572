import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, parseListenAddress } from "../../src/transports/listen-address.ts";

const home = "/home/me/.sallyport";

test("parseListenAddress() takes the three kinds", () => {
  const cases: [string, object][] = [
    ["stdio://", { kind: "stdio" }],
    ["unix://", { kind: "unix", path: "/home/me/.sallyport/app-server-control/app-server-control.sock" }],
    ["unix:///run/me/s.sock", { kind: "unix", path: "/run/me/s.sock" }],
    ["unix://s.sock", { kind: "unix", path: `${process.cwd()}/s.sock` }],
    ["ws://127.0.0.1:8790", { kind: "ws", host: "127.0.0.1", port: 8790 }],
    ["ws://localhost:0/", { kind: "ws", host: "127.0.0.1", port: 0 }],
    ["ws://[::1]:1", { kind: "ws", host: "::1", port: 1 }],
  ];
  for (const [text, address] of cases) assert.deepEqual(parseListenAddress(text, home), address, text);
});

test("parseListenAddress() names what is wrong", () => {
  const cases: [string, RegExp][] = [
    [
      "tcp://127.0.0.1:1",
      /"tcp:\/\/127\.0\.0\.1:1": expected stdio:\/\/, unix:\/\/, unix:\/\/PATH or ws:\/\/ADDRESS:PORT$/,
    ],
    ["ws://127.0.0.1", /expected stdio:/],
    ["ws://example.org:80", /expected an IP address or localhost before the port$/],
    ["ws://127.0.0.1:65536", /expected a port up to 65535$/],
    ["ws://127.0.0.1:-1", /expected stdio:/],
    [`unix:///${"a".repeat(107)}`, /its path has 108 bytes, expected at most 107$/],
    ["", /expected stdio:/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseListenAddress(text, home), { code: "LISTEN_REFUSED", message }, text);
  }
});

test("isLoopback() is true for addresses of this machine alone", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) assert.equal(isLoopback(host), true, host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "1.127.0.0.1", ""]) {
    assert.equal(isLoopback(host), false, host);
  }
});
