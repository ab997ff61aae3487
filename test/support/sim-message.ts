/** A message for the model of the outbox. */
import { randomUUID } from "node:crypto";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { checksumOf } from "@acktor/shared/protocol/envelope";

export function outboxMessage(): [id: string, message: NewMessage] {
  const messageId = randomUUID();
  const message: NewMessage = {
    messageId,
    topic: "sim/0",
    payload: "x",
    contentEncoding: "utf8",
    contentType: null,
    qos: 1,
    retain: false,
    requiresAck: true,
    checksum: checksumOf("x", "utf8"),
    orderingKey: null,
    maxRetries: null,
    ttlMs: null,
    deliverAt: null,
    traceparent: null,
    tracestate: null,
    leased: true,
    idempotency: null,
  };
  return [messageId, message];
}
