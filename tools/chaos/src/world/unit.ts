/** A part of the world that can be killed, frozen and started again on its port. */
import { type Child, type ChildOptions, startChild } from "./child.ts";
import { LabFailure } from "./lab-failure.ts";
import { becomesTrue } from "./until.ts";

export interface Unit {
  readonly name: string;
  readonly port: number;
  pid(): number;
  running(): boolean;
  /** SIGKILL. @returns whether the unit was running */
  kill(): Promise<boolean>;
  /** A clean stop. @returns whether the unit was running */
  stop(): Promise<boolean>;
  /** Starts the unit again; resolves when it answers. No effect while it runs. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT. @returns whether the unit was running */
  freeze(): Promise<boolean>;
  thaw(): Promise<boolean>;
  /** How the last process ended: `exit 0` is expected after SIGTERM. */
  lastEnd(): string | null;
  /** The longest clean stop, in milliseconds. */
  slowestStopMs(): number;
  /** Errors of the program itself, from all its processes. */
  ownErrors(): readonly string[];
  tail(): string;
}

export interface ProcessUnitOptions {
  readonly name: string;
  readonly port: number;
  readonly child: () => ChildOptions;
  /** True as soon as the unit answers. */
  readonly answers: () => Promise<boolean>;
}

const START_LIMIT_MS = 20_000;

/** A unit that is one process. It is not started yet. */
export function processUnit(options: ProcessUnitOptions): Unit {
  let child: Child | null = null;
  let slowestStopMs = 0;
  const earlierErrors: string[] = [];
  const running = (): boolean => child?.running() ?? false;
  const end = async (how: "kill" | "stop"): Promise<boolean> => {
    const was = running();
    const before = performance.now();
    child?.signal("SIGCONT");
    await child?.[how]();
    if (was && how === "stop") slowestStopMs = Math.max(slowestStopMs, performance.now() - before);
    return was;
  };
  return {
    name: options.name,
    port: options.port,
    pid: () => child?.pid ?? 0,
    running,
    kill: () => end("kill"),
    stop: () => end("stop"),
    async start() {
      if (running()) return;
      earlierErrors.push(...(child?.ownErrors() ?? []));
      const started = startChild(options.child());
      child = started;
      const up = await becomesTrue(async () => !started.running() || (await options.answers()), START_LIMIT_MS);
      if (up && started.running()) return;
      throw new LabFailure(`${options.name} does not start (${started.ended() ?? "no answer"}):\n${started.tail()}`);
    },
    freeze: async () => child?.signal("SIGSTOP") ?? false,
    thaw: async () => child?.signal("SIGCONT") ?? false,
    lastEnd: () => child?.ended() ?? null,
    slowestStopMs: () => slowestStopMs,
    ownErrors: () => [...earlierErrors, ...(child?.ownErrors() ?? [])],
    tail: () => child?.tail() ?? "",
  };
}
