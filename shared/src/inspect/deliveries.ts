/**
 * The steps of messages, for viewers: complete counts and some single steps, ten times a second. It holds no payload.
 *
 * Invariants:
 *  DELIVERIES-1. Without viewers the hot path reads `watched` and does nothing else.
 *  DELIVERIES-2. Counts are complete; of the single steps the first `MAX_STEPS` of each interval are kept.
 */
import type { Clock } from "../runtime/clock.ts";
import { type DeliveriesEvent, type DeliveryEntry, type DeliveryStep, MAX_STEPS } from "./wire.ts";

/** Takes the steps of messages. Read `watched` first: a call of `note` costs its arguments. */
export interface DeliveryNotes {
  readonly watched: boolean;
  note(step: DeliveryStep, messageId: string, topic: string, attempt?: number, detail?: string | number): void;
}

/** For parts without viewers. */
export const UNWATCHED: DeliveryNotes = { watched: false, note: () => undefined };

export const DELIVERIES_EVERY_MS = 100;
const MOST_DETAIL = 200;
const MOST_TOPIC = 300;

export interface DeliverySink {
  tell(fact: DeliveryFact): void;
}

export type DeliveryFact = Pick<DeliveriesEvent, "kind" | "ts" | "counts" | "steps">;

export class DeliveryFeed implements DeliveryNotes {
  watched = false;
  readonly #sink: DeliverySink;
  readonly #clock: Pick<Clock, "wallClock">;
  #counts: Partial<Record<DeliveryStep, number>> = {};
  #steps: DeliveryEntry[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(sink: DeliverySink, clock: Pick<Clock, "wallClock">) {
    this.#sink = sink;
    this.#clock = clock;
  }

  note(step: DeliveryStep, messageId: string, topic: string, attempt?: number, detail?: string | number): void {
    if (!this.watched) return; // DELIVERIES-1
    this.#counts[step] = (this.#counts[step] ?? 0) + 1;
    this.#timer ??= setTimeout(() => this.#flush(), DELIVERIES_EVERY_MS);
    if (this.#steps.length >= MAX_STEPS) return; // DELIVERIES-2
    this.#steps.push({
      step,
      message_id: messageId,
      ts: this.#clock.wallClock(),
      topic: topic.slice(0, MOST_TOPIC),
      ...(attempt === undefined ? {} : { attempt }),
      ...(detail === undefined ? {} : { detail: typeof detail === "string" ? detail.slice(0, MOST_DETAIL) : detail }),
    });
  }

  setWatched(watched: boolean): void {
    this.watched = watched;
    if (!watched) this.#forget();
  }

  #flush(): void {
    const [counts, steps] = [this.#counts, this.#steps];
    this.#forget();
    this.#sink.tell({ kind: "deliveries", ts: this.#clock.wallClock(), counts, steps });
  }

  #forget(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#counts = {};
    this.#steps = [];
  }
}
