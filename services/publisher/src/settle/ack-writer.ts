/**
 * Writes verified acks and rejections to the outbox, in batches.
 *
 * Invariants:
 *  ACK_WRITER-1. At most `CAPACITY` acks wait; one more is dropped and counted: the message is sent again and answered again.
 *  ACK_WRITER-2. Acks of messages that are not in flight here wait on their own, so that a flood of made-up ids delays no ack
 *     that is awaited.
 *  ACK_WRITER-3. Whose late ack settles a row resumes its parked destination: a device that wakes answers the copy that waited
 *     for it, and must not wait for the next probe.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import { Batcher } from "@acktor/shared/runtime/batcher";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { Persister } from "@acktor/shared/runtime/persist";
import type { OpenSpan, Tracing } from "@acktor/shared/runtime/tracing";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Attempt } from "../dispatch/in-flight-book.ts";
import type { AckRecord, AckStore, Rejection, Settled } from "../outbox/outbox.ts";
import { type AckCounts, newAckCounts } from "./ack-counts.ts";

const CAPACITY = 20_000;
const MAX_BATCH = 1_000;
const BATCH_DELAY_MS = 2;
const RETRY_PAUSE_MS = 200;

/** Receives each batch of rows that were settled. */
export interface Settlements {
  settled(rows: readonly Settled[]): void;
}

/** Notices that a receiver answers, though its message is not in flight here. */
export interface LateAnswers {
  answeredLate(topic: string): void;
}

/** Rings when a next row may be due. */
export interface Bell {
  ringForKnownRows(): void;
}

export interface AckWriterParts {
  readonly outbox: AckStore;
  readonly clock: Clock;
  readonly troubles: TroubleDesk;
  /** Catches what fails at acks that strangers sent. */
  readonly guard: ListenerGuard;
  readonly settlements: Settlements;
  readonly doorbell: Bell;
  readonly deliveries: DeliveryNotes;
  readonly tracing: Tracing;
}

/** What this process knows of the attempt that an ack answers. */
export type AttemptFacts = Pick<AckRecord, "attempt" | "publishedAgoMs" | "reasonCode">;

interface Waiting {
  /** What this process has, or had, in flight; null: the message is not in flight here. */
  readonly attempt: Attempt | null;
  /** Where tracing is on, and the message is in flight here. */
  readonly span: OpenSpan | null;
}

interface WaitingAck extends Waiting {
  readonly record: AckRecord;
  /** A next row of its lane may be due once it is settled. */
  readonly freesLane: boolean;
}

interface WaitingRejection extends Waiting {
  readonly rejection: Rejection;
}

/** An ack of a message that this process does not have in flight. */
const UNKNOWN_ATTEMPT: AttemptFacts = { attempt: null, publishedAgoMs: null, reasonCode: null };

export class AckWriter {
  /** Shared with the settler, which counts what it does not hand over. */
  readonly counts: AckCounts = newAckCounts();
  readonly #parts: AckWriterParts;
  /** Written by `heardBy`. */
  #heard: LateAnswers | null = null;
  readonly #acks: Batcher<WaitingAck>;
  /** Of messages that are not in flight here. */
  readonly #strangers: Batcher<WaitingAck>;
  readonly #rejections: Batcher<WaitingRejection>;
  readonly #stop = new AbortController();
  readonly #settling: Persister;
  readonly #rejecting: Persister;

  constructor(parts: AckWriterParts) {
    this.#parts = parts;
    const { troubles, guard } = parts;
    const retry = { troubles, pauseMs: RETRY_PAUSE_MS, stop: this.#stop.signal };
    this.#settling = new Persister({ ...retry, area: "settle" });
    this.#rejecting = new Persister({ ...retry, area: "reject" });
    const batches = { maxBatch: MAX_BATCH, delayMs: BATCH_DELAY_MS, capacity: CAPACITY, guard };
    const settle = { work: (batch: readonly WaitingAck[]) => this.#settle(batch) };
    this.#acks = new Batcher({ ...batches, concurrency: 2, worker: settle });
    this.#strangers = new Batcher({ ...batches, concurrency: 1, worker: settle });
    this.#rejections = new Batcher({ ...batches, concurrency: 1, worker: { work: (batch) => this.#reject(batch) } });
  }

  /** The destinations' health, which needs the writer itself. */
  heardBy(answers: LateAnswers): void {
    this.#heard = answers;
  }

  /** Acks that wait to be written. */
  get waiting(): number {
    return this.#acks.size + this.#strangers.size + this.#rejections.size;
  }

  /** A receiver has processed the message. */
  add(record: AckRecord, attempt: Attempt | null): void {
    // ACK_WRITER-2
    const batcher = attempt === null ? this.#strangers : this.#acks;
    const freesLane = attempt === null || isInLane(attempt);
    // ACK_WRITER-1
    if (!batcher.add({ record, freesLane, attempt, span: this.#beginSpan(attempt) })) this.counts.dropped++;
  }

  /** A receiver has rejected the message. */
  reject(rejection: Rejection, attempt: Attempt | null): void {
    if (!this.#rejections.add({ rejection, attempt, span: this.#beginSpan(attempt) })) this.counts.dropped++;
  }

  /** The PUBACK was all that this message asked for. */
  brokerAcked(attempt: Attempt): void {
    const record: AckRecord = {
      ...this.factsOf(attempt),
      messageId: attempt.message.messageId,
      clientId: "broker",
      checksum: null,
      topic: null,
      signature: null,
      token: null,
      level: "broker",
    };
    this.add(record, attempt);
  }

  factsOf(attempt: Attempt | null): AttemptFacts {
    if (attempt === null) return UNKNOWN_ATTEMPT;
    const publishedAgoMs = this.#parts.clock.now() - attempt.sentAt;
    return { attempt: attempt.attempt, publishedAgoMs, reasonCode: attempt.state === "SENT" ? null : attempt.puback };
  }

  /** Writes what waits and resolves when that is done. A second call waits for the first. */
  async drain(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#acks.drain(), this.#strangers.drain(), this.#rejections.drain()]);
  }

  #beginSpan(attempt: Attempt | null): OpenSpan | null {
    const { tracing } = this.#parts;
    if (!tracing.on || attempt === null) return null;
    const { messageId, topic, traceparent } = attempt.message;
    return tracing.begin({ name: "settle", parent: traceparent, messageId, topic, attempt: attempt.attempt });
  }

  async #settle(batch: readonly WaitingAck[]): Promise<void> {
    const { outbox, settlements, doorbell, deliveries, tracing } = this.#parts;
    const acks = batch.map((waiting) => waiting.record);
    const result = await this.#settling.persist(() => outbox.settle(acks));
    if (tracing.on) endSpans(batch, result.ok ? "acknowledged" : "dropped", !result.ok);
    if (!result.ok) {
      this.counts.dropped += batch.length;
      return;
    }
    this.counts.settled += result.rows.length;
    for (const { late, topic } of result.rows) {
      if (late) this.counts.late++;
      // ACK_WRITER-3
      if (topic !== null) this.#heard?.answeredLate(topic);
    }
    if (deliveries.watched) this.#noteSettled(batch, result.rows);
    if (result.rows.length > 0) settlements.settled(result.rows);
    if (batch.some((waiting) => waiting.freesLane)) doorbell.ringForKnownRows();
    if (result.rows.length < batch.length) await this.#classify(acks, result.rows);
  }

  /** Counts the acks that settled nothing. Of several receivers of one message it records the others. */
  async #classify(batch: readonly AckRecord[], settled: readonly Settled[]): Promise<void> {
    const { outbox, troubles } = this.#parts;
    const moved = new Set(settled.map((row) => row.messageId));
    const several = ofSeveralClients(batch);
    const rest = batch.filter((ack) => !moved.has(ack.messageId) || several.has(ack.messageId));
    const result = rest.length === 0 ? null : troubles.report("classify", await outbox.classify(rest));
    if (result !== null && !result.ok) return;
    // An ack that settled nothing, and has no other reason, repeats an earlier one.
    let duplicates = batch.length - settled.length;
    for (const { leftover } of result?.rows ?? []) {
      if (leftover === "duplicate") continue;
      duplicates--;
      if (leftover === "other_client") this.counts.otherClient++;
      else if (leftover === "checksum_mismatch") this.counts.checksumMismatch++;
      else if (leftover === "topic_mismatch") this.counts.topicMismatch++;
      else if (leftover === "too_many") this.counts.tooMany++;
      else this.counts.unknown++;
    }
    this.counts.duplicate += duplicates;
  }

  #noteSettled(batch: readonly WaitingAck[], settled: readonly Settled[]): void {
    const attempts = new Map(batch.map(({ record, attempt }) => [record.messageId, attempt]));
    for (const { messageId } of settled) {
      const attempt = attempts.get(messageId);
      this.#parts.deliveries.note("acknowledged", messageId, attempt?.message.topic ?? "", attempt?.attempt);
    }
  }

  async #reject(batch: readonly WaitingRejection[]): Promise<void> {
    const { outbox, doorbell, deliveries, tracing } = this.#parts;
    const rejections = batch.map(({ rejection }) => rejection);
    const result = await this.#rejecting.persist(() => outbox.reject(rejections));
    if (tracing.on) endSpans(batch, result.ok ? "rejected" : "dropped", !result.ok);
    if (!result.ok) {
      this.counts.dropped += batch.length;
      return;
    }
    this.counts.rejected += result.rows.length;
    if (deliveries.watched) this.#noteRejected(batch, result.rows);
    this.counts.stale += batch.length - result.rows.length;
    doorbell.ringForKnownRows();
  }

  #noteRejected(batch: readonly WaitingRejection[], rejected: readonly { readonly messageId: string }[]): void {
    const moved = new Set(rejected.map(({ messageId }) => messageId));
    for (const { rejection, attempt } of batch) {
      if (!moved.has(rejection.messageId)) continue;
      const topic = attempt?.message.topic ?? "";
      this.#parts.deliveries.note("rejected", rejection.messageId, topic, attempt?.attempt, rejection.reason);
    }
  }
}

function endSpans(batch: readonly { readonly span: OpenSpan | null }[], outcome: string, failed: boolean): void {
  for (const { span } of batch) span?.end({ outcome, failed });
}

/** Ids of messages that more than one client acked. */
function ofSeveralClients(acks: readonly AckRecord[]): Set<string> {
  const clients = new Map<string, string>();
  const several = new Set<string>();
  for (const { messageId, clientId } of acks) {
    const first = clients.get(messageId);
    if (first === undefined) clients.set(messageId, clientId);
    else if (first !== clientId) several.add(messageId);
  }
  return several;
}

function isInLane({ message }: Attempt): boolean {
  return message.orderingKey !== null || message.retain;
}
