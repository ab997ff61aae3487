/** A periodic machine with its work: what the publisher starts, watches and stops. */
import type { DbFailure } from "@acktor/shared/db/pool";
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type Actor, type AnyActor, createActor, fromPromise } from "xstate";
import type { Outcome } from "../outbox/outbox.ts";
import { type PeriodicOutput, periodicMachine } from "./periodic-machine.ts";

export interface PeriodicWork {
  readonly name: string;
  /** From the end of a run to the next one. */
  readonly intervalMs: number;
  /** One bounded run; a rejection is reported under the role's name, and the role tries again. */
  run(): Promise<PeriodicOutput>;
}

/** Receives the machine of each run, for people who watch. */
export interface RoleWatch {
  followRole(name: string, actor: AnyActor): void;
}

export interface PeriodicRoleParts {
  readonly work: PeriodicWork;
  readonly troubles: TroubleDesk;
  readonly watch: RoleWatch;
}

export class PeriodicRole {
  readonly name: string;
  readonly #parts: PeriodicRoleParts;
  #actor: Actor<typeof periodicMachine> | null = null;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: PeriodicRoleParts) {
    this.name = parts.work.name;
    this.#parts = parts;
  }

  /** For people who watch; null before the first start. */
  get actor(): Actor<typeof periodicMachine> | null {
    return this.#actor;
  }

  /** Works until the signal fires, then lets the run under way end. Rejects when the machine itself broke. */
  run(signal: AbortSignal): Promise<void> {
    const { work, watch } = this.#parts;
    const logic = fromPromise<PeriodicOutput>(() => {
      const running = this.#work();
      this.#running = running.catch(() => "reported by #work, and noticed by the machine");
      return running;
    });
    const actor = createActor(periodicMachine.provide({ actors: { work: logic } }), {
      input: { intervalMs: work.intervalMs },
    });
    this.#actor = actor;
    return new Promise((resolve, reject) => {
      actor.subscribe({ error: reject });
      signal.addEventListener("abort", () => void this.stop().then(resolve), { once: true });
      actor.start();
      watch.followRole(this.name, actor);
    });
  }

  /** Runs now instead of after the interval. */
  now(): void {
    this.#actor?.send({ type: "work.now" });
  }

  /** Resolves when the run under way, if any, has ended. May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    this.#actor?.stop();
    await this.#running;
  }

  async #work(): Promise<PeriodicOutput> {
    const { work, troubles } = this.#parts;
    try {
      const output = await work.run();
      troubles.clear(this.name);
      return output;
    } catch (error) {
      troubles.note(this.name, failureOf(error));
      throw error;
    }
  }
}

/** The value of an outcome. A failure becomes the rejection that ends the run; its machine waits and tries again. */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  const { code, message }: DbFailure = outcome.failure;
  throw Object.assign(new Error(message), { code });
}
