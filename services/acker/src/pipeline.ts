/**
 * The way of a message through the acker: verify → inbox → handle → ack, in batches. Handlers that answer at once may come
 * before the inbox (`early/`), which then is written once.
 *
 * Invariants:
 *  1. No ack before its commit: an ack is made from what the inbox returned, never from what was sent to it.
 *  2. Every arrival is released when nothing more will happen to it, also where its batch fails by a fault of ours.
 *  3. One message's trouble is its own; the database's trouble makes everything wait, bounded by the intake.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import { Batcher } from "@acktor/shared/runtime/batcher";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { NO_TRACING, type Tracing } from "@acktor/shared/runtime/tracing";
import type { AckSender } from "./ack/send-acks.ts";
import type { Counts } from "./control/counts.ts";
import { computeFirst } from "./early/compute-first.ts";
import { HandleFirst, NOT_HANDLED } from "./early/handle-first.ts";
import type { EarlyRun } from "./handle/early-run.ts";
import type { HandlerDesk } from "./handler-desk.ts";
import { decide, isFirst } from "./inbox/decide.ts";
import type { Fragment } from "./inbox/fragment.ts";
import type { Answer, InboxMessage } from "./inbox/message.ts";
import { firstReceipt, type Incoming, Newness, type Receipt } from "./inbox/receive-messages.ts";
import type { ShapeTypes } from "./inbox/shape-types.ts";
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

export interface Handlers {
  readonly desk: HandlerDesk;
  readonly shapes: ShapeTypes;
  /** The effect of a message, known before it is stored; null: its handler does more than compute. */
  readonly effectOf: ((message: InboxMessage) => Fragment | null) | null;
}

export interface PipelineOptions {
  readonly pool: Pool;
  readonly acks: AckSender;
  /** Null: the row is the effect. */
  readonly handlers: Handlers | null;
  readonly verify: VerifyOptions;
  /** Unique to this process: leases are taken under it. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly capacity: number;
  readonly release: (held: Held) => void;
  readonly onTrouble: (failure: DbFailure) => void;
  readonly counts: Counts;
  readonly throttle: LogThrottle;
  /** Catches what fails at an arrival; the others of its batch are worked on. */
  readonly guard?: ListenerGuard;
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
/** Of payloads that are parsed in one turn of the event loop: 2 MiB take about 10 ms, a batch of large ones took 300. */
const BYTES_AT_ONCE = 2 * 1024 * 1024;
/** Of the pool's five connections two are left to leases, housekeeping and the health probe. */
const BATCHES_UNDER_WAY = 3;
/** Where each message is written twice, few large batches cost less than many small ones (ADR 14). */
const BATCHES_OF_HANDLERS = 1;

export function createPipeline(options: PipelineOptions): Pipeline {
  const abandonment = new AbortController();
  const newness = new Newness();
  let batches = 0;
  const expired = (message: InboxMessage): boolean => isExpired(message, options.now());
  const { pool, handlers, leaseMs, onTrouble } = options;
  const lanes = handlers === null || handlers.effectOf !== null ? BATCHES_UNDER_WAY : BATCHES_OF_HANDLERS;
  const first = handlers === null ? null : handleFirst(handlers);

  function handleFirst({ desk, shapes }: Handlers): HandleFirst {
    const { begin } = desk;
    const { signal } = abandonment;
    return new HandleFirst({
      ...{
        pool,
        shapes,
        run: options.owner,
        lanes,
        leaseMs,
        begin,
        isExpired: expired,
        signal,
        onTrouble,
        now: options.now,
      },
    });
  }

  /** @returns what is left */
  function compute(groups: Group[], { effectOf, shapes }: Handlers): Promise<readonly Group[]> | readonly Group[] {
    if (effectOf === null) return groups;
    const onStored = concludeProcessed;
    return computeFirst(groups, { pool, shapes, newness, effectOf, isExpired: expired, onStored });
  }

  /** An outcome that was written with the message. */
  function concludeProcessed(group: Group): void {
    options.counts.handler.processed++;
    concludeStored(group, firstReceipt(group, { born: "processed" }), NO_HANDLING, options);
  }

  async function work(arrivals: Held[]): Promise<void> {
    const verified = await verifyAll(arrivals, options);
    const ordinary = handlers === null ? verified : await compute(verified, handlers);
    const handled = first === null ? { ...NOT_HANDLED, rest: ordinary } : await first.handle(ordinary);
    for (const group of handled.stored) concludeProcessed(group);
    const groups = handled.rest;
    if (groups.length === 0) return;
    const owner = `${options.owner}/${++batches}`;
    const born = handlers === null ? "processed" : "received";
    const stored = await storeBatch(
      pool,
      groups,
      { born, owner, leaseMs, newness, batch: handled.lease },
      {
        signal: abandonment.signal,
        random: options.random,
        isExpired: (group) => group.all.every(({ message }) => expired(message)),
        onTrouble,
      },
    );
    for (const group of groups)
      conclude(group, stored.get(group.message.messageId), { owner, begun: handled.begun }, options);
    for (const run of handled.begun.values()) run.cancel();
    await handled.end();
  }

  /** A fault of ours gives the places of the whole batch back: the outbox sends its messages again. */
  async function workOrRelease(arrivals: Held[]): Promise<void> {
    try {
      await work(arrivals);
    } catch (error) {
      for (const held of arrivals) options.release(held);
      throw error;
    }
  }

  const batcher = new Batcher<Held>({
    maxBatch: MAX_BATCH,
    delayMs: BATCH_DELAY_MS,
    capacity: options.capacity,
    concurrency: lanes,
    worker: { work: workOrRelease },
    guard: options.guard,
  });

  return {
    take: (held) => batcher.add(held),
    waiting: () => batcher.size,
    async drain(abandon) {
      if (abandon.aborted) abandonment.abort();
      abandon.addEventListener("abort", () => abandonment.abort(), { once: true });
      await batcher.drain();
      await handlers?.desk.drain(abandon);
      await first?.leave();
    },
  };
}

/** Verifies a batch and groups what is left by id. Everything else has its end here. */
async function verifyAll(arrivals: readonly Held[], options: PipelineOptions): Promise<Group[]> {
  const groups = new Map<string, Group>();
  let bytes = 0;
  for (const held of arrivals) {
    bytes += held.payload.byteLength;
    if (bytes > BYTES_AT_ONCE) {
      bytes = held.payload.byteLength;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const message = verifySafely(held, options);
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

function verifySafely(held: Held, options: PipelineOptions): InboxMessage | null {
  const { guard, counts } = options;
  if (guard === undefined) return verifyOne(held, options);
  let message: InboxMessage | null = null;
  const failures = guard.failures;
  guard.wrap("verify", () => {
    message = verifyOne(held, options);
  })();
  if (guard.failures > failures) counts.messages.malformed++;
  return message;
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
  if (verdict.kind === "malformed" || verdict.kind === "unauthenticated") {
    const id = verdict.kind === "malformed" ? undefined : verdict.id;
    warn(options, verdict.kind, verdict.reason, held.topic, id);
    return null;
  }
  warn(options, verdict.kind, verdict.reason, held.topic, verdict.refused?.answerTo.id);
  if (verdict.refused === null) return null;
  if (deliveries.watched) {
    deliveries.note("refused", verdict.refused.answerTo.id, held.topic, undefined, printable(verdict.reason));
  }
  const retryable = verdict.kind === "corrupt" || verdict.retryable;
  acks.send({ ...verdict.refused, answer: { status: "rejected", reason: verdict.reason, retryable } });
  return null;
}

/** Whose a batch is, and which of its handlers have begun. */
interface Handling {
  readonly owner: string;
  readonly begun: ReadonlyMap<string, EarlyRun>;
}

const NO_HANDLING: Handling = { owner: "", begun: new Map() };

/** What the inbox said about a group becomes acks, work for the handler, or nothing. */
function conclude(group: Group, stored: Stored | undefined, handling: Handling, options: PipelineOptions): void {
  const { messages } = options.counts;
  if (stored?.kind === "stored") {
    concludeStored(group, stored.receipt, handling, options);
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

function concludeStored(group: Group, receipt: Receipt, handling: Handling, options: PipelineOptions): void {
  const { counts, handlers, deliveries } = options;
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
    const taken: Delivery | null = decision.kind === "handle" ? newerOf(handled, delivery) : null;
    const done = decision.kind !== "handle" || taken !== delivery ? delivery : handled;
    if (taken !== null) handled = taken;
    if (done !== null) options.release(done.held);
  }
  const [first] = answered;
  const decision = first === undefined ? null : decide(receipt, first.message);
  if (decision?.kind === "answer") answerAll(answered, decision.answer, options);
  if (handled !== null && handlers !== null) {
    const { message, held } = handled;
    const { messageId } = message;
    const begun = handling.begun.get(messageId) ?? receipt.crashes;
    handlers.desk.take({ messageId, owner: handling.owner }, message, begun, () => options.release(held));
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
  for (const { message } of deliveries) {
    if (message.answerTo === null) continue;
    const known = newest.get(message.answerTo.topic);
    if (known === undefined || isNewer(message, known)) newest.set(message.answerTo.topic, message);
  }
  for (const message of newest.values()) answerOne(message, answer, options);
}

/** By what the sender counts, not by the order of arrival: an old attempt can be said again by a stranger. */
function isNewer(one: InboxMessage, other: InboxMessage): boolean {
  const [proven, known] = [(one.proof ?? null) !== null, (other.proof ?? null) !== null];
  return proven === known ? one.retryCount >= other.retryCount : proven;
}

function newerOf(known: Delivery | null, delivery: Delivery): Delivery {
  return known === null || isNewer(delivery.message, known.message) ? delivery : known;
}

function answerOne(message: InboxMessage, answer: Answer, { acks }: PipelineOptions): void {
  const { answerTo, attemptToken, checksum, proof } = message;
  if (answerTo !== null) acks.send({ answerTo, answer, attemptToken, checksum, proof });
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
