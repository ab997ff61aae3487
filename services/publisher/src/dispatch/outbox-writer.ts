/**
 * Writes to the outbox for the dispatcher, in batches: attempts, failures, returned leases, parked rows.
 *
 * Invariants:
 *  OUTBOX_WRITER-1. What was handed over is written, or its rows come back by the end of their lease: nothing depends on memory alone.
 *  OUTBOX_WRITER-2. While the database is away a batch is tried again with pauses; what exceeds the queue behind it is left to the
 *     leases.
 *  OUTBOX_WRITER-3. Parking and resuming a destination keep their order, so that the last one counts.
 */
import type { DbResult } from "@acktor/shared/db/pool";
import { Batcher } from "@acktor/shared/runtime/batcher";
import { Persister } from "@acktor/shared/runtime/persist";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Failure } from "../outbox/fail-messages.ts";
import type {
  AttemptRecord,
  AttemptStore,
  FailedMessages,
  LeasedMessage,
  Parking,
  ParkingFacts,
  Release,
} from "../outbox/outbox.ts";
import type { Attempt, InFlightBook } from "./in-flight-book.ts";

/** What the dispatcher hands over. The calls never throw. */
export interface Writes {
  recordAttempts(records: readonly AttemptRecord[], attempts: readonly Attempt[]): void;
  fail(message: LeasedMessage, reason: string): void;
  release(messages: readonly LeasedMessage[], dueInMs: number): void;
  /** Parks a destination, and messages that wait for it. */
  park(destination: string, messages: readonly LeasedMessage[], facts: ParkingFacts): void;
  unpark(destination: string): void;
}

export interface OutboxWriterParts {
  readonly outbox: AttemptStore;
  readonly book: InFlightBook;
  readonly failedMessages: FailedMessages;
  readonly troubles: TroubleDesk;
}

interface Attempted {
  readonly record: AttemptRecord;
  readonly attempt: Attempt;
}

/** Null: the destination is resumed. */
interface Move {
  readonly destination: string;
  readonly parking: Parking | null;
}

const CAPACITY = 10_000;
const BATCHES = { maxBatch: 1_000, delayMs: 5, capacity: CAPACITY, concurrency: 1 };
const PAUSES = { pauseMs: 100, maxPauseMs: 2_000 };
const NONE: ReadonlySet<string> = new Set();

export class OutboxWriter implements Writes {
  readonly #parts: OutboxWriterParts;
  readonly #stop = new AbortController();
  readonly #attempts: Batcher<Attempted>;
  readonly #failures: Batcher<Failure>;
  readonly #releases: Batcher<Release>;
  readonly #moves: Batcher<Move>;

  constructor(parts: OutboxWriterParts) {
    this.#parts = parts;
    const { outbox } = parts;
    const [record, fail, release] = [this.#persister("mark_sent"), this.#persister("fail"), this.#persister("release")];
    const [park, unpark] = [this.#persister("park"), this.#persister("unpark")];
    this.#attempts = new Batcher({ ...BATCHES, worker: { work: (batch) => this.#writeAttempts(record, batch) } });
    this.#failures = new Batcher({ ...BATCHES, worker: { work: (batch) => write(fail, () => outbox.fail(batch)) } });
    this.#releases = new Batcher({
      ...BATCHES,
      worker: { work: (batch) => write(release, () => outbox.release(batch)) },
    });
    // OUTBOX_WRITER-3
    this.#moves = new Batcher({ ...BATCHES, worker: { work: (batch) => this.#writeMoves(park, unpark, batch) } });
  }

  recordAttempts(records: readonly AttemptRecord[], attempts: readonly Attempt[]): void {
    for (const [i, record] of records.entries()) {
      const attempt = attempts[i];
      // OUTBOX_WRITER-2
      if (attempt !== undefined && !this.#attempts.add({ record, attempt })) this.#recorded([attempt], NONE);
    }
  }

  fail(message: LeasedMessage, reason: string): void {
    this.#parts.failedMessages.failed(message.messageId, reason);
    this.#failures.add({ messageId: message.messageId, leaseToken: message.leaseToken, reason });
  }

  release(messages: readonly LeasedMessage[], dueInMs: number): void {
    for (const { messageId, leaseToken } of messages) this.#releases.add({ messageId, leaseToken, dueInMs });
  }

  park(destination: string, messages: readonly LeasedMessage[], facts: ParkingFacts): void {
    const ids = messages.length === 0 ? [null] : messages.map((m) => m.messageId);
    for (const messageId of ids) this.#moves.add({ destination, parking: { destination, messageId, ...facts } });
  }

  unpark(destination: string): void {
    this.#moves.add({ destination, parking: null });
  }

  /** Writes what waits, then stops. While the database is away it gives up after one attempt. A second call waits for the first. */
  async drain(): Promise<void> {
    this.#stop.abort();
    // OUTBOX_WRITER-1
    await Promise.all([this.#attempts.drain(), this.#failures.drain(), this.#moves.drain()]);
    await this.#releases.drain();
  }

  #persister(area: string): Persister {
    return new Persister({ troubles: this.#parts.troubles, area, ...PAUSES, stop: this.#stop.signal });
  }

  async #writeAttempts(record: Persister, batch: readonly Attempted[]): Promise<void> {
    const { outbox } = this.#parts;
    const result = await record.persist(() => outbox.recordAttempts(batch.map((attempted) => attempted.record)));
    const attempts = batch.map(({ attempt }) => attempt);
    this.#recorded(attempts, result.ok ? fencedOf(attempts, result.rows) : NONE);
  }

  #recorded(attempts: readonly Attempt[], fenced: ReadonlySet<string>): void {
    for (const { message, reason } of this.#parts.book.recorded(attempts, fenced)) this.fail(message, reason);
  }

  /** One statement for moves in a row that are alike. */
  async #writeMoves(park: Persister, unpark: Persister, batch: readonly Move[]): Promise<void> {
    const { outbox } = this.#parts;
    for (let at = 0; at < batch.length; ) {
      const isParking = batch[at]?.parking != null;
      const end = batch.findIndex(({ parking }, i) => i > at && (parking !== null) !== isParking);
      const alike = batch.slice(at, end < 0 ? batch.length : end);
      at += alike.length;
      const parkings = alike.flatMap(({ parking }) => (parking === null ? [] : [parking]));
      if (isParking) await park.persist(() => outbox.park(parkings));
      else await unpark.persist(() => outbox.unpark(alike.map(({ destination }) => destination)));
    }
  }
}

async function write(persister: Persister, run: () => Promise<DbResult<unknown>>): Promise<void> {
  await persister.persist(run);
}

/** Ids of rows whose lease another publisher holds: they were not written. */
function fencedOf(
  attempts: readonly Attempt[],
  written: readonly { readonly messageId: string }[],
): ReadonlySet<string> {
  const ids = new Set(written.map(({ messageId }) => messageId));
  return new Set(attempts.map(({ message }) => message.messageId).filter((id) => !ids.has(id)));
}
