/** One message with its timeline (SPEC 4, GET /v1/messages/:id). Column names are the table's: the tutorial's readers know them. */
import type { Pool } from "@acktor/shared/db/pool";
import type { MessageState, Outcome } from "./outbox.ts";

/** The row, times as ISO 8601. */
export interface MessageRow {
  readonly message_id: string;
  readonly topic: string;
  readonly payload: string;
  readonly content_encoding: "utf8" | "base64";
  readonly content_type: string | null;
  readonly qos: number;
  readonly retain: boolean;
  readonly requires_ack: boolean;
  readonly state: MessageState;
  readonly created_at: string;
  readonly updated_at: string;
  readonly retry_count: number;
  readonly max_retries: number | null;
  readonly ttl_seconds: number | null;
  readonly deliver_at: string | null;
  readonly expires_at: string | null;
  readonly checksum: string;
  readonly reason: string | null;
  /** When an operator discarded it from the dead letters. */
  readonly discarded_at: string | null;
  readonly ordering_key: string | null;
  readonly due_at: string | null;
  readonly parked: boolean;
  readonly lease_owner: string | null;
  readonly attempt_token: string;
  readonly sent_at: string | null;
  readonly acknowledged_at: string | null;
  readonly ack_level: "processed" | "broker" | null;
  readonly late: boolean;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

/** One PUBLISH and what became of it. */
export interface AttemptView {
  readonly attempt: number;
  readonly outcome: "acked" | "lost" | "refused" | "rejected";
  readonly reason_code: number | null;
  readonly breaker: string | null;
  readonly sent_at: string | null;
  /** Of a rejection. */
  readonly client_id: string | null;
  readonly detail: string | null;
}

export interface AckView {
  readonly client_id: string;
  readonly acknowledged_at: string;
  readonly late: boolean;
  readonly level: "processed" | "broker" | "operator";
}

export interface MessageTimeline extends MessageRow {
  readonly attempts: readonly AttemptView[];
  readonly acks: readonly AckView[];
}

/** For SELECT; `m` is the row. */
export const MESSAGE_COLUMNS = `m.message_id, m.topic, m.payload, m.content_encoding, m.content_type, m.qos, m.retain, m.requires_ack,
  m.state, m.created_at, m.updated_at, m.retry_count, m.max_retries, (m.ttl_ms / 1000.0)::float8 ttl_seconds, m.deliver_at, m.expires_at,
  m.checksum, m.reason, m.discarded_at, m.ordering_key, m.due_at, m.parked, m.lease_owner, m.lease_token::text attempt_token, m.sent_at,
  m.acknowledged_at, m.ack_level, m.late, m.traceparent, m.tracestate`;

// Times inside JSON get the same form as the driver gives columns.
const iso = (time: string): string => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const GET = `select ${MESSAGE_COLUMNS},
  (select coalesce(json_agg(json_build_object('attempt', a.attempt, 'outcome', a.outcome, 'reason_code', a.reason_code,
      'breaker', a.breaker, 'sent_at', ${iso("a.sent_at")}, 'client_id', a.client_id, 'detail', a.detail) order by a.place, a.seq), '[]')
    from (
      select 0 place, t.seq, t.attempt, t.outcome, t.reason_code, t.breaker, t.sent_at, t.client_id, t.detail
      from publisher.delivery_attempt t where t.message_id = m.message_id
      union all
      select 1, 0, m.attempts, m.last_outcome, m.last_reason_code, m.last_breaker, m.sent_at, null, null
      where m.last_outcome <> 'rejected' and m.attempts > 0) a)::text attempts,
  (select coalesce(json_agg(json_build_object('client_id', k.client_id, 'acknowledged_at', ${iso("k.acknowledged_at")},
      'late', k.late, 'level', k.level) order by k.acknowledged_at, k.client_id), '[]')
    from publisher.delivery_acknowledgment k where k.message_id = m.message_id)::text acks
from publisher.message_delivery m where m.message_id = $1::uuid`;

/** @returns the message, or null when the outbox has none of this id (any more) */
export async function getMessage(pool: Pool, messageId: string): Promise<Outcome<MessageTimeline | null>> {
  const answer = await pool.run<MessageRow & { attempts: string; acks: string }>(GET, [messageId]);
  if (!answer.ok) return answer;
  const [row] = answer.rows;
  if (row === undefined) return { ok: true, value: null };
  return { ok: true, value: { ...row, attempts: JSON.parse(row.attempts), acks: JSON.parse(row.acks) } };
}
