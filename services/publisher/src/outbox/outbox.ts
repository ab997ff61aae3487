/**
 * The outbox: the verbs that the publisher's parts call, and the values that the verbs take and return.
 *
 * `PostgresOutbox` implements `Outbox` with the SQL of this folder, one file and one statement a verb. A simulation implements
 * it in memory. Each part takes the smallest of the interfaces below.
 *
 * Words: a *lease* is `due_at` in the future with an owner; its *token* rises with every claim and fences late writers
 * (it is the envelope's `attempt_token`). *Attempt* = one PUBLISH written; `retry_count` = attempts - 1, at least 0.
 * Durations are milliseconds; the database's clock turns them into times (no clock of ours is stored or compared).
 */
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import type { ContentEncoding } from "@acktor/shared/protocol/envelope";
import type { DatabaseFacts } from "@acktor/shared/runtime/database-health";
import type { OldestWaiting } from "./count-waiting.ts";
import type { Failure } from "./fail-messages.ts";
import type { MemoryOfDestinations } from "./resume-rows.ts";
import type { Place, ServedPlace } from "./serve-places.ts";
import type { Birth, Page } from "./walk-waiting.ts";

/** What a verb answers that gives one value; verbs that give rows answer `DbResult`. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: DbFailure };

/** The rows that a verb has changed, by their ids. */
export type Changed = DbResult<{ readonly messageId: string }>;

/** Every verb of the publisher. A verb never rejects and may be called again after a failure. */
export interface Outbox extends MessageStore, DueRows, AttemptStore, AckStore, BirthStore, SweepStore {
  /** Gives back every lease of this publisher. */
  releaseAll(): Promise<Changed>;
}

/** What the intake needs. */
export interface MessageStore {
  /** Stores messages, all or none. */
  insert(messages: readonly NewMessage[], deadlineMs: number): Promise<InsertResult>;
}

/** What the dispatcher claims from. */
export interface DueRows {
  /**
   * Leases due rows to this publisher, at most `limit`. One call at a time.
   * @param bothEnds many of the oldest rows are of absent destinations: half of the rows are the newest
   */
  claim(limit: number, bothEnds: boolean): Promise<Outcome<ClaimedBatch>>;
  /** Ends retained rows that have a newer one; each call continues where the last one stopped. @returns ids */
  supersede(): Promise<Outcome<readonly string[]>>;
}

/** What the dispatcher writes. */
export interface AttemptStore {
  /** @returns the rows of which this publisher still holds the lease */
  recordAttempts(records: readonly AttemptRecord[]): Promise<Changed>;
  /** Marks leased messages failed. */
  fail(failures: readonly Failure[]): Promise<Changed>;
  release(releases: readonly Release[]): Promise<Changed>;
  /** Parks destinations, and messages that this publisher has leased and not sent. */
  park(parkings: readonly Parking[]): Promise<Changed>;
  /** Ends the parking of destinations that have answered. @returns those that were parked */
  unpark(destinations: readonly string[]): Promise<DbResult<{ readonly destination: string }>>;
}

/** What the settler writes. */
export interface AckStore {
  /** @returns the messages that the acks have settled */
  settle(acks: readonly AckRecord[]): Promise<DbResult<Settled>>;
  /** Says why acks settled nothing, and records further receivers. */
  classify(
    acks: readonly AckRecord[],
  ): Promise<DbResult<{ readonly messageId: string; readonly leftover: AckLeftover }>>;
  reject(rejections: readonly Rejection[]): Promise<Changed>;
}

/** What the birth of a receiver needs. */
export interface BirthStore {
  /** Makes due what waits in these places, a part of it where it is much. @returns each place */
  serve(places: readonly Place[], memory: MemoryOfDestinations): Promise<DbResult<ServedPlace>>;
  /** Makes the waiting rows of one page due that a birth selects. @param moved rows that its walk has moved before */
  walk(after: string, birth: Birth, memory: MemoryOfDestinations, moved: number): Promise<Outcome<Page>>;
}

/** What the janitor needs. */
export interface SweepStore {
  /** Asks whether the database takes writes. @param writes with a write, which takes space on the disk */
  probeDatabase(writes: boolean): Promise<DbResult<DatabaseFacts>>;
  /** Ends messages whose time to live is over, one batch. */
  expire(): Promise<Outcome<{ readonly expired: number; readonly more: boolean }>>;
  /** Counts rows that wait, at most `most`. */
  count(most: number): Promise<Outcome<number>>;
  oldestWaiting(): Promise<Outcome<Pick<OldestWaiting, "ageMs"> | null>>;
  /** Counts parked destinations, at most 10,000. */
  countParked(): Promise<Outcome<number>>;
  freeReleased(): Promise<Outcome<Freed>>;
  /** Leases one message of each parked destination whose probe is due. */
  probe(limits: ProbeLimits): Promise<Outcome<Probed>>;
  /** Publishers of this outbox that are at work, this one included. */
  countReplicas(): Promise<Outcome<number>>;
  /** Makes the days to come. @returns those that cannot be made now, `2026-01-31`: locked, or full of rows already */
  makeDays(): Promise<Outcome<{ readonly waiting: readonly string[]; readonly full: readonly string[] }>>;
  /** Makes the days around `day` that already have many rows. @returns null where that has to be tried again */
  adoptDays(day: string): Promise<Outcome<{ readonly firstDay: string; readonly lastDay: string } | null>>;
  /** Deletes what is older than the retention, one batch of each kind. */
  retain(): Promise<Outcome<{ readonly more: boolean }>>;
  /** Sums one batch of the tally up. */
  sumUpTally(): Promise<Outcome<{ readonly more: boolean }>>;
}

/** Receives each message that was marked failed. */
export interface FailedMessages {
  failed(messageId: string, reason: string): void;
}

/** Rows that were freed, and whether there may be more. */
export interface Freed {
  readonly freed: number;
  readonly more: boolean;
}

/** What is known of a destination that is parked. */
export interface ParkingFacts {
  /** False: nothing was sent to it yet, for want of room. */
  readonly tried: boolean;
  /** Milliseconds since its last answer; null: it never answered this publisher. */
  readonly answeredAgoMs: number | null;
}

/** A destination that leaves the window, and a message that waits for it; null = none. */
export interface Parking extends ParkingFacts {
  readonly destination: string;
  readonly messageId: string | null;
}

/** Destinations of one call, at most. */
export interface ProbeLimits {
  /** Of those to which nothing was sent yet. */
  readonly untried: number;
  /** Of those that are silent. */
  readonly silent: number;
}

export interface Probed {
  readonly messages: readonly LeasedMessage[];
  /** Destinations that are no longer parked, because no message waits for them. */
  readonly forgotten: readonly string[];
}

/** What one claim leased. */
export interface ClaimedBatch {
  readonly messages: readonly LeasedMessage[];
  /** More rows may be due: claim again as soon as there is room. */
  readonly more: boolean;
  /** A destination is parked, by this publisher or another one. */
  readonly anyParked: boolean;
}

export type MessageState = "pending" | "sent" | "acknowledged" | "failed" | "expired";

/** A validated message on its way into the outbox. */
export interface NewMessage {
  /** UUIDv7, made by the caller. */
  readonly messageId: string;
  readonly topic: string;
  readonly payload: string;
  readonly contentEncoding: ContentEncoding;
  readonly contentType: string | null;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly requiresAck: boolean;
  /** `sha256:<hex>`. */
  readonly checksum: string;
  readonly orderingKey: string | null;
  readonly maxRetries: number | null;
  readonly ttlMs: number | null;
  /** How long the broker's copy is trusted; null or 0 = not. Only with `requiresAck` and QoS 1 or 2. */
  readonly holdMs?: number | null;
  /** ISO 8601, or null for now. */
  readonly deliverAt: string | null;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /** True: the row is born leased to the inserting instance (the fresh path); false: it waits for the claim. */
  readonly leased: boolean;
  /** `owner`: the principal whose key it is; '' (the default) is shared by all that are no principal of the table. */
  readonly idempotency: { readonly owner?: string; readonly key: string; readonly bodyHash: string } | null;
  /** The principal that sent it, where one is recorded. */
  readonly sender?: string | null;
}

export interface InsertOptions {
  readonly instance: string;
  readonly leaseMs: number;
  /** How long idempotency keys hold at least; a longer TTL prolongs it. */
  readonly idempotencyWindowMs: number;
  /** The pool's when left out. */
  readonly deadlineMs?: number;
}

export type InsertResult =
  | { readonly ok: true; readonly inserted: readonly Inserted[] }
  | { readonly ok: false; readonly failure: DbFailure }
  /** The idempotency key of `messages[index]` belongs to another body; nothing was inserted. */
  | { readonly ok: false; readonly conflict: { readonly index: number } };

/** One per message, in the order given. */
export type Inserted =
  | { readonly kind: "inserted"; readonly messageId: string; readonly createdAt: number; readonly state: "pending" }
  | { readonly kind: "same"; readonly messageId: string; readonly state: MessageState };

/** A row that this instance may publish until its lease ends. */
export interface LeasedMessage {
  readonly messageId: string;
  readonly topic: string;
  readonly payload: string;
  readonly contentEncoding: ContentEncoding;
  readonly contentType: string | null;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly requiresAck: boolean;
  readonly checksum: string;
  readonly orderingKey: string | null;
  /** Seconds since 1970, fractional. */
  readonly createdAt: number;
  /** Milliseconds of life left when claimed; null = no TTL. */
  readonly expiresInMs: number | null;
  /** PUBLISHes written before this one. */
  readonly attempts: number;
  readonly maxRetries: number | null;
  readonly leaseToken: string;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /** As in `NewMessage`. */
  readonly holdMs?: number | null;
  /** True: the last PUBACK said that no session is there to keep a copy. */
  readonly noSession?: boolean;
  /** Of a probe: milliseconds to the next probe of its destination. */
  readonly nextProbeMs?: number;
}

export interface ClaimOptions {
  readonly instance: string;
  readonly limit: number;
  readonly leaseMs: number;
  /** Where the walk over ordering keys continues; "" = from the start. */
  readonly laneCursor: string;
  /** ISO time: plain rows due before it are passed over (dead index entries of an idle reader); null = none. */
  readonly lowWater: string | null;
  /** Of `limit`, plain rows that are taken from the newest end. */
  readonly newest: number;
}

export interface Claimed {
  readonly messages: readonly LeasedMessage[];
  readonly nextLaneCursor: string;
  /** ISO time of the oldest plain row claimed, or null: the next low-water mark is taken from it. */
  readonly oldestDue: string | null;
  /** Due rows set aside because their destination is parked; above 0, claim again immediately: other rows may be due behind them. */
  readonly parked: number;
  readonly anyParked: boolean;
  /** Where the claim went around rows that cannot be claimed: how many, and whether there may be more due rows. */
  readonly apart?: { readonly bad: number; readonly isFull: boolean };
  /** When and on which snapshot this claim looked: what `LowWater` needs. */
  readonly horizon: { readonly at: string; readonly xmin: string; readonly xmax: string };
}

/** What became of one PUBLISH, written to the row when no ack came first. */
export interface AttemptRecord {
  readonly messageId: string;
  readonly leaseToken: string;
  /** `acked` moves pending → sent; the others leave the state. */
  readonly outcome: "acked" | "lost" | "refused";
  readonly reasonCode: number | null;
  readonly breaker: "CLOSED" | "OPEN" | "HALF_OPEN";
  readonly publishedAgoMs: number;
  /** The row is due again after this. */
  readonly nextInMs: number;
}

/** An ack that passed verification. `attempt` and the two after it fill the row when its `sent` write was saved. */
export interface AckRecord {
  readonly messageId: string;
  readonly clientId: string;
  /** As the ack has it; null: none given, or compared already with what is in memory. */
  readonly checksum: string | null;
  /** Likewise, as `topicInAck` gives it. */
  readonly topic: string | null;
  readonly signature: string | null;
  /** The token that the signature covers, "" for none; null where there is no signature. */
  readonly token: string | null;
  readonly level: "processed" | "broker";
  /** Number of the attempt it answers, where this process still knows it. */
  readonly attempt: number | null;
  readonly publishedAgoMs: number | null;
  readonly reasonCode: number | null;
}

export interface Settled {
  readonly messageId: string;
  readonly late: boolean;
  /** Creation to now by the database's clock, milliseconds. */
  readonly ageMs: number;
  /** Of a message that this process did not have in flight; else null. */
  readonly topic: string | null;
}

/** Why an ack moved nothing. */
export type AckLeftover =
  | "duplicate"
  | "other_client"
  | "checksum_mismatch"
  | "topic_mismatch"
  | "too_many"
  | "unknown";

export interface Rejection {
  readonly messageId: string;
  /** As text; only the current token counts. */
  readonly leaseToken: string;
  readonly clientId: string;
  /** As the ack has it; without one every rejection is retryable. */
  readonly checksum: string | null;
  /** As `topicInAck` gives it; null: none given. */
  readonly topic: string | null;
  readonly signature: string | null;
  readonly reason: string;
  readonly retryable: boolean;
  readonly retryInMs: number;
}

export interface Release {
  readonly messageId: string;
  readonly leaseToken: string;
  readonly dueInMs: number;
}

/** What an operator's action did. */
export interface OperatorResult {
  readonly moved: readonly { readonly messageId: string; readonly state: MessageState }[];
  /** `why` is a sentence for the operator, or `unknown` when there is no such message. */
  readonly refused: readonly { readonly messageId: string; readonly why: string }[];
}
