/** Messages for the models of outbox and inbox. */
import { randomUUID } from "node:crypto";
import type { InboxMessage } from "@acktor/acker/inbox/message";
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

export function inboxMessage(): InboxMessage {
  return {
    ...{ messageId: randomUUID(), externalId: null, topic: "sim/0", content: "x", contentEncoding: "utf8" },
    ...{ contentType: null, checksum: checksumOf("x", "utf8"), attemptToken: "1", retryCount: 0 },
    ...{ expiresAt: null, answerTo: null },
  };
}
