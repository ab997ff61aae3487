/**
 * How many messages of a principal wait, for those that have a quota of them.
 *
 * Invariants:
 *  QUOTA-1. Messages that this publisher admits never take a principal above its quota: the count in PostgreSQL, a second old at
 *    most, plus messages being stored, plus messages stored since that count began. Several publishers count separately:
 *    together they may exceed it by what the others stored within that second.
 *  QUOTA-2. Principals without a quota cost nothing here.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Outcome } from "../outbox/outbox.ts";
import type { Principal } from "./principal.ts";

const COUNT_FOR_MS = 1_000;

/** Counts the messages of a sender that wait, up to `most`. */
export interface WaitingCounts {
  count(sender: string, most: number): Promise<Outcome<number>>;
}

export interface WaitingQuotaParts {
  readonly counts: WaitingCounts;
  readonly clock: Pick<Clock, "now">;
  /** Principals whose counts are kept; the one that came first leaves. */
  readonly most: number;
}

interface Count {
  waiting: number;
  countedAt: number;
  counting: Promise<void> | null;
  /** Admitted, and not yet answered by the outbox. */
  underWay: number;
  /** Stored since the last count began. */
  stored: number;
}

/** A place for messages: called with how many of them were stored. */
export type Place = (stored: number) => void;

const FREE: Place = () => undefined;

export class WaitingQuota {
  readonly #parts: WaitingQuotaParts;
  readonly #counts = new Map<string, Count>();

  constructor(parts: WaitingQuotaParts) {
    this.#parts = parts;
  }

  /** Takes a place for `adding` messages. @returns null where they would pass the quota */
  async enter({ name, mostWaiting, sender }: Principal, adding: number): Promise<Place | null> {
    // QUOTA-2
    if (mostWaiting === null || sender === null) return FREE;
    const count = this.#counts.get(name) ?? this.#add(name);
    if (this.#parts.clock.now() - count.countedAt >= COUNT_FOR_MS) {
      count.counting ??= this.#recount(count, sender, mostWaiting).finally(() => {
        count.counting = null;
      });
      await count.counting;
    }
    // QUOTA-1
    if (count.waiting + count.underWay + count.stored + adding > mostWaiting) return null;
    count.underWay += adding;
    let left = false;
    return (stored) => {
      if (left) return;
      left = true;
      count.underWay -= adding;
      count.stored += stored;
    };
  }

  /** Without PostgreSQL the last count remains valid; no message can be stored then. */
  async #recount(count: Count, sender: string, mostWaiting: number): Promise<void> {
    const startedAt = this.#parts.clock.now();
    const before = count.stored;
    const answer = await this.#parts.counts.count(sender, mostWaiting + 1);
    if (!answer.ok) return;
    count.waiting = answer.value;
    count.countedAt = startedAt;
    count.stored -= before;
  }

  #add(name: string): Count {
    const oldest = this.#counts.keys().next().value;
    if (this.#counts.size >= this.#parts.most && oldest !== undefined) this.#counts.delete(oldest);
    const count: Count = { waiting: 0, countedAt: Number.NEGATIVE_INFINITY, counting: null, underWay: 0, stored: 0 };
    this.#counts.set(name, count);
    return count;
  }
}
