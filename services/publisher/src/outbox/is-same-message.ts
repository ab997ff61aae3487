/**
 * For the WHERE of a statement that joins acks to `message_delivery m`: content and topic that the ack names are this row's.
 * A topic that is too long for an ack is compared by its digest (shared/src/protocol/ack.ts, `topicInAck`).
 * @param ack alias with the columns `checksum` and `topic`, both null where the ack gives none
 */
export function isSameMessage(ack: string): string {
  return `m.checksum = coalesce(${ack}.checksum, m.checksum) and ${isSameTopic(ack)}`;
}

/** The part for the topic. */
export function isSameTopic(ack: string): string {
  const digest = "'sha256:' || encode(sha256(convert_to(m.topic, 'UTF8')), 'hex')";
  return `(${ack}.topic is null or m.topic = ${ack}.topic or (octet_length(m.topic) > 1024 and ${ack}.topic = ${digest}))`;
}
