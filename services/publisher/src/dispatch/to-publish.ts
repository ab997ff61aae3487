/**
 * From a row to a PUBLISH: the envelope and the MQTT 5 properties (docs/reference/protocol.md).
 *
 * Invariants:
 *  TO_PUBLISH-1. A copy lives in a broker's queue until the next one is sent, also when that is late, and no longer: a device
 *     that wakes always finds one, and few find two. No copy outlives its message.
 */
import type { OutgoingPublish } from "@acktor/shared/link/link";
import { type Envelope, encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { ackTopic } from "@acktor/shared/protocol/topics";
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { EnvelopeSeal } from "./envelope-seal.ts";

/** MQTT 5 keeps expiry in 32 bits. */
const MAX_EXPIRY_SECONDS = 4_294_967_295;
/** How late the next copy may be: a restart of the publisher takes 2 to 4 s, a reconnection up to 30 s. */
const LATE_MS = 5_000;
const LATE_PART = 0.1;

export interface Outgoing {
  readonly message: LeasedMessage;
  readonly ackPrefix: string;
  readonly seal: EnvelopeSeal;
  /** Milliseconds of life left now; null = no TTL. */
  readonly lifeLeftMs: number | null;
  /** Milliseconds to this message's next PUBLISH, as planned. */
  readonly nextInMs: number;
  /** Of this PUBLISH's own span; the row's where it has none. */
  readonly traceparent?: string | null;
}

/** Builds the PUBLISH of one attempt. */
export function toPublish({ message, ackPrefix, seal, lifeLeftMs, nextInMs, ...more }: Outgoing): OutgoingPublish {
  const traceparent = more.traceparent ?? message.traceparent;
  const answerOn = ackTopic(ackPrefix, message.messageId);
  const envelope: Envelope = {
    message_id: message.messageId,
    content: message.payload,
    timestamp: message.createdAt,
    requires_ack: message.requiresAck,
    ack_topic: answerOn,
    retry_count: message.attempts,
    checksum: message.checksum,
    content_encoding: message.contentEncoding,
    content_type: message.contentType,
    ordering_key: message.orderingKey,
    attempt_token: message.leaseToken,
    expires_in: lifeLeftMs === null ? null : Math.floor(lifeLeftMs) / 1_000,
    traceparent,
    topic: message.topic,
    outbox: seal.outbox,
    signature: null,
  };
  const payload = encodeEnvelope(envelope, seal.sign(envelope));
  const isLast = message.retain || !message.requiresAck;
  const expirySeconds = expiry(lifeLeftMs, isLast ? Number.POSITIVE_INFINITY : nextInMs);
  return {
    topic: message.topic,
    payload,
    qos: message.qos,
    retain: message.retain,
    ...(expirySeconds === null ? {} : { expirySeconds }),
    ...(message.requiresAck ? { responseTopic: answerOn, correlationData: Buffer.from(message.messageId) } : {}),
    contentType: "application/json",
    ...(traceparent === null ? {} : { userProperties: traceProperties(traceparent, message.tracestate) }),
  };
}

function traceProperties(traceparent: string, tracestate: string | null): Record<string, string> {
  return tracestate === null ? { traceparent } : { traceparent, tracestate };
}

/**
 * @param nextInMs infinite: no copy follows, or (retained) the copy is for later subscribers
 * @returns null for a copy without an end
 */
function expiry(lifeLeftMs: number | null, nextInMs: number): number | null {
  // TO_PUBLISH-1
  const ms = Math.min(lifeLeftMs ?? Number.POSITIVE_INFINITY, nextInMs + LATE_MS + LATE_PART * nextInMs);
  return ms === Number.POSITIVE_INFINITY ? null : Math.min(MAX_EXPIRY_SECONDS, Math.max(1, Math.ceil(ms / 1_000)));
}
