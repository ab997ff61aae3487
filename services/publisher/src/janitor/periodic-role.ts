/** A periodic machine with its work: what the publisher starts, watches and stops. */
import type { Logger } from "@acktor/shared/runtime/logger";
import { type Actor, type AnyActor, createActor, fromPromise } from "xstate";
import { type PeriodicOutput, periodicMachine } from "./periodic-machine.ts";

export interface PeriodicRoleOptions {
  readonly name: string;
  readonly intervalMs: number;
  readonly logger: Logger;
  /** One bounded run; a rejection is logged once per row of failures and tried again. */
  readonly work: () => Promise<PeriodicOutput>;
  /** Takes the actor each time that one has started. */
  readonly onActor?: (actor: AnyActor) => void;
}

export class PeriodicRole {
  readonly name: string;
  readonly #options: PeriodicRoleOptions;
  #actor: Actor<typeof periodicMachine> | null = null;
  #running: Promise<unknown> = Promise.resolve();
  #failing = false;

  constructor(options: PeriodicRoleOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** For people who watch; null before the first start. */
  get actor(): Actor<typeof periodicMachine> | null {
    return this.#actor;
  }

  /** Works until the signal fires, then lets the run under way end. Rejects when the machine itself broke. */
  run(signal: AbortSignal): Promise<void> {
    const logic = fromPromise<PeriodicOutput>(() => {
      const running = this.#work();
      this.#running = running.catch(() => "noted there, and the machine hears of it");
      return running;
    });
    const actor = createActor(periodicMachine.provide({ actors: { work: logic } }), {
      input: { intervalMs: this.#options.intervalMs },
    });
    this.#actor = actor;
    return new Promise((resolve, reject) => {
      actor.subscribe({ error: reject });
      signal.addEventListener("abort", () => void this.stop().then(resolve), { once: true });
      actor.start();
      this.#options.onActor?.(actor);
    });
  }

  /** Runs now instead of after the interval. */
  now(): void {
    this.#actor?.send({ type: "work.now" });
  }

  /** Resolves when the run under way, if any, has ended. Twice and early is fine. */
  async stop(): Promise<void> {
    this.#actor?.stop();
    await this.#running;
  }

  async #work(): Promise<PeriodicOutput> {
    const { name, logger, work } = this.#options;
    try {
      const output = await work();
      this.#failing = false;
      return output;
    } catch (error) {
      if (!this.#failing)
        logger.warn({ actor: name, reason: (error as Error).message }, "a role failed; it tries again");
      this.#failing = true;
      throw error;
    }
  }
}
