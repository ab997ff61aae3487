/** A row of `message_delivery` that was just leased, as SQL gives it and as the dispatcher takes it. */
import type { ContentEncoding } from "@acktor/shared/protocol/envelope";
import { hasNoSession } from "./held-rows.ts";
import type { LeasedMessage } from "./outbox.ts";

/**
 * Columns for RETURNING; `m` is the row. Milliseconds of life left are counted by the database's clock. Times that are not
 * finite cannot be subtracted before PostgreSQL 17: created then means now, and expiring then means never.
 */
export const LEASED_COLUMNS = `m.message_id, m.topic, m.payload, m.content_encoding, m.content_type, m.qos, m.retain,
  m.requires_ack, m.checksum, m.ordering_key,
  extract(epoch from case when isfinite(m.created_at) then m.created_at else now() end)::float8 created_at,
  (extract(epoch from case when isfinite(m.expires_at) then m.expires_at end - now()) * 1000)::float8 expires_in_ms, m.attempts, m.max_retries,
  m.lease_token::text lease_token, m.traceparent, m.tracestate, m.hold_ms::float8 hold_ms, ${hasNoSession("m")} no_session`;

export interface LeasedRow {
  readonly message_id: string;
  readonly topic: string;
  readonly payload: string;
  readonly content_encoding: ContentEncoding;
  readonly content_type: string | null;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly requires_ack: boolean;
  readonly checksum: string;
  readonly ordering_key: string | null;
  readonly created_at: number;
  readonly expires_in_ms: number | null;
  readonly attempts: number;
  readonly max_retries: number | null;
  readonly lease_token: string;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly hold_ms: number | null;
  readonly no_session: boolean;
}

/** One below the largest that the column holds: the next attempt still has a number. */
const MOST_ATTEMPTS = 2_147_483_646;

export function toLeased(row: LeasedRow): LeasedMessage {
  return {
    messageId: row.message_id,
    topic: row.topic,
    payload: row.payload,
    contentEncoding: row.content_encoding,
    contentType: row.content_type,
    qos: row.qos,
    retain: row.retain,
    requiresAck: row.requires_ack,
    checksum: row.checksum,
    orderingKey: row.ordering_key,
    createdAt: row.created_at,
    expiresInMs: row.expires_in_ms,
    attempts: Math.min(row.attempts, MOST_ATTEMPTS),
    maxRetries: row.max_retries,
    leaseToken: row.lease_token,
    traceparent: row.traceparent,
    tracestate: row.tracestate,
    holdMs: row.hold_ms,
    noSession: row.no_session,
  };
}
