import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { boundSockets, listSockets, namedSockets } from "../src/unix-sockets.ts";
import { makeFolders } from "./test-wall.ts";

test("boundSockets() reads paths with spaces and newlines, and leaves out abstract and unbound sockets", () => {
  const entry = "0000000072d0d00c: 00000002 00000000 00010000 0001 01";
  const table = [
    "Num       RefCount Protocol Flags    Type St Inode Path",
    `${entry} 11262`,
    `${entry} 11263 /run/docker.sock`,
    `${entry} 11264 @/tmp/.X11-unix/X0`,
    `${entry} 11265 /home/u/with space`,
    `${entry} 11266 /home/u/with`,
    "newline",
    `${entry}     7 relative.sock`,
    "",
  ].join("\n");
  assert.deepEqual(boundSockets(table), ["/run/docker.sock", "/home/u/with space", "/home/u/with\nnewline"]);
});

test("namedSockets() reads the variables that clients look at", () => {
  const env = {
    SSH_AUTH_SOCK: "/tmp/ssh/agent.1",
    TMUX: "/tmp/tmux-0/default,123,0",
    DOCKER_HOST: "unix:///home/u/.docker/docker.sock",
    CONTAINER_HOST: "tcp://localhost:1",
    DBUS_SESSION_BUS_ADDRESS: "unix:abstract=/x;unix:path=/home/u/bus,guid=1",
  };
  assert.deepEqual(namedSockets(env), [
    "/tmp/ssh/agent.1",
    "/tmp/tmux-0/default",
    "/home/u/.docker/docker.sock",
    "/home/u/bus",
  ]);
  assert.deepEqual(namedSockets({}), []);
});

test("listSockets() finds a listening socket, and a named one only if it is a socket", async (t) => {
  const { base } = makeFolders(t);
  const path = join(base, "listening\nünï.sock");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  writeFileSync(join(base, "file"), "");
  const found = listSockets({ SSH_AUTH_SOCK: join(base, "file") });
  assert.deepEqual(
    found.filter((socket) => socket.startsWith(base)),
    [path],
  );
});
