/**
 * Reads acks: decides which of them count, and hands those to the dispatcher, which frees their place, and to the `AckWriter`.
 *
 * Invariants:
 *  SETTLER-1. Only a well-formed ack of its own topic, signed where a key or a secret is configured, not retained, changes
 *     anything.
 *  SETTLER-2. An ack whose checksum or topic is not the row's changes nothing: compared in memory where the message is in
 *     flight here, by the statement where it is not.
 *  SETTLER-3. `rejected` counts only with the current attempt token, and is final only with the row's checksum.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { type Ack, decodeAck, topicInAck } from "@acktor/shared/protocol/ack";
import { ackTopicId } from "@acktor/shared/protocol/topics";
import type { Clock } from "@acktor/shared/runtime/clock";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import type { DeliveryPolicy } from "../dispatch/delivery-policy.ts";
import type { InFlight } from "../dispatch/in-flight-book.ts";
import type { RetryDelay } from "../dispatch/retry-delay.ts";
import type { AckRecord, Rejection } from "../outbox/outbox.ts";
import type { AckCounts } from "./ack-counts.ts";
import type { AckWriter } from "./ack-writer.ts";
import type { AckAuthenticator } from "./authenticate-acks.ts";
import { IgnoredAcks } from "./ignored-acks.ts";

const LOG_EVERY_MS = 1_000;
/** Characters of a device and of a reason, as people see them. */
const NAMED = 200;
/** Of a receiver that is at work and does not say for how long. */
const DEFAULT_PATIENCE_SECONDS = 10;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const RETAINED_ACKS =
  "the broker keeps retained acks, and sends all of them at each connection; they are ignored. Receivers must publish acks " +
  "with retain off; an empty retained message on the topic clears one";

/** The dispatcher's book. */
export interface AttemptsInFlight {
  find(messageId: string): InFlight | null;
}

/** What the dispatcher does with answers. */
export interface Answers {
  /** An answer was verified, processed or rejected. */
  answered(attempt: InFlight): void;
  /** The receiver is at work: no answer is expected for so long. */
  postpone(attempt: InFlight, forMs: number): void;
  /** The policy says that the destination is to rest. */
  rest(attempt: InFlight): void;
}

export interface SettlerParts {
  readonly writer: AckWriter;
  readonly book: AttemptsInFlight;
  readonly answers: Answers;
  readonly authenticator: AckAuthenticator;
  readonly policy: DeliveryPolicy;
  readonly retryDelay: RetryDelay;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ackPrefix: string;
}

export class Settler {
  /** Devices whose acks cannot be read. */
  readonly ignored = new IgnoredAcks();
  readonly #parts: SettlerParts;
  /** One line a second of each kind: a flood of bad acks does not fill the log. */
  readonly #throttle: LogThrottle;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    this.#throttle = new LogThrottle(parts.clock, LOG_EVERY_MS);
  }

  get counts(): AckCounts {
    return this.#parts.writer.counts;
  }

  /** Acks that wait to be written. */
  get waiting(): number {
    return this.#parts.writer.waiting;
  }

  /** Takes what arrived under the ack prefix. Never throws. */
  receive({ topic, payload, retain }: IncomingMessage): void {
    this.counts.received++;
    const id = ackTopicId(this.#parts.ackPrefix, topic);
    if (id === null) {
      this.#complain(topic, "is not an ack topic");
      return;
    }
    // SETTLER-1
    if (retain) {
      this.#noteRetained(topic);
      return;
    }
    const decoded = decodeAck(id, payload);
    if (decoded.kind === "malformed") {
      this.#noteMalformed(topic, id, decoded);
      return;
    }
    // Our ids are UUIDs: any other id is of another outbox, and PostgreSQL would refuse it.
    if (!UUID.test(id)) {
      this.counts.unknown++;
      return;
    }
    const messageId = id.toLowerCase();
    const attempt = this.#parts.book.find(messageId);
    if (!this.#isTrusted(decoded.ack, attempt)) return;
    if (decoded.unknown.length > 0) this.#noteUnknownWords(topic, decoded.unknown);
    if (decoded.ack.status === "processed") this.#processed(decoded.ack, messageId, attempt);
    else if (decoded.ack.status === "working") this.#working(decoded.ack, attempt);
    else this.#rejected(decoded.ack, messageId, attempt);
  }

  #isTrusted(ack: Ack, attempt: InFlight | null): boolean {
    const verdict = this.#parts.authenticator.judge(ack, attempt !== null);
    if (verdict === "trusted") return true;
    this.counts[verdict]++;
    return false;
  }

  #processed(ack: Ack, messageId: string, attempt: InFlight | null): void {
    const { writer, answers } = this.#parts;
    if (this.#isOfAnother(ack, attempt)) return;
    const facts = writer.factsOf(attempt);
    if (attempt !== null) answers.answered(attempt);
    const record: AckRecord = {
      messageId,
      clientId: ack.client_id ?? "",
      // SETTLER-2
      checksum: attempt === null ? ack.checksum : null,
      topic: attempt === null ? ack.topic : null,
      ...this.#proofOf(ack),
      level: "processed",
      attempt: facts.attempt,
      publishedAgoMs: facts.publishedAgoMs,
      reasonCode: facts.reasonCode,
    };
    writer.add(record, attempt);
  }

  #rejected(ack: Ack, messageId: string, attempt: InFlight | null): void {
    const token = ack.attempt_token;
    if (token === null || !/^\d{1,18}$/.test(token)) {
      this.counts.stale++;
      return;
    }
    if (this.#isOfAnother(ack, attempt)) return;
    // SETTLER-3
    if (attempt !== null && attempt.message.leaseToken !== token) {
      this.counts.stale++;
      return;
    }
    if (attempt !== null) this.#parts.answers.answered(attempt);
    const reason = printable(ack.reason ?? "");
    const rejection: Rejection = {
      messageId,
      leaseToken: token,
      clientId: ack.client_id ?? "",
      checksum: ack.checksum,
      topic: ack.topic,
      signature: this.#proofOf(ack).signature,
      reason,
      ...this.#verdict(ack, reason, attempt),
    };
    this.#parts.writer.reject(rejection, attempt);
  }

  /** Only the publisher that has this attempt in flight can wait; other publishers and old attempts ignore it. */
  #working(ack: Ack, attempt: InFlight | null): void {
    this.counts.working++;
    if (attempt === null || attempt.message.leaseToken !== ack.attempt_token || this.#isOfAnother(ack, attempt)) return;
    const forMs = this.#patienceMs(ack, attempt);
    if (forMs > 0) this.#parts.answers.postpone(attempt, forMs);
  }

  /** Signed patience counts from its PUBLISH: a stranger who repeats it does not prolong it. */
  #patienceMs(
    { working_for: seconds = DEFAULT_PATIENCE_SECONDS, elapsed = 0, signature }: Ack,
    attempt: InFlight,
  ): number {
    const { authenticator, clock } = this.#parts;
    if (!authenticator.isStrict || !signature?.startsWith("v2:")) return seconds * 1_000;
    return attempt.sentAt + (elapsed + seconds) * 1_000 - clock.now();
  }

  /** Whether the message is sent again, and when: not before the receiver wishes. */
  #verdict(ack: Ack, reason: string, attempt: InFlight | null): Pick<Rejection, "retryable" | "retryInMs"> {
    const { policy, retryDelay, answers } = this.#parts;
    const leastMs = (ack.retry_after ?? 0) * 1_000;
    const builtInMs = Math.max(leastMs, retryDelay.after(0, attempt === null ? 0 : attempt.attempt - 1));
    if (!ack.retryable || attempt === null) return { retryable: ack.retryable, retryInMs: builtInMs };
    const error = { type: "application", on: "rejected", reasonCode: null, reason } as const;
    const decision = policy.decide(attempt.message, error, attempt.attempt);
    if (decision.kind === "pause") answers.rest(attempt);
    if (decision.kind === "retry") return { retryable: true, retryInMs: Math.max(leastMs, decision.inMs) };
    return { retryable: decision.kind !== "dead_letter", retryInMs: builtInMs };
  }

  /** What is kept of a signature that was verified; the token is "" for one over an ack without a token. */
  #proofOf({ signature, attempt_token: token }: Ack): Pick<AckRecord, "signature" | "token"> {
    if (!this.#parts.authenticator.isStrict) return { signature: null, token: null };
    return { signature, token: token ?? "" };
  }

  /** SETTLER-2, of a message in flight. */
  #isOfAnother(ack: Ack, attempt: InFlight | null): boolean {
    if (attempt === null) return false;
    if (ack.checksum !== null && ack.checksum !== attempt.message.checksum) this.counts.checksumMismatch++;
    else if (ack.topic !== null && ack.topic !== topicInAck(attempt.message.topic)) this.counts.topicMismatch++;
    else return false;
    return true;
  }

  /** Only MQTT 3.1.1 sends them: on MQTT 5 the subscription excludes them. */
  #noteRetained(topic: string): void {
    this.counts.retained++;
    if (this.counts.retained > 1) return;
    this.#parts.logger.warn({ topic: printable(topic) }, RETAINED_ACKS);
  }

  /** Names the device by its own name, or by the topic of the message that it answers. */
  #noteMalformed(topic: string, id: string, { reason, clientId }: { reason: string; clientId: string | null }): void {
    const { book, clock } = this.#parts;
    const device = printable(clientId ?? book.find(id.toLowerCase())?.message.topic ?? topic, NAMED);
    this.ignored.note(device, printable(reason, NAMED), clock.now());
    this.#complain(topic, reason, device);
  }

  #complain(topic: string, reason: string, device?: string): void {
    this.counts.malformed++;
    const unsaid = this.#throttle.admit("malformed");
    if (unsaid === null) return;
    const said = { topic: printable(topic), reason: printable(reason), malformed: this.counts.malformed, unsaid };
    const fields = device === undefined ? said : { ...said, device };
    this.#parts.logger.warn(fields, "an ack was ignored");
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
    this.#parts.logger.warn(fields, "an ack without a status has unknown fields; it counts as processed");
  }
}
