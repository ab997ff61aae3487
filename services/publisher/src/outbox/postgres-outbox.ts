/**
 * The outbox in PostgreSQL: the SQL of this folder behind the verbs of `Outbox`. One row that fails alone does not take its
 * batch with it.
 *
 * Invariants:
 *  POSTGRES_OUTBOX-1. Rows that fail alone are reported as given up under the name of their area; their batch is written.
 *  POSTGRES_OUTBOX-2. A row whose attempt cannot be recorded is marked failed, `unreadable: …`: published again and again it
 *     would never end. An ack that cannot be settled is given up: the message is sent again and answered again.
 */
import { apart, type BadRows } from "@acktor/shared/db/apart";
import type { DbFailure, DbResult, Pool } from "@acktor/shared/db/pool";
import { probeDatabase } from "@acktor/shared/db/probe-database";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { DatabaseFacts } from "@acktor/shared/runtime/database-health";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { BadRowShelf } from "./bad-rows.ts";
import { Claimer, PostgresClaims } from "./claimer.ts";
import { classifyAcks } from "./classify-acks.ts";
import { countReplicas } from "./count-replicas.ts";
import { countParked, countWaiting, type OldestWaiting, oldestWaiting } from "./count-waiting.ts";
import { EXPIRE_BATCH, expireAround } from "./expire-due.ts";
import { type Failure, failMessages } from "./fail-messages.ts";
import { purgeIdempotencyKeys, sumUpTally } from "./housekeeping.ts";
import { insertMessages } from "./insert-messages.ts";
import { markSent } from "./mark-sent.ts";
import type {
  AckLeftover,
  AckRecord,
  AttemptRecord,
  Changed,
  ClaimedBatch,
  FailedMessages,
  Freed,
  InsertResult,
  NewMessage,
  Outbox,
  Outcome,
  Parking,
  Probed,
  ProbeLimits,
  Rejection,
  Release,
  Settled,
} from "./outbox.ts";
import { parkMessages } from "./park-messages.ts";
import {
  type Adopted,
  adoptDays,
  type DaysDone,
  deleteStragglers,
  dropOldPartitions,
  ensurePartitions,
} from "./partitions.ts";
import { probeAround } from "./probe-destinations.ts";
import { purgeActions } from "./purge-actions.ts";
import { rejectMessages } from "./reject-messages.ts";
import { releaseInstance, releaseLeases } from "./release-leases.ts";
import type { MemoryOfDestinations } from "./resume-rows.ts";
import { type Place, type ServedPlace, servePlaces } from "./serve-places.ts";
import { unreadable } from "./set-aside.ts";
import { settleAcks } from "./settle-acks.ts";
import { type RetainedCursor, supersedeAround } from "./supersede-retained.ts";
import { freeAround, unparkDestinations } from "./unpark-destinations.ts";
import { type Birth, type Page, walkWaiting } from "./walk-waiting.ts";

/** Rows that a birth resumes, or that are freed, come due spread over this. */
const SMEAR_MS = 2_000;

export interface PostgresOutboxParts {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly troubles: TroubleDesk;
  readonly failedMessages: FailedMessages;
  /** Name under which this process leases rows. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly idempotencyWindowMs: number;
  readonly retentionMs: number;
}

export class PostgresOutbox implements Outbox {
  readonly #parts: PostgresOutboxParts;
  readonly #shelf: BadRowShelf;
  readonly #claimer: Claimer;
  /** Written by `supersede`. */
  #retainedCursor: RetainedCursor | null = null;

  constructor(parts: PostgresOutboxParts) {
    this.#parts = parts;
    const { pool, clock, troubles, failedMessages } = parts;
    this.#shelf = new BadRowShelf({ pool, clock, troubles, failedMessages });
    this.#claimer = new Claimer({ ...parts, statements: new PostgresClaims(pool), shelf: this.#shelf });
  }

  async insert(messages: readonly NewMessage[], deadlineMs: number): Promise<InsertResult> {
    const { pool, owner: instance, leaseMs, idempotencyWindowMs, troubles } = this.#parts;
    const result = await insertMessages(pool, messages, { instance, leaseMs, idempotencyWindowMs, deadlineMs });
    if (result.ok) troubles.clear("intake");
    // The callers are answered with the failure, so that no statement is tried again here.
    else if ("failure" in result) troubles.gaveUp("intake", result.failure);
    return result;
  }

  claim(limit: number, bothEnds: boolean): Promise<Outcome<ClaimedBatch>> {
    return this.#claimer.claim(limit, bothEnds);
  }

  async supersede(): Promise<Outcome<readonly string[]>> {
    const { pool, troubles } = this.#parts;
    const ended = troubles.report("supersede", await supersedeAround(pool, this.#shelf, this.#retainedCursor));
    if (!ended.ok) return ended;
    this.#retainedCursor = ended.value.next;
    return { ok: true, value: ended.value.messageIds };
  }

  async recordAttempts(records: readonly AttemptRecord[]): Promise<Changed> {
    const bad: Failure[] = [];
    const written = await this.#inParts("mark_sent", records, (part) => markSent(this.#parts.pool, part), {
      add: ({ messageId, leaseToken }, failure) =>
        void bad.push({ messageId, leaseToken, reason: unreadable(failure) }),
    });
    // POSTGRES_OUTBOX-2
    if (bad.length > 0) await this.#setAside(bad);
    return written;
  }

  fail(failures: readonly Failure[]): Promise<Changed> {
    return this.#inParts("fail", failures, (part) => failMessages(this.#parts.pool, part));
  }

  release(releases: readonly Release[]): Promise<Changed> {
    return this.#inParts("release", releases, (part) => releaseLeases(this.#parts.pool, part));
  }

  releaseAll(): Promise<Changed> {
    return releaseInstance(this.#parts.pool, this.#parts.owner);
  }

  park(parkings: readonly Parking[]): Promise<Changed> {
    const { pool, owner } = this.#parts;
    return this.#inParts("park", parkings, (part) => parkMessages(pool, part, owner));
  }

  async unpark(destinations: readonly string[]): Promise<DbResult<{ readonly destination: string }>> {
    const unparked = await unparkDestinations(this.#parts.pool, destinations);
    return unparked.ok ? { ok: true, rows: unparked.value.map((name) => ({ destination: name })) } : unparked;
  }

  settle(acks: readonly AckRecord[]): Promise<DbResult<Settled>> {
    return this.#inParts("settle", acks, (part) => settleAcks(this.#parts.pool, part));
  }

  classify(acks: readonly AckRecord[]): Promise<DbResult<{ messageId: string; leftover: AckLeftover }>> {
    return this.#inParts("classify", acks, (part) => classifyAcks(this.#parts.pool, part));
  }

  reject(rejections: readonly Rejection[]): Promise<Changed> {
    return this.#inParts("reject", rejections, (part) => rejectMessages(this.#parts.pool, part));
  }

  serve(places: readonly Place[], memory: MemoryOfDestinations): Promise<DbResult<ServedPlace>> {
    return this.#inParts("resume", places, (part) => servePlaces(this.#parts.pool, part, memory));
  }

  walk(after: string, birth: Birth, memory: MemoryOfDestinations, moved: number): Promise<Outcome<Page>> {
    return walkWaiting(this.#parts.pool, after, birth, memory, { moved, smearMs: SMEAR_MS });
  }

  freeReleased(): Promise<Outcome<Freed>> {
    return freeAround(this.#parts.pool, this.#shelf, SMEAR_MS);
  }

  async expire(): Promise<Outcome<{ readonly expired: number; readonly more: boolean }>> {
    const expired = await expireAround(this.#parts.pool, this.#shelf);
    if (!expired.ok) return expired;
    return { ok: true, value: { expired: expired.value, more: expired.value === EXPIRE_BATCH } };
  }

  probeDatabase(writes: boolean): Promise<DbResult<DatabaseFacts>> {
    return probeDatabase(this.#parts.pool, "publisher", writes);
  }

  count(most: number): Promise<Outcome<number>> {
    return countWaiting(this.#parts.pool, most);
  }

  oldestWaiting(): Promise<Outcome<OldestWaiting | null>> {
    return oldestWaiting(this.#parts.pool);
  }

  countParked(): Promise<Outcome<number>> {
    return countParked(this.#parts.pool);
  }

  async probe(limits: ProbeLimits): Promise<Outcome<Probed>> {
    const { pool, owner: instance, leaseMs } = this.#parts;
    const probed = await probeAround(pool, this.#shelf, { instance, leaseMs, ...limits });
    if (!probed.ok) return probed;
    const { probes, forgotten } = probed.value;
    return { ok: true, value: { messages: probes.map(({ message }) => message), forgotten } };
  }

  countReplicas(): Promise<Outcome<number>> {
    return countReplicas(this.#parts.pool, this.#parts.owner);
  }

  makeDays(): Promise<Outcome<DaysDone>> {
    return ensurePartitions(this.#parts.pool);
  }

  adoptDays(day: string): Promise<Outcome<Adopted | null>> {
    return adoptDays(this.#parts.pool, day);
  }

  async retain(): Promise<Outcome<{ readonly more: boolean }>> {
    const { pool, retentionMs } = this.#parts;
    const dropped = await dropOldPartitions(pool, retentionMs);
    if (!dropped.ok) return dropped;
    let more = false;
    for (const purge of [deleteStragglers, purgeIdempotencyKeys, purgeActions]) {
      const purged = await purge(pool, retentionMs);
      if (!purged.ok) return purged;
      more ||= purged.value.more;
    }
    return { ok: true, value: { more } };
  }

  sumUpTally(): Promise<Outcome<{ readonly more: boolean }>> {
    return sumUpTally(this.#parts.pool);
  }

  async #setAside(bad: readonly Failure[]): Promise<void> {
    const { troubles, failedMessages } = this.#parts;
    const ended = troubles.report("fail", await this.fail(bad));
    const ids = new Set(ended.ok ? ended.rows.map(({ messageId }) => messageId) : []);
    for (const { messageId, reason } of bad) if (ids.has(messageId)) failedMessages.failed(messageId, reason);
  }

  async #inParts<Item, Row>(
    area: string,
    items: readonly Item[],
    run: (part: readonly Item[]) => Promise<DbResult<Row>>,
    also?: BadRows<Item>,
  ): Promise<DbResult<Row>> {
    const givenUp: DbFailure[] = [];
    const result = await apart(items, run, {
      add(item, failure) {
        givenUp.push(failure);
        also?.add(item, failure);
      },
    });
    // POSTGRES_OUTBOX-1
    if (result.ok) for (const failure of givenUp) this.#parts.troubles.gaveUp(area, failure);
    return result;
  }
}
