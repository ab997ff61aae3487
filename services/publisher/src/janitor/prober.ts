/**
 * Frees the rows of destinations that have answered, and probes the parked ones with one message each.
 *
 * Invariants:
 *  PROBER-1. All silent destinations together get at most `PROBES_PER_SECOND` probes a second: 100,000 absent devices cost a
 *     fixed part of a core, not a part for each of them.
 *  PROBER-2. Destinations to which nothing was sent yet get as many as the window has room for, which proven ones never miss.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { LeasedMessage, SweepStore } from "../outbox/outbox.ts";
import type { PeriodicOutput } from "./periodic-machine.ts";
import { type PeriodicWork, unwrap } from "./periodic-role.ts";

/** Destinations probed by one statement. */
const PROBES = 100;
export const PROBES_PER_SECOND = 20;
/** Saved up while nothing was due: some destinations that were parked together are found again together. */
const MOST_SAVED = 100;

/** Publishes probes. */
export interface ProbeSender {
  /** How many messages may be sent now to destinations that are not known to answer. */
  readonly roomForTrials: number;
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number, probe: boolean): void;
}

/** What the dispatcher knows of parked destinations. */
export interface ParkedDestinations {
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
  /** Probes that may be sent. Written by `#earn` and `run`. */
  #saved = MOST_SAVED;
  #earnedAt: number;

  constructor(parts: ProberParts) {
    this.#parts = parts;
    this.#earnedAt = parts.clock.now();
  }

  async run(): Promise<PeriodicOutput> {
    const { outbox, dispatcher, destinations, gate, doorbell, clock, leaseMs } = this.#parts;
    const { freed, more } = unwrap(await outbox.freeReleased());
    if (freed > 0) doorbell.ringForKnownRows();
    if (!gate.open) return { more };
    const startedAt = clock.now();
    this.#earn(startedAt);
    // PROBER-2
    const room = Math.min(PROBES, dispatcher.roomForTrials);
    // PROBER-1; one of each at least, so that no crowd of newcomers stops the probes, and no small window the newcomers.
    const silent = Math.min(Math.max(1, Math.floor(room / 2)), Math.floor(this.#saved));
    const { messages, forgotten } = unwrap(await outbox.probe({ untried: Math.max(1, room - silent), silent }));
    this.#saved -= Math.min(silent, messages.length + forgotten.length);
    if (forgotten.length > 0) destinations.resume(forgotten);
    if (messages.length > 0) dispatcher.offer(messages, startedAt + leaseMs, true);
    return { more: more || messages.length === PROBES };
  }

  #earn(now: number): void {
    this.#saved = Math.min(MOST_SAVED, this.#saved + ((now - this.#earnedAt) / 1_000) * PROBES_PER_SECOND);
    this.#earnedAt = now;
  }
}
