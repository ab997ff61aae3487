/**
 * Acks in, settled rows out.
 *
 * Invariants:
 *  SETTLER-1. Only a well-formed ack of its own topic, signed where a key or a secret is configured, not retained, changes
 *     anything.
 *  SETTLER-2. A checksum or a topic that an ack carries and that is not the row's changes nothing: compared in memory where
 *     the message is in flight here, by the statement where it is not.
 *  SETTLER-3. `rejected` counts only with the current attempt token, and is final only with the row's checksum.
 *  4. At most `CAPACITY` acks wait; one more is dropped and counted: the message is sent again and answered again.
 *  5. Acks of what is not in flight here wait on their own, so that a flood of made-up ids delays no ack that is awaited.
 */
import type { DbResult } from "@acktor/shared/db/pool";
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { IncomingMessage } from "@acktor/shared/link/link";
import { type Ack, decodeAck, topicInAck } from "@acktor/shared/protocol/ack";
import { ackTopicId } from "@acktor/shared/protocol/topics";
import { Batcher } from "@acktor/shared/runtime/batcher";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import type { InFlight } from "../dispatch/in-flight.ts";
import type { AckLeftover, AckRecord, Rejection, Settled } from "../outbox/outbox.ts";
import type { AckAuthenticator } from "./authenticate-acks.ts";

const CAPACITY = 20_000;
const MAX_BATCH = 1_000;
const BATCH_DELAY_MS = 2;
const RETRY_PAUSE_MS = 200;
const SAID_ONCE_IN_MS = 1_000;
/** Of a receiver that says it works, and not for how long. */
const DEFAULT_PATIENCE_SECONDS = 10;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface SettlerVerbs {
  settleAcks(acks: readonly AckRecord[]): Promise<DbResult<Settled>>;
  classifyAcks(acks: readonly AckRecord[]): Promise<DbResult<{ messageId: string; leftover: AckLeftover }>>;
  rejectMessages(rejections: readonly Rejection[]): Promise<DbResult<{ messageId: string }>>;
}

interface WaitingAck {
  readonly record: AckRecord;
  /** A next row of its lane may be due once it is settled. */
  readonly freesLane: boolean;
  /** What this process has in flight of it, or null. */
  readonly entry: InFlight | null;
  /** Where tracing is on, and the message is in flight here. */
  readonly span: OpenSpan | null;
}

interface WaitingRejection {
  readonly rejection: Rejection;
  readonly entry: InFlight | null;
  readonly span: OpenSpan | null;
}

export interface SettlerOptions {
  readonly verbs: SettlerVerbs;
  readonly logger: Logger;
  readonly ackPrefix: string;
  readonly authenticator: AckAuthenticator;
  readonly now: () => number;
  /** Catches what fails at acks that strangers sent. */
  readonly guard?: ListenerGuard;
  /** What the dispatcher has in flight under an id. */
  readonly inFlight: (id: string) => InFlight | null;
  /** The dispatcher's window moves. */
  readonly onAnswer: (entry: InFlight) => void;
  /** Milliseconds until a retryable rejected message is sent again. */
  readonly retryInMs: (retries: number) => number;
  /** What to do with retryable rejections; null = always the built-in behaviour. */
  readonly policy?: ErrorPolicy | null;
  /** Milliseconds since 1970, for the age of a message. */
  readonly wallClock?: () => number;
  /** The policy says that this PUBLISH's destination is to rest. */
  readonly onPause?: (entry: InFlight) => void;
  /** A receiver is at work on it: no answer is to be expected for so long. */
  readonly onWorking?: (entry: InFlight, forMs: number) => void;
  readonly onSettled: (settled: readonly Settled[]) => void;
  /** A row was settled or rejected whose lane, or whose destination, may have a next one. */
  readonly onLaneFreed: () => void;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

export interface SettlerCounts {
  received: number;
  settled: number;
  late: number;
  malformed: number;
  unsigned: number;
  /** Dropped unverified: too many forged ones came with them. */
  unverified: number;
  retained: number;
  checksumMismatch: number;
  /** Of messages that were sent to another topic. */
  topicMismatch: number;
  duplicate: number;
  otherClient: number;
  /** Of a further receiver, beyond those that are kept for one message. */
  tooMany: number;
  unknown: number;
  /** Without a status and with fields that acktor does not know; they count as processed. */
  unknownWords: number;
  rejected: number;
  /** Receivers that asked for patience. */
  working: number;
  /** Rejected with a token that is not the current one. */
  stale: number;
  dropped: number;
}

/** An ack of a message that this process does not have in flight. */
const UNKNOWN_ATTEMPT = { attempt: null, publishedAgoMs: null, reasonCode: null } as const;

export class Settler {
  readonly counts: SettlerCounts = {
    received: 0,
    settled: 0,
    late: 0,
    malformed: 0,
    unsigned: 0,
    unverified: 0,
    retained: 0,
    checksumMismatch: 0,
    topicMismatch: 0,
    duplicate: 0,
    otherClient: 0,
    tooMany: 0,
    unknown: 0,
    unknownWords: 0,
    rejected: 0,
    working: 0,
    stale: 0,
    dropped: 0,
  };
  readonly #options: SettlerOptions;
  readonly #acks: Batcher<WaitingAck>;
  /** Of messages that are not in flight here. */
  readonly #strangers: Batcher<WaitingAck>;
  readonly #rejections: Batcher<WaitingRejection>;
  readonly #deliveries: DeliveryNotes;
  readonly #tracing: Tracing;
  /** One line a second of each kind: a flood of bad acks does not fill the log. */
  readonly #throttle: LogThrottle;
  readonly #stop = new AbortController();

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.#throttle = new LogThrottle({ now: options.now }, SAID_ONCE_IN_MS);
    this.#deliveries = options.deliveries ?? UNWATCHED;
    this.#tracing = options.tracing ?? NO_TRACING;
    const common = {
      maxBatch: MAX_BATCH,
      delayMs: BATCH_DELAY_MS,
      capacity: CAPACITY,
      concurrency: 2,
      guard: options.guard,
    };
    const settle = { work: (batch: WaitingAck[]) => this.#settle(batch) };
    this.#acks = new Batcher({ ...common, worker: settle });
    this.#strangers = new Batcher({ ...common, concurrency: 1, worker: settle });
    this.#rejections = new Batcher({ ...common, concurrency: 1, worker: { work: (batch) => this.#reject(batch) } });
  }

  /** Acks that wait to be written. */
  get waiting(): number {
    return this.#acks.size + this.#strangers.size + this.#rejections.size;
  }

  /** Takes what arrived under the ack prefix. Never throws. */
  receive({ topic, payload, retain }: IncomingMessage): void {
    this.counts.received++;
    const id = ackTopicId(this.#options.ackPrefix, topic);
    if (id === null) {
      this.#complain(topic, "is not an ack topic");
      return;
    }
    if (retain) {
      this.counts.retained++;
      return;
    }
    const decoded = decodeAck(id, payload);
    if (decoded.kind === "malformed") {
      this.#complain(topic, decoded.reason);
      return;
    }
    // Ids of ours are UUIDs: anything else is of another outbox, and PostgreSQL would refuse it.
    if (!UUID.test(id)) {
      this.counts.unknown++;
      return;
    }
    if (!this.#isTrusted(decoded.ack)) return;
    if (decoded.unknown.length > 0) this.#noteUnknownWords(topic, decoded.unknown);
    if (decoded.ack.status === "processed") this.#processed(decoded.ack);
    else if (decoded.ack.status === "working") this.#working(decoded.ack);
    else this.#rejected(decoded.ack);
  }

  /** PUBACK was all that this message asked for. */
  brokerAcked(entry: InFlight): void {
    const record: AckRecord = {
      ...this.#attemptOf(entry),
      messageId: entry.message.messageId,
      clientId: "broker",
      checksum: null,
      topic: null,
      signature: null,
      token: null,
      level: "broker",
    };
    this.#add(record, isLane(entry), entry);
  }

  /** Settles what waits and resolves when it is done. Twice is fine. */
  async drain(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#acks.drain(), this.#strangers.drain(), this.#rejections.drain()]);
  }

  #isTrusted(ack: Ack): boolean {
    const { authenticator, inFlight } = this.#options;
    const verdict = authenticator.judge(ack, inFlight(ack.message_id.toLowerCase()) !== null);
    if (verdict === "trusted") return true;
    this.counts[verdict]++;
    return false;
  }

  #processed(ack: Ack): void {
    const messageId = ack.message_id.toLowerCase();
    const entry = this.#options.inFlight(messageId);
    if (this.#isOfAnother(ack, entry)) return;
    const known = entry === null ? UNKNOWN_ATTEMPT : this.#attemptOf(entry);
    if (entry !== null) this.#options.onAnswer(entry);
    const record: AckRecord = {
      messageId,
      clientId: ack.client_id ?? "",
      // Compared above where the message is in memory; what is not is compared by the statement.
      checksum: entry === null ? ack.checksum : null,
      topic: entry === null ? ack.topic : null,
      ...this.#proofOf(ack),
      level: "processed",
      attempt: known.attempt,
      publishedAgoMs: known.publishedAgoMs,
      reasonCode: known.reasonCode,
    };
    this.#add(record, entry === null || isLane(entry), entry);
  }

  #rejected(ack: Ack): void {
    const entry = this.#options.inFlight(ack.message_id.toLowerCase());
    if (ack.attempt_token === null || !/^\d{1,18}$/.test(ack.attempt_token)) {
      this.counts.stale++;
      return;
    }
    if (this.#isOfAnother(ack, entry)) return;
    if (entry !== null && entry.message.leaseToken !== ack.attempt_token) {
      this.counts.stale++;
      return;
    }
    if (entry !== null) this.#options.onAnswer(entry);
    const reason = printable(ack.reason ?? "");
    const rejection: Rejection = {
      messageId: ack.message_id.toLowerCase(),
      leaseToken: ack.attempt_token,
      clientId: ack.client_id ?? "",
      checksum: ack.checksum,
      topic: ack.topic,
      signature: this.#proofOf(ack).signature,
      reason,
      ...this.#verdict(ack, reason, entry),
    };
    if (!this.#rejections.add({ rejection, entry, span: this.#beginSpan(entry) })) this.counts.dropped++;
  }

  /** Only the publisher that has this attempt in flight can wait; for the others, and for old attempts, it says nothing. */
  #working(ack: Ack): void {
    this.counts.working++;
    const entry = this.#options.inFlight(ack.message_id.toLowerCase());
    if (entry === null || entry.message.leaseToken !== ack.attempt_token || this.#isOfAnother(ack, entry)) return;
    const forMs = this.#patienceMs(ack, entry);
    if (forMs > 0) this.#options.onWorking?.(entry, forMs);
  }

  /** Signed patience counts from the PUBLISH that it is about: said again by a stranger, it is over at the same moment. */
  #patienceMs(
    { working_for: seconds = DEFAULT_PATIENCE_SECONDS, elapsed = 0, signature }: Ack,
    entry: InFlight,
  ): number {
    if (!this.#options.authenticator.isStrict || !signature?.startsWith("v2:")) return seconds * 1_000;
    return entry.sentAt + (elapsed + seconds) * 1_000 - this.#options.now();
  }

  /** Again, and when; a receiver's own wish is the least. */
  #verdict(ack: Ack, reason: string, entry: InFlight | null): Pick<Rejection, "retryable" | "retryInMs"> {
    const { policy, wallClock, onPause, retryInMs } = this.#options;
    const builtIn = retryInMs(entry === null ? 0 : entry.attempt - 1);
    const after = (ms: number): number => Math.max((ack.retry_after ?? 0) * 1_000, ms);
    if (!ack.retryable || !policy || wallClock === undefined || entry === null) {
      return { retryable: ack.retryable, retryInMs: after(builtIn) };
    }
    const { topic, createdAt } = entry.message;
    const error = { type: "application", on: "rejected", reasonCode: null, reason, topic } as const;
    const decision = policy(error, entry.attempt, Math.max(0, wallClock() - createdAt * 1_000));
    if (decision.kind === "pause") onPause?.(entry);
    if (decision.kind === "retry") return { retryable: true, retryInMs: after(decision.inMs) };
    return { retryable: decision.kind !== "dead_letter", retryInMs: after(builtIn) };
  }

  /** What is kept of a signature that was verified; "" for one over an ack without a token. */
  #proofOf({ signature, attempt_token: token }: Ack): Pick<AckRecord, "signature" | "token"> {
    if (!this.#options.authenticator.isStrict) return { signature: null, token: null };
    return { signature, token: token ?? "" };
  }

  /** SETTLER-2, of a message in flight. */
  #isOfAnother(ack: Ack, entry: InFlight | null): boolean {
    if (entry === null) return false;
    if (ack.checksum !== null && ack.checksum !== entry.message.checksum) this.counts.checksumMismatch++;
    else if (ack.topic !== null && ack.topic !== topicInAck(entry.message.topic)) this.counts.topicMismatch++;
    else return false;
    return true;
  }

  #attemptOf(entry: InFlight): Pick<AckRecord, "attempt" | "publishedAgoMs" | "reasonCode"> {
    return { attempt: entry.attempt, publishedAgoMs: this.#options.now() - entry.sentAt, reasonCode: entry.puback };
  }

  #add(record: AckRecord, freesLane: boolean, entry: InFlight | null): void {
    const batcher = entry === null ? this.#strangers : this.#acks;
    if (!batcher.add({ record, freesLane, entry, span: this.#beginSpan(entry) })) this.counts.dropped++;
  }

  #beginSpan(entry: InFlight | null): OpenSpan | null {
    if (!this.#tracing.on || entry === null) return null;
    const { messageId, topic, traceparent } = entry.message;
    return this.#tracing.begin({ name: "settle", parent: traceparent, messageId, topic, attempt: entry.attempt });
  }

  async #settle(batch: WaitingAck[]): Promise<void> {
    const acks = batch.map((waiting) => waiting.record);
    const result = await this.#persist(() => this.#options.verbs.settleAcks(acks));
    if (this.#tracing.on) endSpans(batch, result.ok ? "acknowledged" : "dropped", !result.ok);
    if (!result.ok) {
      this.counts.dropped += batch.length;
      return;
    }
    this.counts.settled += result.rows.length;
    for (const row of result.rows) if (row.late) this.counts.late++;
    if (this.#deliveries.watched) this.#noteSettled(batch, result.rows);
    if (result.rows.length > 0) this.#options.onSettled(result.rows);
    if (batch.some((waiting) => waiting.freesLane)) this.#options.onLaneFreed();
    if (result.rows.length < batch.length) await this.#classify(acks, result.rows);
  }

  /** Counts what settling left over; of several receivers of a message that was settled, it records the others. */
  async #classify(batch: readonly AckRecord[], settled: readonly Settled[]): Promise<void> {
    const moved = new Set(settled.map((row) => row.messageId));
    const several = ofSeveralClients(batch);
    const rest = batch.filter((ack) => !moved.has(ack.messageId) || several.has(ack.messageId));
    const result = rest.length === 0 ? null : await this.#options.verbs.classifyAcks(rest);
    if (result !== null && !result.ok) return;
    // Whatever settled nothing and is none of these said something again.
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
    const entries = new Map(batch.map(({ record, entry }) => [record.messageId, entry]));
    for (const { messageId } of settled) {
      const entry = entries.get(messageId);
      this.#deliveries.note("acknowledged", messageId, entry?.message.topic ?? "", entry?.attempt);
    }
  }

  async #reject(batch: WaitingRejection[]): Promise<void> {
    const rejections = batch.map(({ rejection }) => rejection);
    const result = await this.#persist(() => this.#options.verbs.rejectMessages(rejections));
    if (this.#tracing.on) endSpans(batch, result.ok ? "rejected" : "dropped", !result.ok);
    if (!result.ok) {
      this.counts.dropped += batch.length;
      return;
    }
    this.counts.rejected += result.rows.length;
    if (this.#deliveries.watched) this.#noteRejected(batch, result.rows);
    this.counts.stale += batch.length - result.rows.length;
    this.#options.onLaneFreed();
  }

  #noteRejected(batch: readonly WaitingRejection[], rejected: readonly { readonly messageId: string }[]): void {
    const moved = new Set(rejected.map(({ messageId }) => messageId));
    for (const { rejection, entry } of batch) {
      if (!moved.has(rejection.messageId)) continue;
      const topic = entry?.message.topic ?? "";
      this.#deliveries.note("rejected", rejection.messageId, topic, entry?.attempt, rejection.reason);
    }
  }

  /** Tries again while the database is away; acks wait behind, up to the capacity. */
  async #persist<Row>(run: () => Promise<DbResult<Row>>): Promise<DbResult<Row>> {
    for (;;) {
      const result = await run();
      if (result.ok) return result;
      if (result.failure.kind === "rejected") {
        this.#options.logger.error(
          { code: result.failure.code, reason: result.failure.message },
          "acks could not be settled",
        );
        return result;
      }
      if (!(await pause(RETRY_PAUSE_MS, this.#stop.signal))) return result;
    }
  }

  #complain(topic: string, reason: string): void {
    this.counts.malformed++;
    const unsaid = this.#throttle.admit("malformed");
    if (unsaid === null) return;
    const fields = { topic: printable(topic), reason: printable(reason), malformed: this.counts.malformed, unsaid };
    this.#options.logger.warn(fields, "an ack was ignored");
  }

  /** The receiver may have meant something that acktor does not understand. */
  #noteUnknownWords(topic: string, words: readonly string[]): void {
    this.counts.unknownWords++;
    const unsaid = this.#throttle.admit("unknown words");
    if (unsaid === null) return;
    const fields = {
      topic: printable(topic),
      fields: words.slice(0, 5).map((word) => printable(word.slice(0, 50))),
      unsaid,
    };
    this.#options.logger.warn(fields, "an ack without a status has unknown fields; it counts as processed");
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

function isLane(entry: InFlight): boolean {
  return entry.message.orderingKey !== null || entry.message.retain;
}
