/**
 * Verifies a batch of arrivals and groups its messages by id. An arrival that is no message ends here: counted, logged,
 * answered where its sender is known.
 *
 * Invariants:
 *  VERIFIER-1. A fault of acktor at one arrival drops this arrival; the others of its batch are processed.
 *  VERIFIER-2. The event loop is blocked for at most `BYTES_PER_TURN` of payloads.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { printable } from "@acktor/shared/runtime/logger";
import type { Acks } from "../ack/ack-sender.ts";
import type { Counts } from "../control/counts.ts";
import type { Notices } from "../control/notices.ts";
import type { InboxMessage } from "../inbox/message.ts";
import type { Held, Places } from "../subscribe/places.ts";
import type { Group } from "./group.ts";
import { isExpired, type Verdict, type VerifyOptions, verifyMessage } from "./verify-message.ts";

export interface VerifierParts extends VerifyOptions {
  readonly acks: Acks;
  readonly places: Places;
  readonly counts: Counts;
  readonly notices: Notices;
  /** Catches what verifying an arrival throws. */
  readonly guard: ListenerGuard;
  readonly deliveries: DeliveryNotes;
  readonly clock: Pick<Clock, "now">;
}

/** 2 MiB take about 10 ms to parse; a batch of large messages took 300 ms in one turn of the event loop. */
const BYTES_PER_TURN = 2 * 1024 * 1024;

export class Verifier {
  readonly #parts: VerifierParts;

  constructor(parts: VerifierParts) {
    this.#parts = parts;
  }

  async verify(arrivals: readonly Held[]): Promise<Group[]> {
    const groups = new Map<string, Group>();
    let bytes = 0;
    for (const held of arrivals) {
      bytes += held.payload.byteLength;
      // VERIFIER-2
      if (bytes > BYTES_PER_TURN) {
        bytes = held.payload.byteLength;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const message = this.#verifySafely(held);
      if (message === null) this.#parts.places.release(held);
      else addTo(groups, message, held);
    }
    return [...groups.values()];
  }

  /** True when the lifetime that the sender gave the message is over. */
  isExpired(message: InboxMessage): boolean {
    return isExpired(message, this.#parts.clock.now());
  }

  /** VERIFIER-1 */
  #verifySafely(held: Held): InboxMessage | null {
    const { guard, counts } = this.#parts;
    let message: InboxMessage | null = null;
    const failures = guard.failures;
    guard.wrap("verify", () => {
      message = this.#verifyOne(held);
    })();
    if (guard.failures > failures) counts.messages.malformed++;
    return message;
  }

  #verifyOne(held: Held): InboxMessage | null {
    const { clock, deliveries } = this.#parts;
    const verdict = verifyMessage(held, this.#parts, clock.now());
    if (verdict.kind !== "message") {
      this.#turnAway(held, verdict);
      return null;
    }
    if (deliveries.watched) deliveries.note("received", verdict.message.messageId, held.topic);
    return verdict.message;
  }

  #turnAway({ topic }: Held, verdict: Exclude<Verdict, { readonly kind: "message" }>): void {
    const { acks, counts, deliveries, notices } = this.#parts;
    counts.messages[verdict.kind]++;
    if (verdict.kind === "expired") return;
    if (verdict.kind === "malformed" || verdict.kind === "unauthenticated") {
      const id = verdict.kind === "malformed" ? undefined : verdict.id;
      notices.notTaken(verdict.kind, verdict.reason, topic, id);
      return;
    }
    const { kind, reason, rejected } = verdict;
    notices.notTaken(kind, reason, topic, rejected?.answerTo.id);
    if (rejected === null) return;
    if (deliveries.watched) deliveries.note("refused", rejected.answerTo.id, topic, undefined, printable(reason));
    const retryable = kind === "corrupt" || verdict.retryable;
    acks.send({ ...rejected, answer: { status: "rejected", reason, retryable } });
  }
}

function addTo(groups: Map<string, Group>, message: InboxMessage, held: Held): void {
  const group = groups.get(message.messageId);
  if (group === undefined) {
    groups.set(message.messageId, { message, deliveries: 1, all: [{ message, held }] });
    return;
  }
  if (group.message.checksum === message.checksum) group.deliveries++;
  group.all.push({ message, held });
}
