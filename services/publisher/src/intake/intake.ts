/**
 * Group commit: requests that arrive together share one INSERT, and each is answered after it is durable.
 *
 * Invariants:
 *  1. A request is answered `accepted` only after its rows are committed.
 *  2. A request is all or nothing; one request's fault never fails another (a refused group is redone one by one).
 *  3. At most `MAX_WAITING` messages wait; what comes above is refused at once.
 *  4. Every request is answered within `DEADLINE_MS`, the database being there or not.
 *  5. LANES-1: requests that may wait for the lock of a lane share neither an INSERT nor its place with those that cannot; a
 *     locked lane is waited for once, and its requests are refused with the holder's name.
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import type { Inserted, LeasedMessage, MessageState, NewMessage } from "../outbox/outbox.ts";
import { hasLane, LockedLanes } from "./locked-lanes.ts";
import { nextMessageId } from "./message-id.ts";
import type { AcceptedMessage } from "./validate-message.ts";

/** A little under the two seconds that a caller is promised (SPEC 4: 503 in 2 s). */
const DEADLINE_MS = 1_700;
/** Messages of one INSERT; a larger request goes alone. */
const GROUP = 1_000;
const MAX_WAITING = 50_000;
/** INSERTs under way, of those that take locks of lanes and of the others, each. */
const CONCURRENCY = 2;
/** SQLSTATE of a lane that another transaction holds; the message names the holder, the constraint the lane. */
const LANE_LOCKED = "55P03";

export type InsertResult =
  | { readonly ok: true; readonly inserted: readonly Inserted[] }
  | { readonly ok: false; readonly failure: DbFailure }
  /** This message's idempotency key belongs to another body; nothing was inserted. */
  | { readonly ok: false; readonly conflict: { readonly index: number } };

export interface IntakeOptions {
  readonly insert: (messages: readonly NewMessage[], deadlineMs: number) => Promise<InsertResult>;
  readonly now: () => number;
  readonly leaseMs: number;
  /** Fresh rows skip the claim where the dispatcher has room. */
  readonly reserve: (topic: string) => boolean;
  readonly unreserve: (count: number) => void;
  readonly offer: (messages: readonly LeasedMessage[], leaseEndsAt: number) => void;
  /** Rows were committed that wait for the claim. */
  readonly wake: () => void;
  /** False until the schema is there. */
  readonly ready: () => boolean;
  /** True at the high-water mark; counts what was accepted since the last look. */
  readonly full: (adding: number) => boolean;
  /** Takes what a group's work threw. */
  readonly onThrow?: (error: unknown) => void;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

export type IntakeResult =
  | {
      readonly ok: true;
      readonly messages: readonly {
        readonly messageId: string;
        readonly state: MessageState;
        readonly fresh: boolean;
      }[];
    }
  | { readonly ok: false; readonly fault: ApiFault };

/** W3C Trace Context of who sent the message: it goes with the message, traced here or not. */
export interface CallerTrace {
  readonly traceparent: string | null;
  /** Null without a `traceparent`. */
  readonly tracestate: string | null;
}

/** Whose messages these are. */
export interface Sender {
  /** Recorded with the message; null: nothing is recorded. */
  readonly sender: string | null;
  /** Of its idempotency keys. */
  readonly keyOwner: string;
}

const UNNAMED: Sender = { sender: null, keyOwner: "" };

const UNTRACED: CallerTrace = { traceparent: null, tracestate: null };

interface Request {
  readonly accepted: readonly AcceptedMessage[];
  readonly keyField: (index: number) => string;
  readonly arrivedAt: number;
  readonly answer: (result: IntakeResult) => void;
  readonly trace: CallerTrace;
  readonly from: Sender;
  /** One for each message, where tracing is on. */
  readonly spans: readonly OpenSpan[] | null;
}

/** Requests that wait for an INSERT of their kind. */
interface Queue {
  waiting: Request[];
  running: number;
  scheduled: boolean;
}

const emptyQueue = (): Queue => ({ waiting: [], running: 0, scheduled: false });

export class Intake {
  readonly #options: IntakeOptions;
  readonly #tracing: Tracing;
  readonly #plain = emptyQueue();
  readonly #inLanes = emptyQueue();
  readonly #locked: LockedLanes;
  #waitingMessages = 0;
  #stopped = false;
  #onIdle: (() => void)[] = [];
  accepted = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#locked = new LockedLanes(options.now);
    this.#tracing = options.tracing ?? NO_TRACING;
  }

  /** Messages that wait for their INSERT. */
  get waiting(): number {
    return this.#waitingMessages;
  }

  /**
   * Stores the messages of one request, all or none.
   * @param keyField the name that the caller knows for the idempotency key of its message `index`
   * @param trace the caller's, valid
   * @param from whose messages they are
   */
  submit(
    accepted: readonly AcceptedMessage[],
    keyField: (index: number) => string = () => "Idempotency-Key",
    trace: CallerTrace = UNTRACED,
    from: Sender = UNNAMED,
  ): Promise<IntakeResult> {
    if (this.#stopped) return refused({ code: "stopping", message: "the service is stopping" });
    if (!this.#options.ready()) {
      return refused({ code: "database_unavailable", message: "PostgreSQL is not ready yet", retryAfterSeconds: 2 });
    }
    if (this.#options.full(accepted.length)) {
      return refused({ code: "high_water", message: "the outbox is at its high-water mark", retryAfterSeconds: 5 });
    }
    if (this.#waitingMessages + accepted.length > MAX_WAITING) {
      return refused({ code: "high_water", message: "too many requests wait for the database", retryAfterSeconds: 1 });
    }
    this.#waitingMessages += accepted.length;
    const spans = this.#tracing.on ? this.#begin(accepted, trace.traceparent) : null;
    return new Promise((answer) => {
      const queue = accepted.some(hasLane) ? this.#inLanes : this.#plain;
      queue.waiting.push({ accepted, keyField, arrivedAt: this.#options.now(), answer, trace, from, spans });
      this.#schedule(queue);
    });
  }

  /** Answers every request that was taken, and takes no more. Twice is fine. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#idle) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #begin(accepted: readonly AcceptedMessage[], parent: string | null): OpenSpan[] {
    return accepted.map(({ topic }) => this.#tracing.begin({ name: "create", parent, topic }));
  }

  get #idle(): boolean {
    return [this.#plain, this.#inLanes].every(({ running, waiting }) => running === 0 && waiting.length === 0);
  }

  /** One group per turn of the event loop: requests parsed in the same turn share an INSERT. */
  #schedule(queue: Queue): void {
    if (queue.scheduled || queue.running >= CONCURRENCY || queue.waiting.length === 0) return;
    queue.scheduled = true;
    setImmediate(() => {
      queue.scheduled = false;
      this.#flush(queue);
    });
  }

  #flush(queue: Queue): void {
    if (queue.running >= CONCURRENCY || queue.waiting.length === 0) return;
    let count = 0;
    let taken = 0;
    for (const request of queue.waiting) {
      if (taken > 0 && count + request.accepted.length > GROUP) break;
      count += request.accepted.length;
      taken++;
    }
    const group = queue.waiting.splice(0, taken);
    this.#waitingMessages -= count;
    queue.running++;
    void this.#store(group)
      .catch((error) => this.#broke(group, error))
      .finally(() => {
        queue.running--;
        this.#schedule(queue);
        if (this.#idle) for (const done of this.#onIdle.splice(0)) done();
      });
    this.#schedule(queue);
  }

  /** A fault of ours. Who has no answer yet gets one. */
  #broke(group: readonly Request[], error: unknown): void {
    this.#options.onThrow?.(error);
    const fault: ApiFault = { code: "internal", message: "something went wrong inside acktor" };
    for (const request of group) request.answer({ ok: false, fault });
  }

  async #store(requests: readonly Request[]): Promise<void> {
    const { now } = this.#options;
    const group = requests.filter((request) => !this.#refusedForLane(request));
    const first = group[0];
    if (first === undefined) return;
    const deadlineMs = DEADLINE_MS - (now() - first.arrivedAt);
    const startedAt = now();
    const messages = group.flatMap((request) => request.accepted.map((message, i) => this.#toRow(message, request, i)));
    const reserved = messages.filter((m) => m.leased).length;
    const result: InsertResult =
      deadlineMs <= 0 ? { ok: false, failure: LATE } : await this.#options.insert(messages, Math.max(1, deadlineMs));
    this.#options.unreserve(reserved);
    if (result.ok) {
      this.#answer(group, messages, result.inserted, startedAt);
    } else if ("failure" in result && this.#isLaneOf(group, result.failure)) {
      await this.#store(group);
    } else if (group.length > 1 && !("failure" in result && result.failure.kind !== "rejected")) {
      for (const request of group) await this.#store([request]);
    } else {
      this.#refuse(
        group,
        "conflict" in result ? conflictFault(first, result.conflict.index) : databaseFault(result.failure),
      );
    }
  }

  #refusedForLane(request: Request): boolean {
    const fault = this.#locked.faultOf(request.accepted);
    if (fault !== null) this.#refuse([request], fault);
    return fault !== null;
  }

  /** True when a lane of this group is locked: it is known from now on, so that the group without its requests may be stored. */
  #isLaneOf(group: readonly Request[], failure: DbFailure): boolean {
    if (failure.code !== LANE_LOCKED || failure.constraint === null) return false;
    this.#locked.note(failure.constraint, databaseFault(failure));
    return group.some((request) => this.#locked.faultOf(request.accepted) !== null);
  }

  #refuse(group: readonly Request[], fault: ApiFault): void {
    for (const request of group) {
      for (const span of request.spans ?? []) span.end({ outcome: fault.code, failed: true });
      request.answer({ ok: false, fault });
    }
  }

  // Field by field, here and in `toLeased`: a spread of fourteen fields and a few more took 3 µs of a message's 40.
  #toRow(message: AcceptedMessage, { spans, trace, from }: Request, at: number): NewMessage {
    const { topic, retain, orderingKey, deliverAt, idempotency } = message;
    const waits = orderingKey !== null || retain || deliverAt !== null || idempotency !== null;
    return {
      messageId: nextMessageId(),
      topic,
      payload: message.payload,
      contentEncoding: message.contentEncoding,
      contentType: message.contentType,
      qos: message.qos,
      retain,
      requiresAck: message.requiresAck,
      checksum: message.checksum,
      orderingKey,
      maxRetries: message.maxRetries,
      ttlMs: message.ttlMs,
      deliverAt,
      traceparent: spans?.[at]?.traceparent ?? trace.traceparent,
      tracestate: trace.tracestate,
      leased: !waits && this.#options.reserve(topic),
      idempotency: idempotency === null ? null : { owner: from.keyOwner, ...idempotency },
      sender: from.sender,
    };
  }

  #answer(
    group: readonly Request[],
    messages: readonly NewMessage[],
    inserted: readonly Inserted[],
    startedAt: number,
  ): void {
    let at = 0;
    for (const request of group) {
      const rows = inserted.slice(at, at + request.accepted.length);
      at += request.accepted.length;
      for (const [i, span] of request.spans?.entries() ?? []) {
        span.end({ outcome: rows[i]?.kind, messageId: rows[i]?.messageId });
      }
      request.answer({
        ok: true,
        messages: rows.map((r) => ({ messageId: r.messageId, state: r.state, fresh: r.kind === "inserted" })),
      });
    }
    const { deliveries = UNWATCHED } = this.#options;
    const leased: LeasedMessage[] = [];
    let toClaim = false;
    for (const [i, message] of messages.entries()) {
      const row = inserted[i];
      if (row?.kind !== "inserted") continue;
      this.accepted++;
      if (deliveries.watched) deliveries.note("accepted", message.messageId, message.topic);
      if (message.leased) leased.push(toLeased(message, row.createdAt));
      else toClaim = true;
    }
    if (leased.length > 0) this.#options.offer(leased, startedAt + this.#options.leaseMs);
    if (toClaim) this.#options.wake();
  }
}

const LATE: DbFailure = {
  kind: "unavailable",
  maybeCommitted: false,
  code: "DEADLINE",
  message: "no connection became free in time",
  constraint: null,
};

/** A row that was born leased: its first token is 1. */
function toLeased(message: NewMessage, createdAt: number): LeasedMessage {
  return {
    messageId: message.messageId,
    topic: message.topic,
    payload: message.payload,
    contentEncoding: message.contentEncoding,
    contentType: message.contentType,
    qos: message.qos,
    retain: message.retain,
    requiresAck: message.requiresAck,
    checksum: message.checksum,
    orderingKey: message.orderingKey,
    createdAt,
    expiresInMs: message.ttlMs,
    attempts: 0,
    maxRetries: message.maxRetries,
    leaseToken: "1",
    traceparent: message.traceparent,
    tracestate: message.tracestate,
  };
}

function conflictFault(request: Request, index: number): ApiFault {
  const field = request.keyField(index);
  return { code: "idempotency_conflict", field, message: `${field} was used for a different message` };
}

function databaseFault(failure: DbFailure): ApiFault {
  if (failure.code === LANE_LOCKED) return { code: "lane_locked", message: failure.message, retryAfterSeconds: 1 };
  if (failure.kind === "rejected") {
    // Validation lets nothing through that the database refuses, so this is our fault, not the caller's.
    return { code: "internal", message: `the outbox refused the message (SQLSTATE ${failure.code})` };
  }
  return { code: "database_unavailable", message: "PostgreSQL cannot be reached in time", retryAfterSeconds: 2 };
}

function refused(fault: ApiFault): Promise<IntakeResult> {
  return Promise.resolve({ ok: false, fault });
}
