import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoaderName, readLoaderCall } from "../../src/decision/dynamic-loader.ts";

test("isLoaderName() knows loaders by name", () => {
  const loaders = [
    "ld-linux-x86-64.so.2",
    "ld-linux.so.2",
    "ld-musl-x86_64.so.1",
    "ld-2.31.so",
    "ld.so",
    "ld.so.1",
    "ld64.so.2",
  ];
  const others = ["ld", "ld.bfd", "ld.gold", "ldd", "libc.so.6", "gold", "ld-script", { base64: "/w==" }];
  assert.deepEqual(
    loaders.filter((name) => !isLoaderName(name)),
    [],
  );
  assert.deepEqual(others.filter(isLoaderName), []);
});

test("readLoaderCall() finds the program behind the options", () => {
  assert.deepEqual(
    readLoaderCall(["ld.so", "--preload", "a", "--audit=b", "--inhibit-cache", "--argv0", "c", "/bin/d", "--e"]),
    {
      kind: "program",
      file: "/bin/d",
      argv: ["c", "--e"],
      libraries: [
        { name: "--preload", value: "a", holds: "files" },
        { name: "--audit", value: "b", holds: "files" },
      ],
    },
  );
  const path = { base64: "L/8=" };
  assert.deepEqual(readLoaderCall(["ld.so", path]), { kind: "program", file: path, argv: [path], libraries: [] });
  assert.deepEqual(readLoaderCall(["ld.so", "--glibc-hwcaps-mask", "x", "--version", "/bin/d"]), { kind: "nothing" });
  assert.deepEqual(readLoaderCall([]), { kind: "nothing" });
});

test("readLoaderCall() says what it does not understand", () => {
  const unclear = (...argv: Parameters<typeof readLoaderCall>[0]): unknown => readLoaderCall(["ld.so", ...argv]);
  assert.deepEqual(unclear("--argv", "/bin/d"), { kind: "unclear", text: 'the option "--argv"' });
  assert.deepEqual(unclear("--toString", "/bin/d"), { kind: "unclear", text: 'the option "--toString"' });
  assert.deepEqual(unclear({ base64: Buffer.from([0x2d, 0x2d, 0xff]).toString("base64") }), {
    kind: "unclear",
    text: "an option that is not text",
  });
  assert.deepEqual(unclear("--argv0"), { kind: "unclear", text: "no value for --argv0" });
  assert.deepEqual(unclear("program"), { kind: "unclear", text: "a program without a folder" });
});
