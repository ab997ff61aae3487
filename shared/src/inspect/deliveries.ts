/**
 * What happens to messages, for viewers: complete counts and some single steps, ten times a second.
 *
 * Invariants:
 *  1. The hot path asks `watched` and nothing else while nobody looks.
 *  2. Counts are complete; of single steps the first `MAX_STEPS` of each interval are kept.
 *  3. No content is in it.
 */
import { type DeliveriesEvent, type DeliveryEntry, type DeliveryStep, MAX_STEPS } from "./wire.ts";

/** What the steps of a message say. Ask `watched` first: whoever calls `note` has already paid for its arguments. */
export interface DeliveryNotes {
  readonly watched: boolean;
  note(step: DeliveryStep, messageId: string, topic: string, attempt?: number, detail?: string | number): void;
}

/** For parts that nobody will look at. */
export const UNWATCHED: DeliveryNotes = { watched: false, note: () => undefined };

export const DELIVERIES_EVERY_MS = 100;
const MOST_DETAIL = 200;
const MOST_TOPIC = 300;

export type DeliveryFact = Pick<DeliveriesEvent, "kind" | "ts" | "counts" | "steps">;

export class DeliveryFeed implements DeliveryNotes {
  watched = false;
  readonly #tell: (fact: DeliveryFact) => void;
  readonly #wallClock: () => number;
  #counts: Partial<Record<DeliveryStep, number>> = {};
  #steps: DeliveryEntry[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** @param wallClock milliseconds since 1970 */
  constructor(tell: (fact: DeliveryFact) => void, wallClock: () => number) {
    this.#tell = tell;
    this.#wallClock = wallClock;
  }

  note(step: DeliveryStep, messageId: string, topic: string, attempt?: number, detail?: string | number): void {
    if (!this.watched) return;
    this.#counts[step] = (this.#counts[step] ?? 0) + 1;
    this.#timer ??= setTimeout(() => this.#flush(), DELIVERIES_EVERY_MS);
    if (this.#steps.length >= MAX_STEPS) return;
    this.#steps.push({
      step,
      message_id: messageId,
      ts: this.#wallClock(),
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
    this.#tell({ kind: "deliveries", ts: this.#wallClock(), counts, steps });
  }

  #forget(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#counts = {};
    this.#steps = [];
  }
}
