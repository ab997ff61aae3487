/**
 * The outbox as values: what the verbs beside this file take and give. One file a verb, one statement a verb.
 *
 * Words: a *lease* is `due_at` in the future with an owner; its *token* rises with every claim and fences late writers
 * (it is the envelope's `attempt_token`). *Attempt* = one PUBLISH written; `retry_count` = attempts - 1, at least 0.
 * Durations are milliseconds; the database's clock turns them into times (no clock of ours is stored or compared).
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import type { ContentEncoding } from "@acktor/shared/protocol/envelope";

/** What a verb answers that gives one value; verbs that give rows answer `DbResult`. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: DbFailure };

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
}

export interface ClaimOptions {
  readonly instance: string;
  readonly limit: number;
  readonly leaseMs: number;
  /** Where the walk over ordering keys goes on; "" = from the start. */
  readonly laneCursor: string;
  /** ISO time: plain rows due before it are passed over (dead index entries of an idle reader); null = none. */
  readonly lowWater: string | null;
}

export interface Claimed {
  readonly messages: readonly LeasedMessage[];
  readonly nextLaneCursor: string;
  /** ISO time of the oldest plain row claimed, or null: the next low-water mark is taken from it. */
  readonly oldestDue: string | null;
  /** Due rows set aside because their destination is parked; above 0, claim again at once: others may stand behind. */
  readonly parked: number;
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
  /** As the ack has it; without one the rejection is retryable, whatever it says. */
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
