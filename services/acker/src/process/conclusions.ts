/**
 * Turns what the inbox says about a message into an answer, a task for its handler, or nothing.
 *
 * Invariants:
 *  CONCLUDE-1. No ack before its commit: an ack is made from what the inbox returned, never from what was sent to it.
 *  CONCLUDE-2. A place in the intake is released when nothing more happens to its arrival.
 *  CONCLUDE-3. An answer names the newest attempt, by the sender's count: anyone can send an old attempt again.
 *  CONCLUDE-4. A repeated message that a task works on reaches the task, which answers under the new attempt: its publisher
 *              ignores patience and rejections of an attempt that is over.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import type { Acks } from "../ack/ack-sender.ts";
import type { Counts } from "../control/counts.ts";
import type { Notices } from "../control/notices.ts";
import { decide, isFirst } from "../inbox/decide.ts";
import { type Answer, type InboxMessage, isNewerAttempt } from "../inbox/message.ts";
import { firstReceipt, type Receipt } from "../inbox/receive-messages.ts";
import type { Places } from "../subscribe/places.ts";
import type { Delivery, Group } from "../verify/group.ts";
import type { Stored } from "./batch-store.ts";
import type { HandlerRuns } from "./handler-runs.ts";
import type { Task } from "./task.ts";

export interface ConclusionsParts {
  readonly acks: Acks;
  readonly places: Places;
  /** Null: the row is the effect. */
  readonly runs: HandlerRuns | null;
  readonly counts: Counts;
  readonly notices: Notices;
  readonly clock: Pick<Clock, "now">;
  /** For viewers. */
  readonly deliveries: DeliveryNotes;
  readonly tracing: Tracing;
}

/** Under which owner a batch was stored, and the tasks whose handlers have begun. */
export interface Handling {
  readonly owner: string;
  readonly begun: ReadonlyMap<string, Task>;
}

const NO_HANDLING: Handling = { owner: "", begun: new Map() };

export class Conclusions {
  readonly #parts: ConclusionsParts;

  constructor(parts: ConclusionsParts) {
    this.#parts = parts;
  }

  /** A group of a batch that was stored, or was to be. */
  conclude(group: Group, stored: Stored | undefined, handling: Handling): void {
    const { counts, notices, places } = this.#parts;
    if (stored?.kind === "stored") {
      this.#concludeStored(group, stored.receipt, handling);
      return;
    }
    if (stored?.kind === "refused") {
      const { reason, retryable } = stored;
      counts.messages.unusable += group.all.length;
      notices.notTaken("unusable", reason, group.message.topic, group.message.messageId);
      this.#answerAll(group.all, { status: "rejected", reason, retryable });
    } else {
      counts.messages[stored?.kind ?? "abandoned"] += group.all.length;
    }
    // CONCLUDE-2
    for (const { held } of group.all) places.release(held);
  }

  /** A group whose outcome is committed together with its row. */
  concludeProcessed(group: Group): void {
    this.#parts.counts.handler.processed++;
    this.#concludeStored(group, firstReceipt(group, "processed"), NO_HANDLING);
  }

  #concludeStored(group: Group, receipt: Receipt, { owner, begun }: Handling): void {
    const { runs } = this.#parts;
    let isFresh = isFirst(receipt, group);
    const answered: Delivery[] = [];
    let answer: Answer | null = null;
    let handled: Delivery | null = null;
    for (const delivery of group.all) {
      const decision = decide(receipt, delivery.message);
      if (decision.kind === "conflict") {
        this.#conflict(delivery, decision.answer);
        continue;
      }
      this.#count(delivery, isFresh, decision.kind === "answer");
      if (decision.kind === "answer") {
        answer = decision.answer;
        answered.push(delivery);
        this.#trace(delivery, isFresh ? answer.status : "duplicate");
      }
      // CONCLUDE-4
      if (decision.kind === "wait") runs?.repeated(delivery.message);
      isFresh = false;
      // CONCLUDE-3
      const taken: Delivery | null = decision.kind === "handle" ? newerOf(handled, delivery) : null;
      const done = decision.kind !== "handle" || taken !== delivery ? delivery : handled;
      if (taken !== null) handled = taken;
      if (done !== null) this.#parts.places.release(done.held);
    }
    // CONCLUDE-1
    if (answer !== null) this.#answerAll(answered, answer);
    if (handled === null || runs === null) return;
    const { messageId } = handled.message;
    runs.take({ messageId, owner }, handled, begun.get(messageId), receipt.crashes);
  }

  #conflict(delivery: Delivery, answer: Answer): void {
    const { acks, counts, notices, places } = this.#parts;
    const { message, held } = delivery;
    counts.messages.conflict++;
    notices.notTaken("conflict", answer.status, message.topic, message.messageId);
    acks.answer(message, answer);
    places.release(held);
  }

  #count({ message: { messageId, topic } }: Delivery, isFresh: boolean, isAnswered: boolean): void {
    const { counts, deliveries } = this.#parts;
    if (isFresh) counts.messages.first++;
    else counts.messages.duplicate++;
    if (!deliveries.watched) return;
    if (!isFresh) deliveries.note("duplicate", messageId, topic);
    else if (isAnswered) deliveries.note("processed", messageId, topic);
  }

  /** One ack for each topic that expects one, under the newest attempt. */
  #answerAll(deliveries: readonly Delivery[], answer: Answer): void {
    const { acks } = this.#parts;
    const [only] = deliveries;
    if (deliveries.length === 1 && only !== undefined) {
      acks.answer(only.message, answer);
      return;
    }
    const newest = new Map<string, InboxMessage>();
    for (const { message } of deliveries) {
      if (message.answerTo === null) continue;
      const known = newest.get(message.answerTo.topic);
      if (known === undefined || isNewerAttempt(message, known)) newest.set(message.answerTo.topic, message);
    }
    for (const message of newest.values()) acks.answer(message, answer);
  }

  /** From the arrival to the commit. `HandlerRuns` traces what its handlers do. */
  #trace({ message, held }: Delivery, outcome: string): void {
    const { clock, tracing } = this.#parts;
    if (!tracing.on) return;
    const { messageId, topic, traceparent = null, retryCount } = message;
    const startedAgoMs = clock.now() - held.arrivedAt;
    tracing
      .begin({ name: "process", parent: traceparent, messageId, topic, attempt: retryCount + 1, startedAgoMs })
      .end({ outcome, failed: outcome === "rejected" });
  }
}

/** CONCLUDE-3 */
function newerOf(known: Delivery | null, delivery: Delivery): Delivery {
  return known === null || isNewerAttempt(delivery.message, known.message) ? delivery : known;
}
