/**
 * The path of a message from its arrival to its outcome, in batches. Three kinds of handling:
 *
 *   row     verify → inbox → answer                                      the row is the effect
 *   first   verify → batch lease → handler → inbox with outcome → answer (`HandleFirst`)
 *   usual   verify → inbox with lease → handler → outcome → answer       (`HandlerRuns`)
 *
 * Invariants:
 *  PROCESSOR-1. A fault of acktor in a batch releases the places of all its arrivals: the outbox sends its messages again.
 *  PROCESSOR-2. A handler that began under the batch lease is cancelled when its message went to another owner, or when
 *               its batch failed by a fault of acktor. The batch lease ends in both cases.
 */
import { Batcher, type BatchWorker } from "@acktor/shared/runtime/batcher";
import type { Random } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Reports } from "../inbox/database-watch.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { InboxMessage } from "../inbox/message.ts";
import type { Held, Places } from "../subscribe/places.ts";
import type { Group } from "../verify/group.ts";
import { BatchStore } from "./batch-store.ts";
import { Conclusions, type ConclusionsParts } from "./conclusions.ts";
import { type HandledFirst, HandleFirst, untouched } from "./handle-first.ts";

/** The step before. */
export interface Verifies {
  verify(arrivals: readonly Held[]): Promise<Group[]>;
  isExpired(message: InboxMessage): boolean;
}

export interface ProcessorParts extends ConclusionsParts {
  readonly inbox: Inbox;
  readonly verifier: Verifies;
  readonly places: Places;
  /** Name of this run of the process: leases are taken under it. */
  readonly run: string;
  readonly leaseMs: number;
  readonly capacity: number;
  readonly troubles: Reports;
  readonly guard: ListenerGuard;
  readonly random: Random;
}

const MAX_BATCH = 500;
const BATCH_DELAY_MS = 1;
/** Of the pool's five connections two are left to leases, cleaning and the health probe. */
const BATCHES_OF_ROWS = 3;
/** Where a message may be written twice, few large batches cost less than many small ones (docs/adr/0014). */
const BATCHES_OF_HANDLERS = 1;

export class Processor implements BatchWorker<Held> {
  readonly #parts: ProcessorParts;
  readonly #abandonment = new AbortController();
  readonly #batcher: Batcher<Held>;
  readonly #store: BatchStore;
  readonly #conclusions: Conclusions;
  /** Null: the row is the effect. */
  readonly #first: HandleFirst | null;
  /** Written by `work`. */
  #batches = 0;

  constructor(parts: ProcessorParts) {
    const { capacity, guard, runs, verifier } = parts;
    const { signal } = this.#abandonment;
    this.#parts = parts;
    this.#store = new BatchStore({ ...parts, lifetimes: verifier, signal });
    this.#conclusions = new Conclusions(parts);
    this.#first = runs === null ? null : new HandleFirst({ ...parts, runs, lifetimes: verifier, signal });
    this.#batcher = new Batcher({
      ...{ maxBatch: MAX_BATCH, delayMs: BATCH_DELAY_MS, capacity, guard, worker: this },
      concurrency: runs === null ? BATCHES_OF_ROWS : BATCHES_OF_HANDLERS,
    });
  }

  /** Takes an arrival over; false when it cannot. */
  take(held: Held): boolean {
    return this.#batcher.add(held);
  }

  waiting(): number {
    return this.#batcher.size;
  }

  /** For the batcher. */
  async work(arrivals: Held[]): Promise<void> {
    try {
      await this.#process(await this.#parts.verifier.verify(arrivals));
    } catch (error) {
      // PROCESSOR-1
      for (const held of arrivals) this.#parts.places.release(held);
      throw error;
    }
  }

  /** Finishes what was taken. From `abandon` on it gives up what the database has not taken: that has no ack. */
  async drain(abandon: AbortSignal): Promise<void> {
    if (abandon.aborted) this.#abandonment.abort();
    abandon.addEventListener("abort", () => this.#abandonment.abort(), { once: true });
    await this.#batcher.drain();
    await this.#parts.runs?.drain(abandon);
    await this.#first?.leave();
  }

  async #process(groups: readonly Group[]): Promise<void> {
    const first: HandledFirst<Group> = this.#first === null ? untouched(groups) : await this.#first.handle(groups);
    for (const group of first.stored) this.#conclusions.concludeProcessed(group);
    if (first.rest.length === 0) return;
    try {
      await this.#storeRest(first);
    } finally {
      // PROCESSOR-2
      for (const task of first.begun.values()) task.cancel();
      await this.#first?.end(first);
    }
  }

  async #storeRest(first: HandledFirst<Group>): Promise<void> {
    const { leaseMs, run, runs } = this.#parts;
    const owner = `${run}/${++this.#batches}`;
    const born = runs === null ? "processed" : "received";
    const stored = await this.#store.store(first.rest, { born, owner, leaseMs, batch: first.lease });
    const handling = { owner, begun: first.begun };
    for (const group of first.rest) {
      this.#conclusions.conclude(group, stored.get(group.message.messageId), handling);
    }
  }
}
