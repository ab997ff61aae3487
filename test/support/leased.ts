/** Leased rows for the dispatcher, without a database. */
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { checksumOf } from "@acktor/shared/protocol/envelope";

let made = 0;

/** A plain row at its first claim. Ids are numbered. */
export function leased(over: Partial<LeasedMessage> = {}): LeasedMessage {
  made++;
  const payload = over.payload ?? `content ${made}`;
  const contentEncoding = over.contentEncoding ?? "utf8";
  return {
    messageId: `01890a5d-ac96-774b-bcce-${made.toString(16).padStart(12, "0")}`,
    topic: "plant/1",
    payload,
    contentEncoding,
    contentType: null,
    qos: 1,
    retain: false,
    requiresAck: true,
    checksum: checksumOf(payload, contentEncoding),
    orderingKey: null,
    createdAt: 1_700_000_000,
    expiresInMs: null,
    attempts: 0,
    maxRetries: null,
    leaseToken: "1",
    traceparent: null,
    tracestate: null,
    ...over,
  };
}
