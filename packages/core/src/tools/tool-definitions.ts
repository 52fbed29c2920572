/** The tools as the model is told of them, and their arguments as it sends them. */
import type { ModelTool } from "../models/model.ts";

export const defaultTimeoutMs = 120_000;
export const longestTimeoutMs = 3_600_000;

const shellProperties = {
  workdir: { type: "string", description: "Folder to run it in. Default: the session's working folder." },
  timeout_ms: { type: "integer", description: `Then it is ended. Default ${defaultTimeoutMs}.` },
} as const;

export const modelTools: ModelTool[] = [
  {
    type: "function",
    name: "shell",
    description:
      "Runs a command line with the shell, inside a sandbox that decides on every program it starts. Gives back its exit code and what it printed. Programs may be refused; the reason is then in the output.",
    inputSchema: {
      type: "object",
      properties: { command: { type: "string", description: "The command line." }, ...shellProperties },
      required: ["command"],
      additionalProperties: false,
    },
  },
  {
    type: "function",
    name: "apply_patch",
    description: [
      "Changes files. The patch is applied as a whole or not at all. Its format:",
      "*** Begin Patch",
      "*** Add File: PATH, then every line of the new file with + in front",
      "*** Delete File: PATH",
      "*** Update File: PATH, then optionally *** Move to: PATH, then chunks: @@ with a line that stands above (optional), then lines with a blank (kept), - (removed) or + (added) in front; give 3 kept lines around each change",
      "*** End Patch",
    ].join("\n"),
    inputSchema: {
      type: "object",
      properties: { input: { type: "string", description: "The whole patch." } },
      required: ["input"],
      additionalProperties: false,
    },
  },
  {
    type: "function",
    name: "update_plan",
    description: "Shows the user the steps of the work and how far each is. At most one step is in_progress.",
    inputSchema: {
      type: "object",
      properties: {
        explanation: { type: "string" },
        plan: {
          type: "array",
          items: {
            type: "object",
            properties: {
              step: { type: "string" },
              status: { type: "string", enum: ["pending", "in_progress", "completed"] },
            },
            required: ["step", "status"],
            additionalProperties: false,
          },
        },
      },
      required: ["plan"],
      additionalProperties: false,
    },
  },
];

const paths = { type: "array", items: { type: "string" } } as const;

/** Offered where the configuration has switched it on. */
export const permissionsTool: ModelTool = {
  type: "function",
  name: "request_permissions",
  description:
    "Asks the user for network access, or for folders outside of the working folder. What is granted holds for later commands and patches of this turn, or of the whole session where the user says so.",
  inputSchema: {
    type: "object",
    properties: {
      reason: { type: "string", description: "Why, for the user." },
      permissions: {
        type: "object",
        properties: {
          network: { type: "object", properties: { enabled: { type: "boolean" } }, additionalProperties: false },
          file_system: {
            type: "object",
            properties: {
              read: { ...paths, description: "Paths to read." },
              write: { ...paths, description: "Folders to write to; they have to exist." },
            },
            additionalProperties: false,
          },
        },
        additionalProperties: false,
      },
    },
    required: ["permissions"],
    additionalProperties: false,
  },
};
