/** Frees the rows of destinations that have answered, and probes the parked ones with one message each. */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { LeasedMessage, SweepStore } from "../outbox/outbox.ts";
import type { PeriodicOutput } from "./periodic-machine.ts";
import { type PeriodicWork, unwrap } from "./periodic-role.ts";

/** Destinations probed by one statement. */
const PROBES = 100;

/** Publishes probes. */
export interface ProbeSender {
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number, probe: boolean): void;
}

/** What the dispatcher knows of parked destinations. */
export interface ParkedDestinations {
  notePark(destination: string): void;
  resume(destinations: readonly string[]): void;
}

export interface ProberParts {
  readonly outbox: SweepStore;
  readonly dispatcher: ProbeSender;
  readonly destinations: ParkedDestinations;
  /** Open while messages may be sent. */
  readonly gate: { readonly open: boolean };
  readonly doorbell: { ringForKnownRows(): void };
  readonly clock: Clock;
  readonly leaseMs: number;
}

export class Prober implements PeriodicWork {
  readonly name = "prober";
  readonly intervalMs = 500;
  readonly #parts: ProberParts;
  #knowsParked = false;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  async run(): Promise<PeriodicOutput> {
    const { outbox, dispatcher, destinations, gate, doorbell, clock, leaseMs } = this.#parts;
    if (!this.#knowsParked) {
      for (const name of unwrap(await outbox.parkedDestinations())) destinations.notePark(name);
      this.#knowsParked = true;
    }
    const { freed, more } = unwrap(await outbox.freeReleased());
    if (freed > 0) doorbell.ringForKnownRows();
    if (!gate.open) return { more };
    const startedAt = clock.now();
    const { messages, forgotten } = unwrap(await outbox.probe(PROBES));
    if (forgotten.length > 0) destinations.resume(forgotten);
    if (messages.length > 0) dispatcher.offer(messages, startedAt + leaseMs, true);
    return { more: more || messages.length === PROBES };
  }
}
