/**
 * Turns bytes into a message that may have an effect, or into the reason why it must not have one.
 *
 * Invariants:
 *  VERIFY-1. The answer to any bytes is a value; nothing throws, nothing is trusted.
 *  VERIFY-2. Bytes that are no envelope, and an envelope that asks for its ack on a topic other than `…/<message_id>`, are
 *            malformed: no ack, no effect. A sender cannot make an acker publish to a topic of the sender's choice.
 *  VERIFY-3. With a key configured, an envelope that is not authentic on this very topic has no effect and no answer: an
 *            answer would be this acker's signature under another acker's message.
 *            Where it arrived on another topic because a bridge or the broker changes topics, the operator declares the
 *            change (TOPIC_MAP-1): the message then has the topic as sent. An undeclared change stays a difference.
 *  VERIFY-4. A copy that the wire damaged is rejected, retryable. Content that can never be stored is rejected without retry
 *            only where the sender is proven: a stranger's copy must not end the sender's message. The same holds for
 *            content that is another text of the same bytes (base64 with blanks or spare bits, a lone surrogate): the
 *            checksum does not tell them apart, so with a key such a copy has no answer.
 *  VERIFY-5. A rejection names the checksum of the bytes that arrived, so that it moves no row of other content. For a
 *            damaged copy without proof it names none: such a rejection at most asks for a better copy.
 *  VERIFY-6. No two clocks are compared: a lifetime ends `expires_in` after arrival by the acker's monotonic clock.
 */
import { checksumOf, type Decoded, decodeEnvelope, type Envelope } from "@acktor/shared/protocol/envelope";
import type { EnvelopeProof, EnvelopeTrust } from "@acktor/shared/protocol/envelope-proof";
import { ackTopic, isUnder, topicFault } from "@acktor/shared/protocol/topics";
import type { AnswerTo, InboxMessage } from "../inbox/message.ts";
import { inboxKey } from "./message-id.ts";
import type { SentTopics } from "./sent-topics.ts";

/** One PUBLISH as it arrived. */
export interface Arrival {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
}

/** Where a rejection goes, and what it is about. */
export interface Rejected {
  readonly answerTo: AnswerTo;
  readonly attemptToken: string | null;
  /** Of the content that arrived; null of a damaged copy without proof. */
  readonly checksum: string | null;
  readonly proof: EnvelopeProof | null;
}

export type Verdict =
  | { readonly kind: "message"; readonly message: InboxMessage }
  | { readonly kind: "malformed"; readonly reason: string }
  | { readonly kind: "unauthenticated"; readonly reason: string; readonly id: string }
  | { readonly kind: "expired" }
  /** `rejected` is null when no ack is wanted. */
  | { readonly kind: "corrupt"; readonly reason: string; readonly rejected: Rejected | null }
  | {
      readonly kind: "unusable";
      readonly reason: string;
      readonly retryable: boolean;
      readonly rejected: Rejected | null;
    };

export interface VerifyOptions {
  readonly ackPrefix: string;
  readonly presencePrefix: string;
  /** Whose envelopes are processed; null: all. */
  readonly trust: EnvelopeTrust | null;
  readonly topics: SentTopics;
}

/** 256 KiB of content, escaped at worst as six bytes for one; a larger payload is not parsed. */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;
const MAX_TEXT = 1_024;
const MAX_RETRY_COUNT = 2_147_483_647;
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Checks one arrival.
 * @param now monotonic milliseconds
 */
export function verifyMessage(arrival: Arrival, options: VerifyOptions, now: number): Verdict {
  if (arrival.payload.byteLength > MAX_PAYLOAD_BYTES) return malformed(`larger than ${MAX_PAYLOAD_BYTES} bytes`);
  // VERIFY-1
  const decoded = decodeEnvelope(arrival.payload);
  if (decoded.kind === "malformed") return decoded;
  const { envelope } = decoded;
  const fault = fieldFault(envelope);
  if (fault !== null) return malformed(fault);
  const answerTo = envelope.requires_ack ? answerTarget(envelope, options) : null;
  if (typeof answerTo === "string") return malformed(answerTo);
  const topic = options.topics.asSent(arrival.topic, envelope.topic) ?? arrival.topic;
  const authenticated = options.trust?.authenticate(envelope, topic) ?? UNASKED;
  // VERIFY-3
  if (authenticated.kind === "refused") {
    return { kind: "unauthenticated", reason: authenticated.reason, id: envelope.message_id };
  }
  const proof = authenticated.kind === "authentic" ? authenticated.proof : null;
  if (decoded.kind === "corrupt") {
    return { kind: "corrupt", reason: decoded.reason, rejected: rejectedOf(decoded, answerTo, proof) };
  }
  const expiresAt = envelope.expires_in === null ? null : arrival.arrivedAt + envelope.expires_in * 1_000;
  if (isExpired({ expiresAt }, now)) return { kind: "expired" };
  const altered = alteredFault(envelope);
  if (altered !== null && proof !== null) return { kind: "unauthenticated", reason: altered, id: envelope.message_id };
  const unusable = altered ?? contentFault(envelope);
  if (unusable !== null) {
    const rejected = rejectedOf(decoded, answerTo, proof);
    return { kind: "unusable", reason: unusable, retryable: proof === null, rejected };
  }
  return { kind: "message", message: toMessage(envelope, { ...arrival, topic }, answerTo, expiresAt, proof) };
}

const UNASKED = { kind: "unproven" } as const;

function rejectedOf(
  decoded: Exclude<Decoded, { kind: "malformed" }>,
  answerTo: AnswerTo | null,
  proof: EnvelopeProof | null,
): Rejected | null {
  if (answerTo === null) return null;
  const { attempt_token: attemptToken, checksum, content, content_encoding: encoding } = decoded.envelope;
  if (decoded.kind === "corrupt") {
    // VERIFY-5
    return { answerTo, attemptToken, checksum: proof === null ? null : decoded.received, proof };
  }
  return { answerTo, attemptToken, checksum: checksum ?? checksumOf(content, encoding), proof };
}

/** True when the lifetime that the sender gave it is over. VERIFY-6 */
export function isExpired(message: { readonly expiresAt: number | null }, now: number): boolean {
  return message.expiresAt !== null && message.expiresAt <= now;
}

function toMessage(
  e: Envelope,
  { topic, arrivedAt }: Arrival,
  answerTo: AnswerTo | null,
  expiresAt: number | null,
  proof: EnvelopeProof | null,
): InboxMessage {
  const { messageId, externalId } = inboxKey(e.message_id);
  return {
    messageId,
    externalId,
    topic,
    content: e.content,
    contentEncoding: e.content_encoding,
    contentType: e.content_type,
    checksum: e.checksum ?? checksumOf(e.content, e.content_encoding),
    attemptToken: e.attempt_token,
    retryCount: wholeNumber(e.retry_count),
    expiresAt,
    answerTo,
    proof,
    arrivedAt,
    traceparent: e.traceparent,
  };
}

/**
 * Where the ack goes: to the envelope's topic, when its last level is the message id; to `<prefix>/<id>` when it names none.
 * Other prefixes are accepted, because outboxes that share a broker have one each; the presence prefix is not.
 * @returns a text when there is no such topic
 */
function answerTarget(e: Envelope, options: VerifyOptions): AnswerTo | string {
  const topic = e.ack_topic === "" ? ackTopic(options.ackPrefix, e.message_id) : e.ack_topic;
  // VERIFY-2
  if (!topic.endsWith(`/${e.message_id}`)) return "ack_topic does not end in the message id";
  if (topicFault(topic) !== null) return "ack_topic is not a topic name";
  if (isUnder(topic, options.presencePrefix)) return "ack_topic lies under the presence prefix";
  return { topic, id: e.message_id };
}

function fieldFault(e: Envelope): string | null {
  if (!isPlain(e.attempt_token)) return "attempt_token is not a short plain text";
  if (!isPlain(e.content_type)) return "content_type is not a short plain text";
  return null;
}

/** VERIFY-4: content that is not the text that a publisher makes of the bytes under the checksum. */
function alteredFault(e: Envelope): string | null {
  if (!e.content.isWellFormed()) return "content contains a lone surrogate, which is not UTF-8";
  if (e.content_encoding === "utf8") return null;
  return Buffer.from(e.content, "base64").toString("base64") === e.content ? null : "content is not base64";
}

/** Content that PostgreSQL cannot store as it is would have another effect than the one that was sent. */
function contentFault(e: Envelope): string | null {
  return e.content.includes("\u0000")
    ? "content contains U+0000, which PostgreSQL cannot store in a text: send it as base64"
    : null;
}

function isPlain(text: string | null): boolean {
  return text === null || (text.length <= MAX_TEXT && text.isWellFormed() && !CONTROL.test(text));
}

function wholeNumber(value: number): number {
  return Number.isInteger(value) && value >= 0 && value <= MAX_RETRY_COUNT ? value : 0;
}

function malformed(reason: string): Verdict {
  return { kind: "malformed", reason };
}
