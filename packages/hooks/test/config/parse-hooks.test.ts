import assert from "node:assert/strict";
import { test } from "node:test";
import { command, commandsOf, Place, without } from "./place.ts";

/** A file, what it is complained about (after its path), and which commands are left. */
const traps: [name: string, file: string, complaints: string[], commands: string[]][] = [
  [
    "a good file",
    '{"description": "mine", "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a"}]}]}}',
    [],
    ["a"],
  ],
  ["an empty object", "{}", [], []],
  ["a comment", '{\n  // mine\n  "hooks": {}}', [":2:3: JSON has no comments; the file is skipped"], []],
  [
    "text after the end",
    '{"hooks": {}} {}',
    [":1:15: text after the end of the JSON document; the file is skipped"],
    [],
  ],
  ["a trailing comma", '{"hooks": {},}', [":1:14: a key in double quotes is expected; the file is skipped"], []],
  [
    "a byte order mark",
    "\ufeff{}",
    [":1:1: the file starts with a byte order mark; save it without; the file is skipped"],
    [],
  ],
  ["an empty file", "", [":1:1: a value is expected; the file is skipped"], []],
  ["a list", "[]", [':1:1: found a list, expected an object with "hooks"; nothing of this file is used'], []],
  [
    "an event without the outer key",
    '{"Stop": [{"hooks": [{"type": "command", "command": "a"}]}]}',
    [':1:2: Stop: events belong into the object under "hooks"; write {"hooks": {"Stop": [...]}}'],
    [],
  ],
  [
    "an event in camelCase",
    '{"hooks": {"preToolUse": []}}',
    [':1:12: hooks.preToolUse: there is no event "preToolUse", so its hooks never run; did you mean "PreToolUse"'],
    [],
  ],
  [
    "a misspelt event",
    '{"hooks": {"SesionStart": []}}',
    [':1:12: hooks.SesionStart: there is no event "SesionStart", so its hooks never run; did you mean "SessionStart"'],
    [],
  ],
  [
    "an event of Claude Code",
    '{"hooks": {"Notification": []}}',
    [
      ':1:12: hooks.Notification: "Notification" is an event of Claude Code that is not there in Sallyport; its hooks never run',
    ],
    [],
  ],
  [
    "an unknown key at the top",
    '{"hook": {}, "version": 1}',
    [':1:2: hook: the key has no effect; did you mean "hooks"', ":1:14: version: the key has no effect"],
    [],
  ],
  [
    "null for an event",
    '{"hooks": {"Stop": null}}',
    [":1:20: hooks.Stop: found null, expected a list of groups; the event is skipped"],
    [],
  ],
  [
    "an event that stands twice",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a"}]}],\n"Stop": [{"hooks": [{"type": "command", "command": "b"}]}]}}',
    [':2:1: hooks.Stop: "Stop" stands here twice; both lists are used, as one'],
    ["a", "b"],
  ],
  [
    "a handler in the place of a group",
    '{"hooks": {"Stop": [{"type": "command", "command": "a"}]}}',
    [':1:21: hooks.Stop[0]: a handler stands where a group is expected; write {"hooks": [{...}]} around it'],
    [],
  ],
  [
    "a group without handlers",
    '{"hooks": {"Stop": [{"hook": []}]}}',
    [
      ':1:22: hooks.Stop[0].hook: the key has no effect; did you mean "hooks"',
      ':1:21: hooks.Stop[0]: the group has no "hooks", so nothing runs',
    ],
    [],
  ],
  [
    "a matcher that is no text",
    '{"hooks": {"PreToolUse": [{"matcher": 1, "hooks": []}]}}',
    [":1:39: hooks.PreToolUse[0].matcher: found 1, expected text; this group is skipped"],
    [],
  ],
  [
    "a matcher that is not valid, on an event that has matchers and on one that has none",
    '{"hooks": {"PreToolUse": [{"matcher": "[x", "hooks": [{"type": "command", "command": "a"}]}],\n"Stop": [{"matcher": "[x", "hooks": [{"type": "command", "command": "b"}]}]}}',
    [
      ':1:39: hooks.PreToolUse[0].matcher: the matcher "[x" is not valid: missing closing ]: `[x`; this group is skipped',
      ":2:22: hooks.Stop[0].matcher: Stop has nothing to match, so its handlers always run",
    ],
    ["b"],
  ],
  [
    "a matcher with commas",
    '{"hooks": {"PreToolUse": [{"matcher": "Edit, Write", "hooks": []}]}}',
    [
      ':1:39: hooks.PreToolUse[0].matcher: commas don\'t separate names, so this most likely matches nothing; did you mean "Edit|Write"',
    ],
    [],
  ],
  [
    "an unknown type, next to a good handler",
    '{"hooks": {"Stop": [{"hooks": [{"type": "comand", "command": "a"}, {"type": "command", "command": "b"}]}]}}',
    [
      ':1:41: hooks.Stop[0].hooks[0].type: the type is "comand", expected "command", "http", "mcp_tool", "prompt", "agent"; did you mean "command"; this handler is skipped',
    ],
    ["b"],
  ],
  [
    "no type",
    '{"hooks": {"Stop": [{"hooks": [{"command": "a"}]}]}}',
    [
      ':1:32: hooks.Stop[0].hooks[0]: "type" is missing, expected "command", "http", "mcp_tool", "prompt", "agent"; this handler is skipped',
    ],
    [],
  ],
  [
    "no command, a blank one, and one that is no text",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "cmmand": "a"}, {"type": "command", "command": " "}, {"type": "command", "command": 1}]}]}}',
    [
      ':1:52: hooks.Stop[0].hooks[0].cmmand: the key has no effect; did you mean "command"',
      ':1:32: hooks.Stop[0].hooks[0]: "command" is missing; perhaps it is meant by "cmmand"; this handler is skipped',
      ":1:99: hooks.Stop[0].hooks[1].command: it is empty; this handler is skipped",
      ":1:136: hooks.Stop[0].hooks[2].command: found 1, expected text; this handler is skipped",
    ],
    [],
  ],
  [
    "a command and arguments with a NUL",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a\\u0000b"}, {"type": "command", "command": "a", "args": ["\\u0000"]}]}]}}',
    [
      ":1:32: hooks.Stop[0].hooks[0]: the command holds a NUL character, which no program can be given; this handler is skipped",
      ":1:76: hooks.Stop[0].hooks[1]: the command holds a NUL character, which no program can be given; this handler is skipped",
    ],
    [],
  ],
  [
    "timeouts that are none",
    `{"hooks": {"Stop": [{"hooks": [${["-1", "1.5", '"5"', "5.0"].map((timeout) => `{"type": "command", "command": "a", "timeout": ${timeout}}`).join(",\n")}]}]}}`,
    [
      ":1:79: hooks.Stop[0].hooks[0].timeout: found -1, expected a whole number of seconds from 0 on; this handler is skipped",
      ":2:48: hooks.Stop[0].hooks[1].timeout: found 1.5, expected a whole number of seconds from 0 on; this handler is skipped",
      ':3:48: hooks.Stop[0].hooks[2].timeout: found "5", expected a whole number of seconds from 0 on; this handler is skipped',
      ":4:48: hooks.Stop[0].hooks[3].timeout: found 5, expected a whole number of seconds from 0 on; this handler is skipped",
    ],
    [],
  ],
  [
    "other spellings of fields",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a", "timeoutSec": 1, "status_message": "x", "if": "Bash(*)"}]}]}}',
    [
      ':1:68: hooks.Stop[0].hooks[0].timeoutSec: the key has no effect; did you mean "timeout"',
      ':1:85: hooks.Stop[0].hooks[0].status_message: the key has no effect; did you mean "statusMessage"',
      ":1:108: hooks.Stop[0].hooks[0].if: the key has no effect here; the handler runs as if it were not there",
    ],
    ["a"],
  ],
  [
    "a field that stands twice: a reader sees one and the other runs",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true", "command": "rm -rf ~"}]}]}}',
    [':1:71: hooks.Stop[0].hooks[0].command: "command" stands here twice; this handler is skipped'],
    [],
  ],
  [
    "both spellings of commandWindows",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a", "commandWindows": "b", "command_windows": "c"}]}]}}',
    [
      ':1:32: hooks.Stop[0].hooks[0]: "commandWindows" and "command_windows" are the same, expected one of them; this handler is skipped',
    ],
    [],
  ],
  [
    "what has no effect on the event",
    '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a", "additionalContextLimit": 5}]}],\n"SessionEnd": [{"hooks": [{"type": "command", "command": "b", "async": true, "timeout": 9}, {"type": "mcp_tool", "server": "s", "tool": "t"}]}]}}',
    [
      ":2:89: hooks.SessionEnd[0].hooks[0].timeout: SessionEnd gives its handlers at most 3 s, so this is cut from 9 s",
      ":2:72: hooks.SessionEnd[0].hooks[0].async: SessionEnd waits for its handlers, so this one runs in the foreground",
      ':2:102: hooks.SessionEnd[0].hooks[1].type: SessionEnd takes no handlers of type "mcp_tool"; this handler is skipped',
      ":1:94: hooks.Stop[0].hooks[0].additionalContextLimit: Stop gives the model no context, so this has no effect",
    ],
    ["b", "a"],
  ],
  [
    "a module in a file",
    '{"hooks": {"Stop": [{"hooks": [{"type": "module", "name": "x"}]}]}}',
    [
      ':1:41: hooks.Stop[0].hooks[0].type: handlers of type "module" are registered by the embedding program, not in files; this handler is skipped',
    ],
    [],
  ],
  [
    "a null that an MCP tool can't get",
    '{"hooks": {"Stop": [{"hooks": [{"type": "mcp_tool", "server": "s", "tool": "t", "input": {"a": [null]}}]}]}}',
    [
      ":1:97: hooks.Stop[0].hooks[0].input.a[0]: JSON has no value for this that could be passed on; leave the key out; this handler is skipped",
    ],
    [],
  ],
  [
    "URLs that are none",
    '{"hooks": {"Stop": [{"hooks": [{"type": "http", "url": "file:///etc/passwd"}, {"type": "http", "url": "https://u:p@a/"}]}]}}',
    [
      ':1:56: hooks.Stop[0].hooks[0].url: the URL is "file:///etc/passwd", expected one that begins with http:// or https://; this handler is skipped',
      ":1:103: hooks.Stop[0].hooks[1].url: the URL holds a password; put it into headers, from a variable in passEnv; this handler is skipped",
    ],
    [],
  ],
  [
    "brackets without end",
    `{"hooks": ${"[".repeat(200_000)}`,
    [":1:74: nested deeper than 64 levels; the file is skipped"],
    [],
  ],
];

for (const [name, file, complaints, commands] of traps) {
  test(`${name}: what is said, and what is left`, () => {
    const place = new Place();
    place.write("home/hooks.json", file);
    const said = place.complaints().map((text) => text.replace("home/hooks.json", ""));
    assert.deepEqual(said, complaints);
    assert.deepEqual(commandsOf(place.discover().handlers), commands);
  });
}

test("TOML has the same hooks, with the path where JSON has line and column", () => {
  const place = new Place();
  place.write(
    "home/config.toml",
    `[[hooks.PreToolUse]]
matcher = "Bash"
[[hooks.PreToolUse.hooks]]
type = "command"
command = "a"
timeout = 5
[[hooks.PreToolUse.hooks]]
type = "comand"
[[hooks.Stopp]]
[hooks.state]
`,
  );
  assert.deepEqual(place.complaints(), [
    'home/config.toml: hooks.Stopp: there is no event "Stopp", so its hooks never run; did you mean "Stop"',
    'home/config.toml: hooks.PreToolUse[0].hooks[1].type: the type is "comand", expected "command", "http", "mcp_tool", "prompt", "agent"; did you mean "command"; this handler is skipped',
  ]);
  const [hook] = place.list();
  assert.deepEqual(
    [hook?.key, hook?.matcher, hook?.timeoutSec],
    [`${place.home}/config.toml:pre_tool_use:0:0`, "Bash", 5],
  );
});

test("skipped groups and handlers still count in keys", () => {
  const place = new Place();
  place.write("home/hooks.json", {
    hooks: { PreToolUse: [{ matcher: "[", hooks: [] }, { hooks: [{ type: "bad" }, command("a")] }] },
  });
  assert.deepEqual(
    place.list().map(({ key }) => key),
    [`${place.home}/hooks.json:pre_tool_use:1:1`],
  );
});

test("handlers stand in the fixed order of events, not in the file's", () => {
  const place = new Place();
  const order = [
    "PreModelRequest",
    "PreToolUse",
    "PostCompact",
    "SessionStart",
    "UserPromptSubmit",
    "Stop",
    "Interrupt",
    "PreExec",
    "PostExec",
  ];
  place.write("home/hooks.json", {
    hooks: Object.fromEntries(order.toReversed().map((event) => [event, [{ hooks: [command(event)] }]])),
  });
  assert.deepEqual(commandsOf(place.discover().handlers), order);
});

test("a handler has the fields of its file, and defaults", () => {
  const place = new Place();
  const plain = place.only("PreToolUse", command("c"), { matcher: "Bash" });
  assert.deepEqual([plain.matches(["Bash"]), plain.matches(["Edit"])], [true, false]);
  const expected = {
    key: `${place.home}/hooks.json:pre_tool_use:0:0`,
    event: "PreToolUse",
    matcherText: "Bash",
    action: { type: "command", command: "c", args: null, async: false, passEnv: [] },
    timeoutMs: 600_000,
    statusMessage: null,
    additionalContextLimit: null,
    onError: "allow",
    sourcePath: `${place.home}/hooks.json`,
    source: "user",
    isManaged: false,
    pluginId: null,
    displayOrder: 0,
    enabled: true,
    trustStatus: "untrusted",
    skipped: "it is not trusted yet",
  };
  assert.deepEqual(without(plain, "matches", "currentHash"), expected);
  const fields = {
    args: ["x y"],
    async: true,
    passEnv: ["API_KEY"],
    timeout: 0,
    statusMessage: "m",
    additionalContextLimit: 0,
  };
  const full = place.only("PreToolUse", command("c", fields), { matcher: "Bash" });
  assert.notEqual(full.currentHash, plain.currentHash);
  assert.deepEqual(without(full, "matches", "currentHash"), {
    ...expected,
    action: { type: "command", command: "c", args: ["x y"], async: true, passEnv: ["API_KEY"] },
    timeoutMs: 1000,
    statusMessage: "m",
    additionalContextLimit: 0,
  });
  assert.equal(place.list()[0]?.command, "c 'x y'");
});

test("a group that is required denies where its handlers fail, unless a handler says otherwise", () => {
  const place = new Place();
  assert.equal(place.only("PreToolUse", command("a")).onError, "allow");
  assert.equal(place.only("PreToolUse", command("a"), { required: true }).onError, "deny");
  assert.equal(place.only("PreToolUse", command("a", { onError: "ask" }), { required: true }).onError, "ask");
  // What can't be understood about a guard is read as strictly as can be.
  assert.equal(place.only("PreToolUse", command("a", { onError: "dny" })).onError, "deny");
  assert.equal(place.only("PreToolUse", command("a"), { required: "yes" }).onError, "deny");
});

test("a prompt is listed as not available; as a guard it stays active, and fails", () => {
  const place = new Place();
  const prompt = { type: "prompt", prompt: "fine?" };
  place.write("home/hooks.json", {
    hooks: { PreToolUse: [{ hooks: [prompt] }, { required: true, hooks: [prompt] }] },
  });
  const found = place.discover({ bypassTrust: true });
  assert.deepEqual(
    found.handlers.map(({ action, skipped }) => [action.type, skipped]),
    [
      ["prompt", 'handlers of type "prompt" are not available'],
      ["prompt", null],
    ],
  );
  assert.equal(found.warnings.length, 2);
});
