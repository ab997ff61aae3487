/**
 * Sends what waits, as far as the link, the window and the destinations allow.
 *
 * Invariants:
 *  SENDING-1. Nothing is published without a live lease (checked against our own clock, started before the claim was sent).
 *  SENDING-2. A row that cannot be made a PUBLISH is marked failed and stops no other.
 *  SENDING-3. A message that could not be sent for a passing reason keeps its place.
 *  SENDING-4. A suspect whose turn is later waits in the outbox: it takes no place of an innocent message.
 */

import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import type { AckPrefixes } from "@acktor/shared/protocol/ack-prefixes";
import type { Clock } from "@acktor/shared/runtime/clock";
import { printable } from "@acktor/shared/runtime/logger";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import { ACK_TIMEOUT } from "./delivery-error.ts";
import type { DeliveryPolicy } from "./delivery-policy.ts";
import type { Destination, QueuedMessage } from "./destination.ts";
import type { DestinationHealth } from "./destination-health.ts";
import type { Destinations } from "./destinations.ts";
import type { DispatchCounts } from "./dispatch-counts.ts";
import type { Doorbell } from "./doorbell.ts";
import type { EnvelopeSeal } from "./envelope-seal.ts";
import { hasHold, nextInMs } from "./hold.ts";
import type { InFlightBook, Sent } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";
import type { PublishEnds } from "./publish-ends.ts";
import type { Quarantine } from "./quarantine.ts";
import type { RetryDelay } from "./retry-delay.ts";
import { toPublish } from "./to-publish.ts";
import type { WaitingMessages } from "./waiting-messages.ts";

/** A lease with less than the time of a PUBACK and this left is not used: the PUBLISH and its record must fit in. */
const RECORD_MARGIN_MS = 1_000;

/** Why a message was not sent that could be sent later; for any other reason this broker will never take it. */
const PASSING: ReadonlySet<string> = new Set(["not_connected", "breaker_open", "window_full"]);

export interface SenderParts {
  readonly link: Link;
  readonly clock: Clock;
  readonly destinations: Destinations;
  readonly waiting: WaitingMessages;
  readonly book: InFlightBook;
  readonly ends: PublishEnds;
  readonly writes: Writes;
  readonly health: DestinationHealth;
  readonly quarantine: Quarantine;
  readonly policy: DeliveryPolicy;
  readonly retryDelay: RetryDelay;
  readonly seal: EnvelopeSeal;
  readonly doorbell: Doorbell;
  readonly counts: DispatchCounts;
  readonly deliveries: DeliveryNotes;
  readonly tracing: Tracing;
  readonly ackPrefixes: AckPrefixes;
  /** The least time that a PUBLISH gets for its PUBACK; longer on a slow line. */
  readonly publishDeadlineMs: number;
}

export class Sender {
  readonly #parts: SenderParts;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Sends what may be sent now. Cheap when there is nothing to do. */
  pump(): void {
    const { waiting, destinations, book, health, link, doorbell } = this.#parts;
    if (!waiting.isOpen) return;
    let capacity = link.capacity();
    while (waiting.size > 0 && capacity > 0 && book.size < health.window) {
      const destination = destinations.next(health.roomForTrials > 0);
      const queued = destination === undefined ? undefined : waiting.take(destination);
      if (destination === undefined || queued === undefined) break;
      if (!this.#send(destination, queued)) break;
      capacity--;
      destinations.refresh(destination);
    }
    if (waiting.isLow) doorbell.roomIsFree();
  }

  /** @returns false when no further message can be sent now */
  #send(destination: Destination, queued: QueuedMessage): boolean {
    const { clock, destinations, waiting, book, quarantine, writes } = this.#parts;
    const at = clock.now();
    const lifeLeftMs = queued.expiresAt === null ? null : queued.expiresAt - at;
    if (!this.#maySend(queued, at, lifeLeftMs)) return true;
    const plan = quarantine.plan(queued.message, at, book);
    if (plan.kind === "later") {
      // SENDING-4
      writes.release([queued.message], plan.inMs);
      return true;
    }
    if (plan.kind === "hold") {
      waiting.putBack(destination, queued);
      // Its turn stays its turn: what is in flight ends within a publish deadline, busy neighbours never do.
      destinations.hold(destination);
      return false;
    }
    return this.#publish(destination, queued, at, lifeLeftMs);
  }

  #maySend({ message, leaseEndsAt }: QueuedMessage, at: number, lifeLeftMs: number | null): boolean {
    const { writes, counts, policy, link, publishDeadlineMs } = this.#parts;
    // SENDING-1
    if (leaseEndsAt - at < Math.max(publishDeadlineMs, link.pace().expectedMs) + RECORD_MARGIN_MS) {
      counts.leaseMissed++;
      writes.release([message], 0);
      return false;
    }
    if (message.maxRetries !== null && message.attempts > message.maxRetries) {
      writes.fail(message, "max_retries");
      return false;
    }
    // A hold that ended without an ack is an ack timeout. It ended in the row.
    const ended =
      hasHold(message) && message.attempts > 0 ? policy.decide(message, ACK_TIMEOUT, message.attempts) : null;
    if (ended?.kind === "dead_letter") {
      writes.fail(message, ended.reason);
      return false;
    }
    // The janitor ends an expired row; its lease simply runs out.
    return lifeLeftMs === null || lifeLeftMs > 0;
  }

  #publish(destination: Destination, queued: QueuedMessage, at: number, lifeLeftMs: number | null): boolean {
    const { link, book, ends, writes, health, seal, ackPrefixes, counts, deliveries } = this.#parts;
    const { message } = queued;
    const timeoutMs = health.ackTimeoutMs(destination);
    const retryInMs = this.#retryInMs(queued, timeoutMs);
    // The hold itself begins with the PUBACK (HOLD-1).
    const copyMs = nextInMs(message, retryInMs);
    const attempt = book.open(queued, destination, at, at + timeoutMs, at + retryInMs);
    if (this.#parts.tracing.on) this.#trace(attempt);
    const traceparent = attempt.span?.traceparent ?? null;
    let unsent: (PublishOutcome & { kind: "unsent" }) | null = null;
    try {
      const ackPrefix = ackPrefixes.of(message.topic);
      link.publish(toPublish({ message, ackPrefix, seal, lifeLeftMs, nextInMs: copyMs, traceparent }), (outcome) => {
        if (outcome.kind === "unsent") unsent = outcome;
        else if (ends.ended(attempt, outcome)) this.pump();
      });
    } catch (error) {
      // SENDING-2: a row with values that the outbox refuses today, written before or around its guards.
      book.close(attempt);
      writes.fail(message, `unreadable: ${printable(error instanceof Error ? error.message : String(error))}`);
      return true;
    }
    if (unsent !== null) return this.#notSent(attempt, queued, unsent);
    counts.published++;
    if (attempt.attempt > 1) counts.republished++;
    if (deliveries.watched) deliveries.note("published", message.messageId, message.topic, attempt.attempt);
    return true;
  }

  /** Milliseconds from this PUBLISH to the next one, should no ack come. */
  #retryInMs({ message }: QueuedMessage, timeoutMs: number): number {
    const { policy, retryDelay } = this.#parts;
    const planned = policy.decide(message, ACK_TIMEOUT, message.attempts + 1);
    return planned.kind === "retry" ? timeoutMs + planned.inMs : retryDelay.after(timeoutMs, message.attempts);
  }

  #trace(sent: Sent): void {
    const { messageId, topic, traceparent } = sent.message;
    const { tracing, book } = this.#parts;
    book.trace(sent, tracing.begin({ name: "send", parent: traceparent, messageId, topic, attempt: sent.attempt }));
  }

  #notSent(attempt: Sent, queued: QueuedMessage, { why }: PublishOutcome & { kind: "unsent" }): boolean {
    const { book, waiting, writes } = this.#parts;
    book.close(attempt);
    if (!PASSING.has(why)) {
      writes.fail(attempt.message, why);
      return true;
    }
    // SENDING-3
    waiting.putBack(attempt.destination, queued);
    return false;
  }
}
