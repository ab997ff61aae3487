/** Signed envelopes and acks, as the services make them. */
import { EnvelopeSeal } from "@acktor/publisher/dispatch/envelope-seal";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import type { Ack } from "@acktor/shared/protocol/ack";
import { AckSigner, AckTrust, type AckTrustOptions } from "@acktor/shared/protocol/ack-proof";
import { checksumOf, type Envelope, encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { EnvelopeSigner } from "@acktor/shared/protocol/envelope-proof";
import type { NamedKey } from "@acktor/shared/protocol/keys";

/** Id of the outbox where the test has no database. */
export const OUTBOX = "5b0c0e0e-0000-4000-8000-000000000001";

/** Of a publisher without a signing key. */
export const UNSEALED = new EnvelopeSeal(null, new OutboxIdentity());

/** What a signer signs with. */
export type TestKey = string | NamedKey;

/** A processed ack, with everything that a signature asks for. */
export function plainAck(over: Partial<Ack> = {}): Ack {
  return {
    message_id: "0191f3c4-7f00-7000-8000-000000000001",
    client_id: "c1",
    status: "processed",
    reason: null,
    retryable: true,
    attempt_token: "1",
    topic: null,
    checksum: null,
    signature: null,
    ...over,
  };
}

export function signerOf(key: TestKey): AckSigner {
  const signer = AckSigner.of(
    typeof key === "string" ? { privateKey: null, secret: key } : { privateKey: key, secret: null },
  );
  if (signer === null) throw new Error("no key, no signer");
  return signer;
}

/** The ack under a signature of version 2; of version 1 where `outbox` is null. */
export function signed(ack: Ack, key: TestKey, outbox: string | null = OUTBOX): Ack {
  return { ...ack, signature: signerOf(key).sign(ack, outbox) };
}

export function trustOf(over: Partial<AckTrustOptions>): AckTrust {
  const trust = AckTrust.of({ secrets: [], publicKeys: [], versions: ["2"], ...over });
  if (trust === null) throw new Error("no key, no trust");
  return trust;
}

/** An envelope with defaults for missing fields, signed as by a publisher, as a JSON object. */
export function sealed(over: Partial<Envelope> & Pick<Envelope, "message_id" | "topic">, key: TestKey): object {
  const content = over.content ?? "";
  const envelope: Envelope = {
    content,
    timestamp: 1,
    requires_ack: true,
    ack_topic: `delivery/ack/${over.message_id}`,
    retry_count: 0,
    checksum: checksumOf(content, over.content_encoding ?? "utf8"),
    content_encoding: "utf8",
    content_type: null,
    ordering_key: null,
    attempt_token: "1",
    expires_in: null,
    traceparent: null,
    outbox: OUTBOX,
    signature: null,
    ...over,
  };
  const keys = typeof key === "string" ? { privateKey: null, secret: key } : { privateKey: key, secret: null };
  return JSON.parse(encodeEnvelope(envelope, EnvelopeSigner.of(keys)?.sign(envelope) ?? null)) as object;
}
