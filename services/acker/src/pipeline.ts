/**
 * The way of a message through the acker: verify → inbox → handle → ack, in batches.
 *
 * Invariants:
 *  1. No ack before its commit: an ack is made from what the inbox returned, never from what was sent to it.
 *  2. Every arrival is released exactly once, when nothing more will happen to it.
 *  3. One message's trouble is its own; the database's trouble makes everything wait, bounded by the intake.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import { type Batcher, createBatcher } from "@acktor/shared/runtime/batcher";
import type { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { NO_TRACING, type Tracing } from "@acktor/shared/runtime/tracing";
import type { AckSender } from "./ack/send-acks.ts";
import type { Counts } from "./control/counts.ts";
import type { HandlerDesk } from "./handler-desk.ts";
import { decide, isFirst } from "./inbox/decide.ts";
import { type Fragment, shapeOf } from "./inbox/fragment.ts";
import type { Answer, InboxMessage } from "./inbox/message.ts";
import { firstReceipt, type Incoming, Newness, type Receipt } from "./inbox/receive-messages.ts";
import { receiveWithEffects } from "./inbox/receive-with-effects.ts";
import type { ShapeTypes } from "./inbox/shape-types.ts";
import { shareStatements } from "./inbox/share-statements.ts";
import { type Stored, storeBatch } from "./inbox/store-batch.ts";
import type { Held } from "./subscribe/intake.ts";
import { isExpired, type VerifyOptions, verifyMessage } from "./verify/verify-message.ts";

export interface Pipeline {
  /** Takes an arrival over; false when it cannot. */
  take(held: Held): boolean;
  waiting(): number;
  /** Finishes what was taken. What the database has not taken when `abandon` comes is given up: it has no ack. */
  drain(abandon: AbortSignal): Promise<void>;
}

export interface EarlyEffects {
  /** The effect of a message, known before it is stored; null = its handler wants the usual way. */
  readonly effectOf: (message: InboxMessage) => Fragment | null;
  readonly shapes: ShapeTypes;
}

export interface PipelineOptions {
  readonly pool: Pool;
  readonly acks: AckSender;
  /** Null: the row is the effect. */
  readonly desk: HandlerDesk | null;
  /** For handlers that only compute; null: there are none. */
  readonly early: EarlyEffects | null;
  readonly verify: VerifyOptions;
  /** Unique to this process: leases are taken under it. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly capacity: number;
  readonly release: (held: Held) => void;
  readonly onTrouble: (failure: DbFailure) => void;
  readonly counts: Counts;
  readonly throttle: LogThrottle;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  /** For viewers. */
  readonly deliveries: DeliveryNotes;
  readonly tracing?: Tracing;
}

/** One arrival that is a message. */
interface Delivery {
  readonly message: InboxMessage;
  readonly held: Held;
}

/** What arrived under one id within a batch (overlapping filters, impatient outboxes); the first stands for them. */
interface Group extends Incoming {
  deliveries: number;
  readonly all: Delivery[];
}

const MAX_BATCH = 500;
const BATCH_DELAY_MS = 1;
/** Of the pool's five connections two are left to leases, housekeeping and the health probe. */
const BATCHES_UNDER_WAY = 3;
/** Where each message is written twice, few large batches cost less than many small ones (ADR 14). */
const BATCHES_OF_HANDLERS = 1;

export function createPipeline(options: PipelineOptions): Pipeline {
  const abandonment = new AbortController();
  const newness = new Newness();
  let batches = 0;

  /** Stores what can be stored with its effect at once. @returns what is left for the usual way */
  async function storeWithEffects(groups: Group[], { effectOf, shapes }: EarlyEffects): Promise<Group[]> {
    if (!newness.expects(groups)) return groups;
    const rest: Group[] = [];
    const early: { item: Group; effect: Fragment }[] = [];
    for (const item of groups) {
      const effect = isExpired(item.message, options.now()) ? null : effectOf(item.message);
      if (effect === null || !shapeOf(effect).isPlainInsert) rest.push(item);
      else early.push({ item, effect });
    }
    for (const statement of await shareStatements(early, shapes)) {
      const answer = await receiveWithEffects(options.pool, statement);
      if (!answer.ok && answer.failure.constraint?.startsWith("inbox")) newness.wasWrong();
      for (const { item } of statement.items) {
        if (!answer.ok) rest.push(item);
        else concludeStored(item, firstReceipt(item, { born: "processed" }), "", options);
      }
      if (answer.ok) options.counts.handler.processed += statement.items.length;
    }
    return rest;
  }

  async function work(arrivals: Held[]): Promise<void> {
    const verified = verifyAll(arrivals, options);
    const groups = options.early === null ? verified : await storeWithEffects(verified, options.early);
    if (groups.length === 0) return;
    const owner = `${options.owner}/${++batches}`;
    const born = options.desk === null ? "processed" : "received";
    const stored = await storeBatch(
      options.pool,
      groups,
      { born, owner, leaseMs: options.leaseMs, newness },
      {
        signal: abandonment.signal,
        random: options.random,
        isExpired: (group) => group.all.every(({ message }) => isExpired(message, options.now())),
        onTrouble: options.onTrouble,
      },
    );
    for (const group of groups) conclude(group, stored.get(group.message.messageId), owner, options);
  }

  const batcher: Batcher<Held> = createBatcher({
    maxBatch: MAX_BATCH,
    delayMs: BATCH_DELAY_MS,
    capacity: options.capacity,
    concurrency: options.desk !== null && options.early === null ? BATCHES_OF_HANDLERS : BATCHES_UNDER_WAY,
    work,
  });

  return {
    take: (held) => batcher.add(held),
    waiting: () => batcher.size(),
    async drain(abandon) {
      if (abandon.aborted) abandonment.abort();
      abandon.addEventListener("abort", () => abandonment.abort(), { once: true });
      await batcher.drain();
      await options.desk?.drain(abandon);
    },
  };
}

/** Verifies a batch and groups what is left by id. Everything else has its end here. */
function verifyAll(arrivals: readonly Held[], options: PipelineOptions): Group[] {
  const groups = new Map<string, Group>();
  for (const held of arrivals) {
    const message = verifyOne(held, options);
    if (message === null) {
      options.release(held);
      continue;
    }
    const group = groups.get(message.messageId);
    if (group === undefined) {
      groups.set(message.messageId, { message, deliveries: 1, all: [{ message, held }] });
    } else {
      if (group.message.checksum === message.checksum) group.deliveries++;
      group.all.push({ message, held });
    }
  }
  return [...groups.values()];
}

/** The message in an arrival, or null after what is wrong with it was counted, said and answered. */
function verifyOne(held: Held, options: PipelineOptions): InboxMessage | null {
  const { counts, acks } = options;
  const verdict = verifyMessage(held, options.verify, options.now());
  const { deliveries } = options;
  if (verdict.kind === "message") {
    if (deliveries.watched) deliveries.note("received", verdict.message.messageId, held.topic);
    return verdict.message;
  }
  counts.messages[verdict.kind]++;
  if (verdict.kind === "expired") return null;
  const id = verdict.kind === "malformed" ? undefined : verdict.refused?.answerTo.id;
  warn(options, verdict.kind, verdict.reason, held.topic, id);
  if (verdict.kind === "malformed" || verdict.refused === null) return null;
  if (deliveries.watched) {
    deliveries.note("refused", verdict.refused.answerTo.id, held.topic, undefined, printable(verdict.reason));
  }
  const answer: Answer = { status: "rejected", reason: verdict.reason, retryable: verdict.kind === "corrupt" };
  acks.send({ ...verdict.refused, answer, checksum: null });
  return null;
}

/** What the inbox said about a group becomes acks, work for the handler, or nothing. */
function conclude(group: Group, stored: Stored | undefined, owner: string, options: PipelineOptions): void {
  const { messages } = options.counts;
  if (stored?.kind === "stored") {
    concludeStored(group, stored.receipt, owner, options);
    return;
  }
  if (stored?.kind === "refused") {
    const { reason, retryable } = stored;
    messages.unusable += group.all.length;
    warn(options, "unusable", reason, group.message.topic, group.message.messageId);
    answerAll(group.all, { status: "rejected", reason, retryable }, options);
  } else {
    messages[stored?.kind ?? "abandoned"] += group.all.length;
  }
  for (const { held } of group.all) options.release(held);
}

function concludeStored(group: Group, receipt: Receipt, owner: string, options: PipelineOptions): void {
  const { counts, desk, deliveries } = options;
  let fresh = isFirst(receipt, group);
  const answered: Delivery[] = [];
  let handled: Delivery | null = null;
  for (const delivery of group.all) {
    const decision = decide(receipt, delivery.message);
    if (decision.kind === "conflict") {
      counts.messages.conflict++;
      warn(options, "conflict", decision.answer.status, delivery.message.topic, delivery.message.messageId);
      answerAll([delivery], decision.answer, options);
      options.release(delivery.held);
      continue;
    }
    if (fresh) counts.messages.first++;
    else counts.messages.duplicate++;
    if (deliveries.watched) {
      const { messageId, topic } = delivery.message;
      if (!fresh) deliveries.note("duplicate", messageId, topic);
      else if (decision.kind === "answer") deliveries.note("processed", messageId, topic);
    }
    if (decision.kind === "answer") {
      answered.push(delivery);
      trace(delivery, fresh ? decision.answer.status : "duplicate", options);
    }
    fresh = false;
    // The newest attempt is the one that a rejection must name.
    const done: Delivery | null = decision.kind === "handle" ? handled : delivery;
    if (decision.kind === "handle") handled = delivery;
    if (done !== null) options.release(done.held);
  }
  const [first] = answered;
  const decision = first === undefined ? null : decide(receipt, first.message);
  if (decision?.kind === "answer") answerAll(answered, decision.answer, options);
  if (handled !== null && desk !== null) {
    const { message, held } = handled;
    desk.take({ messageId: message.messageId, owner }, message, receipt.crashes, () => options.release(held));
  }
}

/** One ack for each topic that waits for it, under the newest attempt. */
function answerAll(deliveries: readonly Delivery[], answer: Answer, options: PipelineOptions): void {
  const [only] = deliveries;
  if (deliveries.length === 1 && only !== undefined) {
    answerOne(only.message, answer, options);
    return;
  }
  const newest = new Map<string, InboxMessage>();
  for (const { message } of deliveries) if (message.answerTo !== null) newest.set(message.answerTo.topic, message);
  for (const message of newest.values()) answerOne(message, answer, options);
}

function answerOne(message: InboxMessage, answer: Answer, { acks }: PipelineOptions): void {
  const { answerTo, attemptToken, checksum } = message;
  if (answerTo !== null) acks.send({ answerTo, answer, attemptToken, checksum });
}

/** Where the row is the effect: from the arrival to its commit. What a handler does is traced by the desk. */
function trace({ message, held }: Delivery, outcome: string, { tracing = NO_TRACING, now }: PipelineOptions): void {
  if (!tracing.on) return;
  const { messageId, topic, traceparent = null, retryCount } = message;
  const startedAgoMs = now() - held.arrivedAt;
  tracing
    .begin({ name: "process", parent: traceparent, messageId, topic, attempt: retryCount + 1, startedAgoMs })
    .end({ outcome, failed: outcome === "rejected" });
}

function warn({ logger, throttle }: PipelineOptions, kind: string, reason: string, topic: string, id?: string): void {
  const unsaid = throttle.admit(`${kind}: ${reason}`);
  if (unsaid === null) return;
  const fields = { kind, reason: printable(reason), topic: printable(topic), unsaid };
  logger.warn(id === undefined ? fields : { message_id: printable(id), ...fields }, "a message was not taken");
}
