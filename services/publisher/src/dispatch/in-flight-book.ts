/**
 * The attempts that are published and not yet answered: the dispatcher sends and watches them, the settler looks them up.
 *
 *   SENT ──PUBACK──► AWAITING_ACK ──no ack soon──► RECORDING ──written──► RECORDED
 *     │                   │                         ▲  │                    │
 *     │                   │                         └── row is due at another time
 *     └───────────────────┴──── answered, refused, lost, timed out ─────────┴──────► CLOSED
 *
 * Invariants:
 *  IN_FLIGHT-1. An open attempt takes one place in its destination's window; it frees the place once, when it closes.
 *  IN_FLIGHT-2. The attempt of a message that is looked up is the latest one; closing an earlier one does not hide it.
 *  IN_FLIGHT-3. An attempt whose due time changes while its record is being written is recorded once more, immediately: a
 *     stop that comes before the next tick must not leave the earlier time in the row.
 */
import type { OpenSpan } from "@acktor/shared/runtime/tracing";
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { Destination, QueuedMessage } from "./destination.ts";

/** What is known of an attempt from its PUBLISH on. Times are monotonic milliseconds. */
export interface Published {
  readonly message: LeasedMessage;
  readonly destination: Destination;
  /** 1 for the first PUBLISH. */
  readonly attempt: number;
  readonly probe: boolean;
  /** Sent to a destination that was not proven. */
  readonly trial: boolean;
  readonly sentAt: number;
  /** Without an ack by then the destination counts as silent. Written by `postpone`. */
  readonly timesOutAt: number;
  /** The row is due again then. Written by `postpone`, `retryBy` and `retryAt`. */
  readonly retryAt: number;
  /** Of this PUBLISH, where tracing is on. */
  readonly span: OpenSpan | null;
}

export interface Sent extends Published {
  readonly state: "SENT";
}

export interface AwaitingAck extends Published {
  readonly state: "AWAITING_ACK";
  readonly puback: number;
  readonly pubackAt: number;
}

/** The attempt's record is being written to the row. */
export interface Recording extends Published {
  readonly state: "RECORDING";
  readonly puback: number;
}

export interface Recorded extends Published {
  readonly state: "RECORDED";
  readonly puback: number;
  /** The row's due time is not the current `retryAt`: the attempt is to be recorded once more. */
  readonly isStale: boolean;
}

/** The attempt no longer waits for an answer. Its record may still be on its way. */
export interface Closed extends Published {
  readonly state: "CLOSED";
  /** Null: the PUBACK had not arrived. */
  readonly puback: number | null;
}

export type InFlight = Sent | AwaitingAck | Recording | Recorded;
export type Attempt = InFlight | Closed;

/** Notices that a destination has room in its window again. */
export interface Turns {
  refresh(destination: Destination): void;
}

/** Records attempts again whose row has another due time than they. */
export interface StaleRecords {
  record(attempts: readonly Attempt[]): void;
}

/** All states share one shape, so that the engine compiles one access path. Only the book writes its mutable fields. */
class Entry {
  readonly message: LeasedMessage;
  readonly destination: Destination;
  readonly attempt: number;
  readonly sentAt: number;
  readonly probe: boolean;
  readonly trial: boolean;
  /** Written by `trace`, before the PUBLISH. */
  span: OpenSpan | null = null;
  timesOutAt: number;
  retryAt: number;
  state: Attempt["state"] = "SENT";
  /** Written by `pubacked`. */
  puback: number | null = null;
  /** Written by `pubacked`. */
  pubackAt = 0;
  /** Written by `postpone`, `retryBy` and `recording`. */
  isStale = false;
  /** Why the policy gives the message up once this attempt is recorded. Written by `giveUp`. */
  givenUp: string | null = null;

  constructor(queued: QueuedMessage, to: Destination, sentAt: number, timesOutAt: number, retryAt: number) {
    this.message = queued.message;
    this.destination = to;
    this.attempt = queued.message.attempts + 1;
    this.sentAt = sentAt;
    this.probe = queued.probe;
    this.trial = !to.proven;
    this.timesOutAt = timesOutAt;
    this.retryAt = retryAt;
  }
}

/** A message that the policy gives up, its attempt being recorded. */
export interface GivenUp {
  readonly message: LeasedMessage;
  readonly reason: string;
}

export class InFlightBook {
  readonly #entries = new Map<string, Entry>();
  readonly #turns: Turns;
  /** Attempts in flight that are trials. Written by `open` and `close`. */
  #trials = 0;
  /** Written by `correctedBy`. */
  #records: StaleRecords | null = null;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** The dispatcher's recorder, which needs the book itself. */
  correctedBy(records: StaleRecords): void {
    this.#records = records;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Those in flight to destinations that were not proven when they were sent. */
  get trials(): number {
    return this.#trials;
  }

  /** The attempt that is in flight under this message id. */
  find(messageId: string): InFlight | null {
    return (this.#entries.get(messageId) as InFlight | undefined) ?? null;
  }

  values(): IterableIterator<InFlight> {
    return this.#entries.values() as IterableIterator<InFlight>;
  }

  /** A PUBLISH is about to be written. One argument each: an object of them would be garbage of every message. */
  open(queued: QueuedMessage, to: Destination, sentAt: number, timesOutAt: number, retryAt: number): Sent {
    const entry = new Entry(queued, to, sentAt, timesOutAt, retryAt);
    this.#entries.set(queued.message.messageId, entry);
    // IN_FLIGHT-1
    to.inFlight++;
    if (entry.trial) this.#trials++;
    return entry as Sent;
  }

  trace(attempt: Sent, span: OpenSpan): void {
    (attempt as Published as Entry).span = span;
  }

  /** SENT → AWAITING_ACK */
  pubacked(attempt: Sent, reasonCode: number, now: number): AwaitingAck {
    const entry = attempt as Published as Entry;
    entry.state = "AWAITING_ACK";
    entry.puback = reasonCode;
    entry.pubackAt = now;
    return entry as AwaitingAck;
  }

  /** AWAITING_ACK, RECORDED → RECORDING. The record of a closed attempt leaves it closed. */
  recording(attempt: Attempt): void {
    const entry = attempt as Published as Entry;
    entry.isStale = false;
    if (entry.state !== "CLOSED") entry.state = "RECORDING";
  }

  /**
   * The records of these attempts are written. RECORDING → RECORDED, or → CLOSED where another publisher holds the lease.
   * @param fenced ids of the rows that were not written for that reason
   * @returns messages that the policy gives up, and whose lease is ours
   */
  recorded(attempts: readonly Attempt[], fenced: ReadonlySet<string>): readonly GivenUp[] {
    const givenUp: GivenUp[] = [];
    const stale: Attempt[] = [];
    for (const attempt of attempts) {
      const entry = attempt as Published as Entry;
      const isFenced = fenced.has(entry.message.messageId);
      if (entry.givenUp !== null && !isFenced) givenUp.push({ message: entry.message, reason: entry.givenUp });
      if (entry.state === "CLOSED") continue;
      if (isFenced) this.close(attempt);
      else entry.state = "RECORDED";
      if (entry.isStale && entry.state === "RECORDED") stale.push(attempt);
    }
    // IN_FLIGHT-3
    if (stale.length > 0) this.#records?.record(stale);
    return givenUp;
  }

  /** The policy, or the hold of a copy, says when the message is published again. Before the attempt is recorded. */
  retryAt(attempt: InFlight, at: number): void {
    (attempt as Published as Entry).retryAt = at;
  }

  /** The message is due at `at`, which is earlier than before. A row that is written already keeps its own time. */
  retryBy(attempt: InFlight, at: number): void {
    const entry = attempt as Published as Entry;
    entry.retryAt = at;
    // IN_FLIGHT-3
    if (entry.state === "RECORDING") entry.isStale = true;
  }

  /** The receiver needs until then: no ack is expected earlier, and the message is not published earlier. */
  postpone(attempt: InFlight, until: number): void {
    const entry = attempt as Published as Entry;
    entry.timesOutAt = until;
    if (until <= entry.retryAt) return;
    entry.retryAt = until;
    // IN_FLIGHT-3
    if (entry.state === "RECORDING" || entry.state === "RECORDED") entry.isStale = true;
  }

  /** The policy gives the message up; it is marked failed after its attempt is recorded. */
  giveUp(attempt: Attempt, reason: string): void {
    (attempt as Published as Entry).givenUp = reason;
  }

  /** The attempt waits for no answer any more. */
  close(attempt: Attempt): void {
    const entry = attempt as Published as Entry;
    if (entry.state === "CLOSED") return;
    entry.state = "CLOSED";
    // IN_FLIGHT-1
    entry.destination.inFlight--;
    if (entry.trial) this.#trials--;
    const { messageId } = entry.message;
    // IN_FLIGHT-2
    if (this.#entries.get(messageId) === entry) this.#entries.delete(messageId);
    this.#turns.refresh(entry.destination);
  }
}
