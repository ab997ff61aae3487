/** One message with its timeline (GET /v1/messages/:id). Field names are the table's columns. */
import type { Pool } from "@acktor/shared/db/pool";
import { isHeld } from "./held-rows.ts";
import { type AckView, type AttemptView, ackColumns, attemptColumns, FIRST_PAGE } from "./list-timeline.ts";
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
  readonly hold_seconds: number | null;
  /** The broker holds a copy for its receiver's session; the next one is sent then. Null: it holds none, as far as is known. */
  readonly held_until: string | null;
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

/** The first of each, and how many there are (`list-timeline.ts`). */
export interface MessageTimeline extends MessageRow {
  readonly attempts: readonly AttemptView[];
  readonly attempts_total: number;
  readonly acks: readonly AckView[];
  readonly acks_total: number;
}

/** For SELECT; `m` is the row. */
export const MESSAGE_COLUMNS = `m.message_id, m.topic, m.payload, m.content_encoding, m.content_type, m.qos, m.retain, m.requires_ack,
  m.state, m.created_at, m.updated_at, m.retry_count, m.max_retries, (m.ttl_ms / 1000.0)::float8 ttl_seconds, (m.hold_ms / 1000.0)::float8 hold_seconds,
  case when ${isHeld("m")} and m.due_at > now() then m.due_at end held_until, m.deliver_at, m.expires_at,
  m.checksum, m.reason, m.discarded_at, m.ordering_key, m.due_at, m.parked, m.lease_owner, m.lease_token::text attempt_token, m.sent_at,
  m.acknowledged_at, m.ack_level, m.late, m.traceparent, m.tracestate`;

const GET = `select ${MESSAGE_COLUMNS},
  ${attemptColumns(`limit ${FIRST_PAGE}`)},
  ${ackColumns(`limit ${FIRST_PAGE}`)}
from publisher.message_delivery m where m.message_id = $1::uuid`;

/** @returns the message, or null when the outbox has no message of this id (any longer) */
export async function getMessage(pool: Pool, messageId: string): Promise<Outcome<MessageTimeline | null>> {
  type Row = Omit<MessageTimeline, "attempts" | "acks"> & { readonly attempts: string; readonly acks: string };
  const answer = await pool.run<Row>(GET, [messageId]);
  if (!answer.ok) return answer;
  const [row] = answer.rows;
  if (row === undefined) return { ok: true, value: null };
  return { ok: true, value: { ...row, attempts: JSON.parse(row.attempts), acks: JSON.parse(row.acks) } };
}
