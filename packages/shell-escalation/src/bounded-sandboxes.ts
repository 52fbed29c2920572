/** The sandboxes of programs that a rule carries outside with bounds: each has its own, planned when it is decided and taken down
 *  when it has ended. */
import { HeldPaths, planWall } from "@sallyport/sandbox";
import type { SandboxPolicy, WallPlan } from "@sallyport/sandbox";
import type { BoundedSandbox, WantedSandbox } from "./decision/index.ts";
import { namedVariables } from "./session-bytes.ts";
import type { Text } from "@sallyport/protocol";

export interface BoundedSandboxOptions {
  /** The policy of the command's own wall. */
  policy: SandboxPolicy;
  /** The command's own wall. */
  wall: Pick<WallPlan, "level" | "writableRoots" | "protectedNames" | "denyRead">;
  env: Text[];
}

export class BoundedSandboxes {
  readonly #options: BoundedSandboxOptions;
  readonly #plans = new Map<number, WallPlan>();
  readonly #denied: HeldPaths;

  /** Before anything has run. */
  constructor(options: BoundedSandboxOptions) {
    this.#options = options;
    this.#denied = new HeldPaths(options.wall.denyRead);
  }

  /** A sandbox, or why there is none: never less than what the rule asks for. */
  plan({ requestId, bounds, readable }: WantedSandbox): BoundedSandbox | string {
    const { policy, env, wall } = this.#options;
    const missing = this.#whatIsMissing();
    if (missing !== null) return `the rule bounds the escalation, which needs ${missing}`;
    try {
      const plan = planWall(
        {
          ...policy,
          mode: "workspace-write",
          wall: "bubblewrap",
          cwd: "/",
          denyRead: [...policy.denyRead, ...this.#denied.names().filter((path) => !wall.denyRead.includes(path))],
          writable: [...bounds.write],
          network: bounds.network,
          sockets: [],
          bounds: { read: bounds.read, known: { roots: wall.writableRoots, names: wall.protectedNames } },
          readableExtra: [...policy.readableExtra, ...readable],
        },
        { env: namedVariables(env) },
      );
      this.#plans.set(requestId, plan);
      if (plan.wall !== null) return { bounds: { outerArgv: plan.outerArgv, wall: plan.wall }, env: plan.env };
      return "the rule bounds the escalation, and its sandbox has no wall";
    } catch (error) {
      return `its sandbox can't be made: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** The exec has ended, or was never started. */
  ended(requestId: number): void {
    this.#plans.get(requestId)?.close();
    this.#plans.delete(requestId);
  }

  /** Once nothing runs any more. What could not be removed, one sentence each. */
  close(): string[] {
    const problems = [...this.#plans.values()].flatMap((plan) => plan.close());
    this.#plans.clear();
    this.#denied.close();
    return problems;
  }

  /** A second bubblewrap inside something that forbids it, and the weaker wall, can't keep bounds. */
  #whatIsMissing(): string | null {
    const { policy, wall } = this.#options;
    if (wall.level !== "bubblewrap") return "the bubblewrap wall";
    return policy.landlockAbi === 0 ? "Landlock" : null;
  }
}
