/** A periodic machine with its work: what the publisher starts, watches and stops. */
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type Actor, type AnyActor, createActor, fromPromise } from "xstate";
import { type PeriodicOutput, periodicMachine } from "./periodic-machine.ts";

export interface PeriodicRoleOptions {
  readonly name: string;
  readonly intervalMs: number;
  readonly troubles: TroubleDesk;
  /** One bounded run; a rejection is reported under the role's name and tried again. */
  readonly work: () => Promise<PeriodicOutput>;
  /** Takes the actor each time that one has started. */
  readonly onActor?: (actor: AnyActor) => void;
}

export class PeriodicRole {
  readonly name: string;
  readonly #options: PeriodicRoleOptions;
  #actor: Actor<typeof periodicMachine> | null = null;
  #running: Promise<unknown> = Promise.resolve();

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
    const { name, troubles, work } = this.#options;
    try {
      const output = await work();
      troubles.clear(name);
      return output;
    } catch (error) {
      troubles.note(name, failureOf(error));
      throw error;
    }
  }
}
