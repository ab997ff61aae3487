/** Headers of a signed webhook, in the form of Standard Webhooks (standardwebhooks.com): id, timestamp, `v1` signature. */
import { createHmac } from "node:crypto";

export interface SignedPart {
  readonly id: string;
  /** Seconds since 1970, whole. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** @param secret `whsec_<base64>`, or any text, whose bytes are the key; null = not signed */
export function webhookHeaders({ id, timestamp, body }: SignedPart, secret: string | null): Record<string, string> {
  const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp) };
  if (secret === null) return headers;
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
  const digest = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  return { ...headers, "webhook-signature": `v1,${digest}` };
}
