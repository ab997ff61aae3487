/**
 * Writes for the dispatcher, in batches: attempts, failures, returned leases, parked rows.
 *
 * Invariants:
 *  1. What was handed over is written, or its rows come back by the end of their lease: nothing depends on memory alone.
 *  2. While the database is away a batch is tried again with pauses; what does not fit behind it is left to the leases.
 */
import type { DbResult } from "@acktor/shared/db/pool";
import { Batcher } from "@acktor/shared/runtime/batcher";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { AttemptRecord, LeasedMessage, Release } from "../outbox/outbox.ts";
import type { InFlight } from "./in-flight.ts";

/** The verbs that the writer needs; `outbox/` has them, tests may stand in. */
export interface WriterVerbs {
  markSent(records: readonly AttemptRecord[]): Promise<DbResult<{ readonly messageId: string }>>;
  failMessages(rows: readonly { messageId: string; leaseToken: string; reason: string }[]): Promise<Written>;
  releaseLeases(rows: readonly Release[]): Promise<Written>;
  /** Messages leased by us and not sent are parked with their destination. */
  park(destination: string, messageIds: readonly string[]): Promise<Written>;
  unpark(destination: string): Promise<Written>;
}

type Written = DbResult<unknown> | { readonly ok: true; readonly value: unknown };

interface Attempted {
  readonly record: AttemptRecord;
  readonly entry: InFlight;
}

/** Parking or, without ids, resuming a destination; kept in order, so that the last word wins. */
interface Parked {
  readonly destination: string;
  readonly messageIds: readonly string[] | null;
}

const CAPACITY = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

export class OutboxWriter {
  readonly #verbs: WriterVerbs;
  readonly #logger: Logger;
  readonly #onRecorded: (entries: readonly InFlight[], fenced: ReadonlySet<string>) => void;
  readonly #stop = new AbortController();
  readonly #attempts: Batcher<Attempted>;
  readonly #failures: Batcher<{ messageId: string; leaseToken: string; reason: string }>;
  readonly #releases: Batcher<Release>;
  readonly #parks: Batcher<Parked>;

  constructor(
    verbs: WriterVerbs,
    logger: Logger,
    onRecorded: (entries: readonly InFlight[], fenced: ReadonlySet<string>) => void,
  ) {
    this.#verbs = verbs;
    this.#logger = logger;
    this.#onRecorded = onRecorded;
    const one = { maxBatch: 1_000, delayMs: 5, capacity: CAPACITY, concurrency: 1 };
    this.#attempts = new Batcher({ ...one, worker: { work: (batch) => this.#writeAttempts(batch) } });
    this.#failures = new Batcher({
      ...one,
      worker: { work: (batch) => this.#write("fail", () => verbs.failMessages(batch)) },
    });
    this.#releases = new Batcher({
      ...one,
      worker: { work: (batch) => this.#write("release", () => verbs.releaseLeases(batch)) },
    });
    this.#parks = new Batcher({ ...one, maxBatch: 1, worker: { work: ([batch]) => this.#park(batch) } });
  }

  recordAttempts(records: readonly AttemptRecord[], entries: readonly InFlight[]): void {
    for (const [i, record] of records.entries()) {
      const entry = entries[i];
      if (entry !== undefined && !this.#attempts.add({ record, entry })) this.#onRecorded([entry], new Set());
    }
  }

  fail(message: LeasedMessage, reason: string): void {
    this.#failures.add({ messageId: message.messageId, leaseToken: message.leaseToken, reason });
  }

  release(messages: readonly LeasedMessage[], dueInMs: number): void {
    for (const { messageId, leaseToken } of messages) this.#releases.add({ messageId, leaseToken, dueInMs });
  }

  park(destination: string, messages: readonly LeasedMessage[]): void {
    this.#parks.add({ destination, messageIds: messages.map((m) => m.messageId) });
  }

  unpark(destination: string): void {
    this.#parks.add({ destination, messageIds: null });
  }

  /** Writes what waits, then stops. While the database is away it gives up at once. Twice is fine. */
  async drain(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#attempts.drain(), this.#failures.drain(), this.#parks.drain()]);
    await this.#releases.drain();
  }

  async #writeAttempts(batch: Attempted[]): Promise<void> {
    const entries = batch.map((a) => a.entry);
    const result = await this.#persist("record", () => this.#verbs.markSent(batch.map((a) => a.record)));
    const written = result.ok ? new Set(result.rows.map((row) => row.messageId)) : new Set<string>();
    const fenced = entries.map((e) => e.message.messageId).filter((id) => result.ok && !written.has(id));
    this.#onRecorded(entries, new Set(fenced));
  }

  async #park(batch: Parked | undefined): Promise<void> {
    if (batch === undefined) return;
    const { destination, messageIds } = batch;
    if (messageIds === null) await this.#write("unpark", () => this.#verbs.unpark(destination));
    else await this.#write("park", () => this.#verbs.park(destination, messageIds));
  }

  async #write(what: string, run: () => Promise<Written>): Promise<void> {
    await this.#persist(what, run);
  }

  /** Runs a statement until the database answers, or we stop. */
  async #persist<T extends Written>(what: string, run: () => Promise<T>): Promise<T> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      const result = await run();
      if (result.ok) return result;
      if (result.failure.kind === "rejected") {
        this.#logger.error(
          { what, code: result.failure.code, reason: result.failure.message },
          "the outbox refused a write",
        );
        return result;
      }
      if (!(await pause(pauseMs, this.#stop.signal))) return result;
    }
  }
}
