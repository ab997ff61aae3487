/**
 * Group commit: requests that arrive together share one INSERT, and each is answered after it is durable.
 *
 * Invariants:
 *  INTAKE-1. A request is answered `accepted` only after its rows are committed.
 *  INTAKE-2. A request is stored all or nothing, and one request's fault never fails another: the requests of a group that
 *            PostgreSQL refuses are stored one by one.
 *  INTAKE-3. At most `MAX_WAITING` messages wait; requests above that are rejected immediately.
 *  INTAKE-4. Every request is answered within `DEADLINE_MS`, also without the database.
 *  LANES-1. Requests that may wait for the lock of a lane, or for an idempotency key that another transaction writes, share
 *           neither an INSERT nor its place with others; a locked lane is waited for once, and its requests are rejected with
 *           the holder's name.
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { stateOf } from "@acktor/shared/runtime/database-state";
import type { Logger } from "@acktor/shared/runtime/logger";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Inserted, InsertResult, LeasedMessage, MessageStore, NewMessage } from "../outbox/outbox.ts";
import { hasLane, LockedLanes } from "./locked-lanes.ts";
import {
  type CallerTrace,
  conflictFault,
  type FieldNames,
  hasToBeClaimed,
  type IntakeResult,
  insertFault,
  LANE_LOCKED,
  LATE,
  type Request,
  type Sender,
  SINGLE,
  toLeased,
  toRow,
  UNNAMED,
  UNTRACED,
} from "./request.ts";
import type { AcceptedMessage } from "./validate-message.ts";

/** A little under the two seconds within which a caller is promised an answer. */
const DEADLINE_MS = 1_700;
/** Messages of one INSERT; a larger request goes alone. */
const GROUP = 1_000;
const MAX_WAITING = 50_000;
/** INSERTs in progress, of requests that take locks of lanes, of those with idempotency keys and of the others, each. */
const CONCURRENCY = 2;

/** Places at the dispatcher: a fresh row that has one skips the claim. */
export interface Places {
  reserve(topic: string): boolean;
  unreserve(count: number): void;
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number): void;
}

/** Rung when rows were committed that wait for the claim. */
export interface Doorbell {
  ring(): void;
}

/** The high-water mark. */
export interface WaterLevel {
  /** Messages accepted by this process so far. */
  readonly accepted: number;
  /** Messages were committed. */
  accept(count: number): void;
  /** True when `adding` messages more would be too many. */
  isFull(adding: number): boolean;
}

export interface SchemaState {
  /** False until the schema is there. */
  readonly isReady: boolean;
}

export interface IntakeParts {
  readonly outbox: MessageStore;
  readonly places: Places;
  readonly doorbell: Doorbell;
  readonly level: WaterLevel;
  readonly schema: SchemaState;
  readonly clock: Pick<Clock, "now">;
  readonly database: Pick<DatabaseHealth, "explain" | "state">;
  readonly troubles: Pick<TroubleDesk, "gaveUp">;
  readonly logger: Pick<Logger, "error">;
  readonly leaseMs: number;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

/** Requests that wait for an INSERT of their kind. Written by `Intake` alone. */
interface Queue {
  waiting: Request[];
  running: number;
  scheduled: boolean;
}

const emptyQueue = (): Queue => ({ waiting: [], running: 0, scheduled: false });

export class Intake {
  readonly #parts: IntakeParts;
  readonly #tracing: Tracing;
  readonly #plain = emptyQueue();
  readonly #inLanes = emptyQueue();
  readonly #withKeys = emptyQueue();
  readonly #locked: LockedLanes;
  #waitingMessages = 0;
  #stopped = false;
  #onIdle: (() => void)[] = [];

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#locked = new LockedLanes(parts.clock);
    this.#tracing = parts.tracing ?? NO_TRACING;
  }

  /** Messages accepted by this process so far. */
  get accepted(): number {
    return this.#parts.level.accepted;
  }

  /** Messages that wait for their INSERT. */
  get waiting(): number {
    return this.#waitingMessages;
  }

  /**
   * Stores the messages of one request, all or none.
   * @param names for faults
   * @param trace the caller's, valid
   * @param from whose messages they are
   */
  submit(
    accepted: readonly AcceptedMessage[],
    names: FieldNames = SINGLE,
    trace: CallerTrace = UNTRACED,
    from: Sender = UNNAMED,
  ): Promise<IntakeResult> {
    if (this.#stopped) return refused({ code: "stopping", message: "the service is stopping" });
    if (!this.#parts.schema.isReady) {
      return refused(this.#notReady());
    }
    if (this.#parts.level.isFull(accepted.length)) {
      return refused({ code: "high_water", message: "the outbox is at its high-water mark", retryAfterSeconds: 5 });
    }
    // INTAKE-3
    if (this.#waitingMessages + accepted.length > MAX_WAITING) {
      return refused({ code: "high_water", message: "too many requests wait for the database", retryAfterSeconds: 1 });
    }
    this.#waitingMessages += accepted.length;
    const spans = this.#tracing.on ? this.#begin(accepted, trace.traceparent) : null;
    return new Promise((answer) => {
      const queue = this.#queueOf(accepted);
      queue.waiting.push({ accepted, names, arrivedAt: this.#parts.clock.now(), answer, trace, from, spans });
      this.#schedule(queue);
    });
  }

  #notReady(): ApiFault {
    const { kind, says, remedy } = this.#parts.database.state;
    const isKnown = kind !== "ok" && kind !== "unknown";
    const fault = { code: "database_unavailable", retryAfterSeconds: 2 } as const;
    return isKnown ? { ...fault, message: says, fix: remedy } : { ...fault, message: "PostgreSQL is not ready yet" };
  }

  /** Takes no more requests, and answers those that were taken. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#idle) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #begin(accepted: readonly AcceptedMessage[], parent: string | null): OpenSpan[] {
    return accepted.map(({ topic }) => this.#tracing.begin({ name: "create", parent, topic }));
  }

  /** LANES-1 */
  #queueOf(accepted: readonly AcceptedMessage[]): Queue {
    if (accepted.some(hasLane)) return this.#inLanes;
    return accepted.some(({ idempotency }) => idempotency !== null) ? this.#withKeys : this.#plain;
  }

  get #idle(): boolean {
    return [this.#plain, this.#inLanes, this.#withKeys].every(
      ({ running, waiting }) => running === 0 && waiting.length === 0,
    );
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

  /** A defect of this code. Requests without an answer get one. */
  #broke(group: readonly Request[], error: unknown): void {
    this.#parts.logger.error({ err: error }, "internal error in the intake");
    this.#parts.troubles.gaveUp("intake", failureOf(error));
    const fault: ApiFault = { code: "internal", message: "something went wrong inside acktor" };
    for (const request of group) request.answer({ ok: false, fault });
  }

  async #store(requests: readonly Request[]): Promise<void> {
    const { clock, database, outbox, places } = this.#parts;
    const group = requests.filter((request) => !this.#refusedForLane(request));
    const first = group[0];
    if (first === undefined) return;
    const startedAt = clock.now();
    const deadlineMs = DEADLINE_MS - (startedAt - first.arrivedAt); // INTAKE-4
    const messages = group.flatMap((request) => request.accepted.map((message, i) => this.#toRow(message, request, i)));
    const reserved = messages.filter((m) => m.leased).length;
    const result: InsertResult =
      deadlineMs <= 0 ? { ok: false, failure: LATE } : await outbox.insert(messages, Math.max(1, deadlineMs));
    places.unreserve(reserved);
    if (result.ok) {
      this.#answer(group, result.inserted); // INTAKE-1
      this.#passOn(messages, result.inserted, startedAt);
    } else if ("failure" in result && this.#isLaneOf(group, result.failure)) {
      await this.#store(group);
    } else if (group.length > 1 && !("failure" in result && isOfAll(result.failure))) {
      for (const request of group) await this.#store([request]); // INTAKE-2
    } else {
      this.#refuse(
        group,
        "conflict" in result ? conflictFault(first, result.conflict.index) : insertFault(result.failure, database),
      );
    }
  }

  #refusedForLane(request: Request): boolean {
    const fault = this.#locked.faultOf(request.accepted);
    if (fault !== null) this.#refuse([request], fault);
    return fault !== null;
  }

  /** LANES-1: true when a lane of this group is locked. It is remembered, so that the group without its requests may be stored. */
  #isLaneOf(group: readonly Request[], failure: DbFailure): boolean {
    if (failure.code !== LANE_LOCKED || failure.constraint === null) return false;
    this.#locked.note(failure.constraint, insertFault(failure, this.#parts.database));
    return group.some((request) => this.#locked.faultOf(request.accepted) !== null);
  }

  #refuse(group: readonly Request[], fault: ApiFault): void {
    for (const request of group) {
      for (const span of request.spans ?? []) span.end({ outcome: fault.code, failed: true });
      request.answer({ ok: false, fault });
    }
  }

  #toRow(message: AcceptedMessage, request: Request, at: number): NewMessage {
    const leased = !hasToBeClaimed(message) && this.#parts.places.reserve(message.topic);
    return toRow(message, request, at, leased);
  }

  #answer(group: readonly Request[], inserted: readonly Inserted[]): void {
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
  }

  /** Offers fresh rows that were born leased to the dispatcher, and rings for the others. */
  #passOn(messages: readonly NewMessage[], inserted: readonly Inserted[], startedAt: number): void {
    const { deliveries = UNWATCHED, level, places, doorbell, leaseMs } = this.#parts;
    const leased: LeasedMessage[] = [];
    let toClaim = false;
    let accepted = 0;
    for (const [i, message] of messages.entries()) {
      const row = inserted[i];
      if (row?.kind !== "inserted") continue;
      accepted++;
      if (deliveries.watched) deliveries.note("accepted", message.messageId, message.topic);
      if (message.leased) leased.push(toLeased(message, row.createdAt));
      else toClaim = true;
    }
    level.accept(accepted);
    if (leased.length > 0) places.offer(leased, startedAt + leaseMs);
    if (toClaim) doorbell.ring();
  }
}

/** True when the requests of a group would fail one by one, too. */
function isOfAll(failure: DbFailure): boolean {
  return failure.kind !== "rejected" || stateOf(failure) !== null;
}

function refused(fault: ApiFault): Promise<IntakeResult> {
  return Promise.resolve({ ok: false, fault });
}
