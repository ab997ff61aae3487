/**
 * What an adversary without a key makes from envelopes and acks that it overheard: copies on other topics, altered fields,
 * answers for other messages. The campaign and the security tests publish the same forms.
 */
import { randomUUID } from "node:crypto";
import { checksumOf } from "@acktor/shared/protocol/envelope";

export type Json = Record<string, unknown>;

/** A PUBLISH to send. */
export interface Forgery {
  readonly topic: string;
  readonly payload: Json;
}

export interface Overheard {
  readonly envelope: Json;
  /** An honest ack; null before the first. */
  readonly ack: Json | null;
  /** The message that the forgery shall acknowledge or fail. */
  readonly id: string;
  /** A data topic to which an acker subscribes and to which no message was sent. */
  readonly elsewhere: string;
  readonly ackPrefix: string;
}

const NUL = "a\u0000b";

type Form = (overheard: Overheard) => Forgery;

const copy = (change: (overheard: Overheard) => Json): Form => {
  return (overheard) => ({ topic: overheard.elsewhere, payload: { ...overheard.envelope, ...change(overheard) } });
};
const inPlace = (change: Json): Form => {
  return ({ envelope }) => ({ topic: String(envelope["topic"]), payload: { ...envelope, ...change } });
};

function sameBytes(content: string, encoding: unknown): string {
  return encoding === "base64" ? `${content.slice(0, 2)}\n${content.slice(2)}` : content.replaceAll("\ufffd", "\ud800");
}

/** Forgeries that try to make an acker send a wrong ack. */
export const OF_ENVELOPES: readonly Form[] = [
  copy(() => ({})),
  copy(({ elsewhere }) => ({ topic: elsewhere })),
  copy(() => ({ content: NUL })),
  copy(() => ({ content: NUL, checksum: checksumOf(NUL, "utf8") })),
  copy(() => ({ content: NUL, checksum: undefined })),
  copy(() => ({ content: "other", checksum: checksumOf("other", "utf8") })),
  copy(() => ({ content: "damaged" })),
  copy(() => ({ content_encoding: "base64" })),
  copy(() => ({ signature: undefined, outbox: undefined, topic: undefined })),
  copy(() => ({ signature: undefined })),
  copy(() => ({ attempt_token: undefined })),
  copy(() => ({ expires_in: 1e9 })),
  copy(() => ({ outbox: randomUUID() })),
  copy(({ id, ackPrefix }) => ({ message_id: id, ack_topic: `${ackPrefix}/${id}` })),
  copy(({ id, ackPrefix }) => ({ ack_topic: `${ackPrefix}/${id}` })),
  copy(() => ({ retry_count: 0, attempt_token: "99" })),
  // Another text with the same bytes: the checksum is the same.
  ({ envelope }) => ({
    topic: String(envelope["topic"]),
    payload: { ...envelope, content: sameBytes(String(envelope["content"]), envelope["content_encoding"]) },
  }),
  inPlace({ content: NUL }),
  inPlace({ content: "other", checksum: checksumOf("other", "utf8") }),
  inPlace({ signature: "v2:hmac-sha256:0000000000000000:00" }),
];

const answer = (change: Json): Form => {
  return ({ ack, ackPrefix }) => ({
    topic: `${ackPrefix}/${String(ack?.["message_id"])}`,
    payload: { ...ack, ...change },
  });
};

/** Forgeries that try to make a publisher settle a message wrongly. */
export const OF_ACKS: readonly Form[] = [
  ({ ack, id, ackPrefix }) => ({ topic: `${ackPrefix}/${id}`, payload: { ...ack, message_id: id } }),
  answer({ status: "processed", client_id: "forger", reason: undefined, retryable: undefined }),
  answer({ status: "rejected", reason: "forged", retryable: false }),
  // The same ack again.
  answer({}),
  answer({ retryable: false, client_id: "forger" }),
  answer({ retry_after: 86_400, client_id: "forger" }),
  answer({ working_for: 86_400, client_id: "forger" }),
  answer({ client_id: "forger" }),
  answer({ topic: "forged", client_id: "forger" }),
  ({ id, ackPrefix }) => ({ topic: `${ackPrefix}/${id}`, payload: {} }),
  ({ id, ackPrefix }) => ({
    topic: `${ackPrefix}/${id}`,
    payload: { client_id: "forger", status: "processed", signature: "AAAA" },
  }),
];

/** The forms in turn; the forms of acks only after an ack was overheard. */
export function forge(at: number, overheard: Overheard): Forgery {
  const forms = overheard.ack === null ? OF_ENVELOPES : [...OF_ENVELOPES, ...OF_ACKS];
  const form = forms[at % forms.length];
  if (form === undefined) throw new Error("there is no form of forgery");
  return form(overheard);
}
