/**
 * The dispatcher: leased rows in, PUBLISHes out, acks matched, silence noticed.
 *
 * Invariants:
 *  1. Nothing is published without a live lease (checked against our own clock, started before the claim was sent).
 *  2. At most `window` messages, divided by the replicas, are un-acked; leased and waiting are at most what the
 *     `LeaseBuffer` holds.
 *  3. Each PUBLISH that was written ends as an attempt in the row, or with its ack, never as neither.
 *  4. A destination that is silent or slow holds only its own window; the others are served in turn.
 *  5. What is leased and not sent when a gate closes goes back to the outbox at once.
 *  6. A row that cannot be made a PUBLISH ends failed and stops no other.
 */
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { DeliveryStep } from "@acktor/shared/inspect/wire";
import type { BreakerState, Link, PublishOutcome } from "@acktor/shared/link/link";
import type { Decision, DeliveryError, ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import { printable } from "@acktor/shared/runtime/logger";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import type { AttemptRecord, LeasedMessage } from "../outbox/outbox.ts";
import type { AckTimeoutBounds } from "./ack-timeout.ts";
import { ACK_TIMEOUT, failedPublish } from "./delivery-error.ts";
import type { Destination } from "./destination.ts";
import { Destinations } from "./destinations.ts";
import type { EnvelopeSeal } from "./envelope-seal.ts";
import type { InFlight, QueuedMessage } from "./in-flight.ts";
import { LeaseBuffer } from "./lease-buffer.ts";
import { Quarantine } from "./quarantine.ts";
import { type RetrySchedule, retryDelayMs } from "./retry-delay.ts";
import { toPublish } from "./to-publish.ts";

/** A lease with less than the publish deadline and this left is not used: the PUBLISH and its record must fit in. */
const RECORD_MARGIN_MS = 1_000;
/** A PUBLISH whose ack comes within this needs no `sent` write of its own. */
const RECORD_AFTER_MS = 100;

/** Destinations or messages looked at in one step: less than a millisecond, whatever the filters of a birth are. */
const STEP = 256;

const BUILT_IN: Decision = { kind: "default" };

/** Why a message was not sent that could be sent later; for any other reason this broker will never take it. */
const PASSING: ReadonlySet<string> = new Set(["not_connected", "breaker_open", "window_full"]);

export interface DispatcherOptions {
  readonly link: Link;
  readonly now: () => number;
  readonly random: () => number;
  readonly ackPrefix: string;
  readonly seal: EnvelopeSeal;
  readonly window: number;
  readonly destinationLevels: number;
  /** A PUBLISH ends within this, with PUBACK or without. */
  readonly publishDeadlineMs: number;
  readonly ackTimeout: AckTimeoutBounds;
  readonly retry: RetrySchedule;
  /** What to do when a delivery goes wrong; null = always the built-in behaviour. */
  readonly policy?: ErrorPolicy | null;
  /** Milliseconds since 1970, for the age of a message. */
  readonly wallClock?: () => number;
  /** What the dispatcher tells the roles that write; all of them queue with a bound and never throw. */
  readonly sink: DispatcherSink;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

export interface DispatcherSink {
  recordAttempts(records: readonly AttemptRecord[], entries: readonly InFlight[]): void;
  /** PUBACK was all this message asked for (`requires_ack: false`). */
  brokerAcked(entry: InFlight): void;
  fail(message: LeasedMessage, reason: string): void;
  release(messages: readonly LeasedMessage[], dueInMs: number): void;
  park(destination: string, messages: readonly LeasedMessage[]): void;
  answered(destination: string, wasParked: boolean): void;
  /** Room for at least half the buffer. */
  low(): void;
}

/** A destination as people look at it. */
export interface DestinationView {
  readonly name: string;
  readonly queued: number;
  readonly unacked: number;
  readonly window: number;
  readonly parked: boolean;
  /** Null: no answer since this process knows it. */
  readonly lastAnswerAgoMs: number | null;
}

export interface DispatcherCounts {
  published: number;
  republished: number;
  puback: number;
  noSubscriber: number;
  refused: number;
  lost: number;
  ackTimeouts: number;
  leaseMissed: number;
}

export class Dispatcher {
  readonly counts: DispatcherCounts = {
    published: 0,
    republished: 0,
    puback: 0,
    noSubscriber: 0,
    refused: 0,
    lost: 0,
    ackTimeouts: 0,
    leaseMissed: 0,
  };
  readonly #options: DispatcherOptions;
  readonly #deliveries: DeliveryNotes;
  readonly #tracing: Tracing;
  readonly #destinations: Destinations;
  readonly #buffer = new LeaseBuffer();
  readonly #inFlight = new Map<string, InFlight>();
  readonly #quarantine = new Quarantine();
  #open = false;
  #window: number;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#window = options.window;
    this.#destinations = new Destinations(options.destinationLevels);
    this.#deliveries = options.deliveries ?? UNWATCHED;
    this.#tracing = options.tracing ?? NO_TRACING;
  }

  get queued(): number {
    return this.#buffer.queued;
  }

  get unacked(): number {
    return this.#inFlight.size;
  }

  /** Most messages that may be un-acked now: our share. */
  get window(): number {
    return this.#window;
  }

  /** How many more leased messages fit into memory. */
  get room(): number {
    return this.#buffer.room;
  }

  /** Keeps room for messages that are about to be inserted; false when they must wait in the outbox. */
  reserve(topic: string): boolean {
    if (!this.#open || this.room === 0) return false;
    const destination = this.#destinations.known(topic);
    // A destination with a full window would fill the buffer with rows that cannot go out.
    if (destination?.parked || (destination?.queue.length ?? 0) >= this.#shareOfBuffer()) return false;
    this.#buffer.reserve();
    return true;
  }

  unreserve(count: number): void {
    this.#buffer.unreserve(count);
  }

  /**
   * The window is the receivers': so many un-acked messages a broker queues for each of them. Publishers of one outbox
   * share it. What is in flight beyond a smaller share stays in flight.
   */
  shareWindow(replicas: number): void {
    this.#window = Math.max(1, Math.floor(this.#options.window / Math.max(1, replicas)));
  }

  /** Opens or closes the gate. Closing gives back what was not sent. */
  setOpen(open: boolean): void {
    this.#open = open;
    if (open) this.pump();
    else this.#giveBackQueued();
  }

  /**
   * Takes leased messages.
   * @param leaseEndsAt monotonic milliseconds, measured from before the lease was asked for
   */
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number, probe = false): void {
    const now = this.#options.now();
    const back: LeasedMessage[] = [];
    const parked = new Map<string, LeasedMessage[]>();
    for (const message of messages) {
      const before = this.#inFlight.get(message.messageId);
      if (before !== undefined) this.#overtake(before, now);
      const destination = this.#destinations.ofTopic(message.topic);
      if (!this.#open) back.push(message);
      else if (destination.parked && !probe && !isForLater(message)) group(parked, destination.name, message);
      else if (destination.queue.length >= this.#shareOfBuffer()) back.push(message);
      else {
        const expiresAt = message.expiresInMs === null ? null : now + message.expiresInMs;
        this.#enqueue(destination, { message, leaseEndsAt, expiresAt, probe: probe || destination.parked });
      }
    }
    if (back.length > 0) this.#options.sink.release(back, this.#open ? 250 : 0);
    for (const [name, rows] of parked) this.#options.sink.park(name, rows);
    this.pump();
  }

  /** Sends what may be sent now. Cheap when there is nothing to do. */
  pump(): void {
    if (!this.#open) return;
    let capacity = this.#options.link.capacity();
    while (this.#buffer.queued > 0 && capacity > 0 && this.#inFlight.size < this.#window) {
      const destination = this.#destinations.next();
      const queued = destination?.queue.shift();
      if (destination === undefined || queued === undefined) break;
      this.#buffer.queued--;
      if (!this.#send(destination, queued)) break;
      capacity--;
      this.#destinations.refresh(destination);
    }
    if (this.#buffer.isLow) this.#options.sink.low();
  }

  /**
   * An answer to this PUBLISH arrived and was verified, processed or rejected: the destination lives, its window moves.
   */
  answered(entry: InFlight): void {
    this.#quarantine.passed(entry.message.messageId);
    this.#finish(entry);
    this.#answered(entry, this.#options.now());
  }

  /** What is in flight under this id, or null. */
  inFlight(id: string): InFlight | null {
    return this.#inFlight.get(id) ?? null;
  }

  /** Notes a parked destination that another replica, or an earlier run, has parked. */
  notePark(name: string): void {
    this.#destinations.named(name).parked = true;
  }

  /** Resumes every destination that `matches` and was silent. @returns the names of those that were parked. */
  unpark(matches: (name: string) => boolean): readonly string[] {
    return atOnce(this.unparkInSteps(matches));
  }

  /** The same in steps of `STEP` destinations, with a yield after each; what does not listen to births stays as it is. */
  *unparkInSteps(matches: (name: string) => boolean): Generator<undefined, readonly string[]> {
    const names: string[] = [];
    const now = this.#options.now();
    let looked = 0;
    for (const destination of [...this.#destinations.values()]) {
      if (++looked % STEP === 0) yield;
      if (!destination.isSilent || !destination.listensAt(now) || !matches(destination.name)) continue;
      if (destination.parked) names.push(destination.name);
      destination.resume(now);
      this.#destinations.refresh(destination);
    }
    return names;
  }

  /** True when a destination is known to be parked: neither an answer nor a birth has resumed it. */
  isParked(name: string): boolean {
    return this.#destinations.known(name)?.parked ?? false;
  }

  /**
   * Somebody is there now for the topics that `matches`. What was published before may have reached nobody, and is
   * leased, so that nobody resumes it in the outbox: it comes due as soon as its ack is late, without the backoff.
   */
  hurry(matches: (topic: string) => boolean): void {
    atOnce(this.hurryInSteps(matches));
  }

  /** The same in steps of `STEP` messages, with a yield after each. */
  *hurryInSteps(matches: (topic: string) => boolean): Generator<undefined, void> {
    let looked = 0;
    for (const entry of [...this.#inFlight.values()]) {
      if (++looked % STEP === 0) yield;
      if (entry.done || entry.retryAt <= entry.timesOutAt || !matches(entry.message.topic)) continue;
      entry.retryAt = entry.timesOutAt;
      entry.hurried = entry.record === "writing";
    }
  }

  /**
   * A receiver is at work on this PUBLISH and asks not to be sent it again for `forMs`. Where the row says already when it
   * is due, it is told anew; lost on the way, the message is sent once more and known there.
   */
  working(entry: InFlight, forMs: number): void {
    const until = this.#options.now() + forMs;
    if (entry.done || until <= entry.timesOutAt) return;
    entry.timesOutAt = until;
    if (until <= entry.retryAt) return;
    entry.retryAt = until;
    if (entry.record === "written") this.#record([entry], this.#options.now());
    else entry.hurried = entry.record === "writing";
  }

  /** A receiver rejected this PUBLISH and the policy says that its destination is to rest. */
  pause(entry: InFlight): void {
    this.#park(entry.destination);
  }

  /** To be called every few tens of milliseconds: ack timeouts, and records whose ack did not come first. */
  tick(): void {
    const now = this.#options.now();
    const due: InFlight[] = [];
    for (const entry of this.#inFlight.values()) {
      if (entry.record === "none" && entry.puback !== null && now - entry.pubackAt >= RECORD_AFTER_MS) due.push(entry);
      if (entry.record === "written" && now >= entry.timesOutAt) this.#timedOut(entry, now);
    }
    if (due.length > 0) this.#record(due, now);
    this.#buffer.resize(now);
    this.pump();
  }

  /** The records of these PUBLISHes are written (or fenced off, when another owner has the row). */
  recorded(entries: readonly InFlight[], fenced: ReadonlySet<string>): void {
    const again: InFlight[] = [];
    for (const entry of entries) {
      entry.record = "written";
      if (entry.givenUp !== null && !fenced.has(entry.message.messageId)) {
        this.#options.sink.fail(entry.message, entry.givenUp);
      }
      if (entry.done) continue;
      if (fenced.has(entry.message.messageId)) this.#finish(entry);
      else if (entry.hurried) again.push(entry);
      entry.hurried = false;
    }
    if (again.length > 0) this.#record(again, this.#options.now());
  }

  /** For a drain: everything published and not acked, so that its attempt is written before we go. */
  flushRecords(): void {
    const now = this.#options.now();
    const due = [...this.#inFlight.values()].filter((e) => e.record === "none" && e.puback !== null);
    if (due.length > 0) this.#record(due, now);
  }

  /** What people look at: one row a destination that has something to say. */
  destinations(): readonly DestinationView[] {
    const now = this.#options.now();
    return [...this.#destinations.values()].map((d) => {
      const lastAnswerAgoMs = d.lastAnswerAt === null ? null : now - d.lastAnswerAt;
      const { name, queue, inFlight: unacked, windowSize: window, parked } = d;
      return { name, queued: queue.length, unacked, window, parked, lastAnswerAgoMs };
    });
  }

  #send(destination: Destination, queued: QueuedMessage): boolean {
    const { link, now, sink, ackPrefix, seal, ackTimeout, retry, random } = this.#options;
    const at = now();
    const { message } = queued;
    if (queued.leaseEndsAt - at < this.#options.publishDeadlineMs + RECORD_MARGIN_MS) {
      this.counts.leaseMissed++;
      sink.release([message], 0);
      return true;
    }
    if (message.maxRetries !== null && message.attempts > message.maxRetries) {
      sink.fail(message, "max_retries");
      return true;
    }
    const lifeLeftMs = queued.expiresAt === null ? null : queued.expiresAt - at;
    // An expired row is the janitor's; its lease simply ends.
    if (lifeLeftMs !== null && lifeLeftMs <= 0) return true;
    if (!this.#quarantine.admits(message.messageId, this.#inFlight)) {
      this.#putBack(destination, queued);
      // Its turn stays its turn: what is in flight ends within a publish deadline, busy neighbours never do.
      this.#destinations.hold(destination);
      return false;
    }
    const timeoutMs = destination.ackTimeoutMs(ackTimeout);
    const planned = this.#decide(message, ACK_TIMEOUT, message.attempts + 1);
    const retryInMs =
      planned.kind === "retry" ? timeoutMs + planned.inMs : retryDelayMs(retry, timeoutMs, message.attempts, random);
    const entry: InFlight = {
      message,
      destination,
      attempt: message.attempts + 1,
      sentAt: at,
      timesOutAt: at + timeoutMs,
      retryAt: at + retryInMs,
      probe: queued.probe,
      puback: null,
      pubackAt: at,
      record: "none",
      hurried: false,
      span: this.#tracing.on ? this.#beginSpan(message) : null,
      givenUp: null,
      done: false,
    };
    this.#inFlight.set(message.messageId, entry);
    destination.inFlight++;
    let unsent: PublishOutcome | null = null;
    const traceparent = entry.span?.traceparent ?? null;
    try {
      link.publish(toPublish({ message, ackPrefix, seal, lifeLeftMs, retryInMs, traceparent }), (outcome) => {
        if (outcome.kind === "unsent") unsent = outcome;
        else this.#ended(entry, outcome);
      });
    } catch (error) {
      // A row with values that the outbox refuses today, written before or around its guards.
      this.#finish(entry);
      sink.fail(message, `unreadable: ${printable(error instanceof Error ? error.message : String(error))}`);
      return true;
    }
    if (unsent !== null) return this.#notSent(entry, queued, unsent);
    this.counts.published++;
    if (entry.attempt > 1) this.counts.republished++;
    if (this.#deliveries.watched) this.#note("published", entry);
    return true;
  }

  #beginSpan({ messageId, topic, attempts, traceparent }: LeasedMessage): OpenSpan {
    return this.#tracing.begin({ name: "send", parent: traceparent, messageId, topic, attempt: attempts + 1 });
  }

  #notSent(entry: InFlight, queued: QueuedMessage, outcome: PublishOutcome & { kind: "unsent" }): boolean {
    this.#finish(entry);
    if (!PASSING.has(outcome.why)) {
      this.#options.sink.fail(entry.message, outcome.why);
      return true;
    }
    this.#putBack(entry.destination, queued);
    return false;
  }

  #ended(entry: InFlight, outcome: Exclude<PublishOutcome, { kind: "unsent" }>): void {
    const now = this.#options.now();
    entry.span?.end({ outcome: outcome.kind, failed: outcome.kind !== "acked" });
    if (entry.done) return;
    if (outcome.kind === "acked") {
      this.#quarantine.passed(entry.message.messageId);
      entry.puback = outcome.reasonCode;
      entry.pubackAt = now;
      this.counts.puback++;
      if (this.#deliveries.watched) this.#note("puback", entry, outcome.reasonCode);
      if (!entry.message.requiresAck) {
        this.#finish(entry);
        entry.destination.answered(now, null, this.#mostWindow());
        this.#options.sink.brokerAcked(entry);
      } else if (outcome.reasonCode === 0x10) {
        this.counts.noSubscriber++;
        this.#record([entry], now);
        this.#finish(entry);
        this.#park(entry.destination);
      }
    } else {
      if (outcome.kind === "refused") this.counts.refused++;
      else this.counts.lost++;
      if (this.#deliveries.watched) {
        this.#note("publish_failed", entry, outcome.kind === "refused" ? outcome.reasonCode : outcome.why);
      }
      if (outcome.kind === "lost" && outcome.why === "disconnected") this.#suspect(entry);
      const decision = this.#decide(entry.message, failedPublish(outcome), entry.attempt);
      if (decision.kind === "retry") entry.retryAt = now + decision.inMs;
      if (decision.kind === "dead_letter") entry.givenUp = decision.reason;
      this.#recordAs([entry], outcome, now);
      this.#finish(entry);
      if (decision.kind === "pause") this.#park(entry.destination);
    }
    this.pump();
  }

  /** What the broker hangs up on, again and again, would end every connection for ever. */
  #suspect(entry: InFlight): void {
    if (this.#quarantine.lost(entry.message.messageId, this.#options.now() - entry.sentAt)) {
      this.#options.sink.fail(entry.message, "quarantined: the broker closed the connection each time it was sent");
    }
  }

  /**
   * A row that is in flight was claimed again: a birth resumed it, or the claim was ahead of our tick. Its next PUBLISH
   * counts from now on, and its attempt was recorded, or it would not have been due.
   */
  #overtake(entry: InFlight, now: number): void {
    if (now >= entry.timesOutAt) this.#timedOut(entry, now);
    else this.#finish(entry);
  }

  #timedOut(entry: InFlight, now: number): void {
    this.counts.ackTimeouts++;
    if (this.#deliveries.watched) this.#note("ack_timeout", entry);
    this.#finish(entry);
    const decision = this.#decide(entry.message, ACK_TIMEOUT, entry.attempt);
    if (decision.kind === "dead_letter") this.#options.sink.fail(entry.message, decision.reason);
    const isSilent = entry.destination.silent(now, this.#options.ackTimeout, entry.sentAt);
    if (isSilent || decision.kind === "pause") this.#park(entry.destination);
  }

  #decide(message: LeasedMessage, error: Omit<DeliveryError, "topic">, attempt: number): Decision {
    const { policy, wallClock } = this.#options;
    if (!policy || wallClock === undefined) return BUILT_IN;
    const ageMs = Math.max(0, wallClock() - message.createdAt * 1_000);
    return policy({ ...error, topic: message.topic }, attempt, ageMs);
  }

  #park(destination: Destination): void {
    if (destination.parked) return;
    destination.parked = true;
    const rows: LeasedMessage[] = [];
    for (const queued of destination.queue.splice(0)) {
      if (isForLater(queued.message)) destination.queue.push({ ...queued, probe: true });
      else rows.push(queued.message);
    }
    this.#buffer.queued -= rows.length;
    this.#destinations.withdraw(destination);
    this.#destinations.refresh(destination);
    this.#options.sink.park(destination.name, rows);
  }

  #answered(entry: InFlight, now: number): void {
    const { destination, attempt, sentAt, probe } = entry;
    this.#buffer.answered();
    // A probe may be of a destination that another replica parked.
    const wasParked = destination.parked || probe;
    if (destination.parked) destination.resume(now);
    destination.answered(now, attempt === 1 ? now - sentAt : null, this.#mostWindow());
    this.#options.sink.answered(destination.name, wasParked);
    this.#destinations.refresh(destination);
    this.pump();
  }

  #note(step: DeliveryStep, { message, attempt }: InFlight, detail?: string | number): void {
    this.#deliveries.note(step, message.messageId, message.topic, attempt, detail);
  }

  #record(entries: readonly InFlight[], now: number): void {
    this.#recordAs(entries, { kind: "acked" }, now);
  }

  #recordAs(
    entries: readonly InFlight[],
    outcome: { kind: AttemptRecord["outcome"]; reasonCode?: number },
    now: number,
  ): void {
    const breaker: BreakerState = this.#options.link.info().breaker;
    const records = entries.map((entry): AttemptRecord => {
      entry.record = "writing";
      return {
        messageId: entry.message.messageId,
        leaseToken: entry.message.leaseToken,
        outcome: outcome.kind,
        reasonCode: outcome.kind === "acked" ? entry.puback : (outcome.reasonCode ?? null),
        breaker,
        publishedAgoMs: now - entry.sentAt,
        nextInMs: Math.max(0, entry.retryAt - now),
      };
    });
    this.#options.sink.recordAttempts(records, entries);
  }

  #finish(entry: InFlight): void {
    if (entry.done) return;
    entry.done = true;
    entry.destination.inFlight--;
    if (this.#inFlight.get(entry.message.messageId) === entry) this.#inFlight.delete(entry.message.messageId);
    this.#destinations.refresh(entry.destination);
  }

  #enqueue(destination: Destination, queued: QueuedMessage): void {
    if (queued.probe) destination.queue.unshift(queued);
    else destination.queue.push(queued);
    this.#buffer.queued++;
    this.#destinations.refresh(destination);
  }

  /** Not sent after all: it stays the first of its destination. */
  #putBack(destination: Destination, queued: QueuedMessage): void {
    destination.queue.unshift(queued);
    this.#buffer.queued++;
    this.#destinations.refresh(destination);
  }

  #giveBackQueued(): void {
    const rows = this.#destinations.takeQueued();
    this.#buffer.queued = 0;
    if (rows.length > 0) this.#options.sink.release(rows, 0);
  }

  /** One destination alone may have the whole window, several share it. */
  #mostWindow(): number {
    return this.#destinations.size <= 1 ? this.#window : Math.max(16, Math.floor(this.#window / 2));
  }

  #shareOfBuffer(): number {
    return this.#buffer.shareOf(this.#destinations.size);
  }
}

function atOnce<Result>(steps: Generator<undefined, Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The first PUBLISH of a retained message: the broker keeps it, whoever is there (the claim lets it through, too). */
function isForLater(message: LeasedMessage): boolean {
  return message.retain && message.attempts === 0;
}

function group(map: Map<string, LeasedMessage[]>, name: string, message: LeasedMessage): void {
  const rows = map.get(name);
  if (rows === undefined) map.set(name, [message]);
  else rows.push(message);
}
