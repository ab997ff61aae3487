/**
 * The attempts of a message, and its acks, in pages (GET /v1/messages/:id/attempts, …/acks).
 *
 * Invariants:
 *  TIMELINE-1. No answer has more than a page of either. Any client that may write to the ack prefix can send acks under
 *              made-up client ids: 6 MB of them came in one answer.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

/** What a message's own answer has of each. */
export const FIRST_PAGE = 100;
export const MOST_OF_A_PAGE = 500;

/** One PUBLISH and its outcome. */
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

export interface TimelinePage<View> {
  readonly items: readonly View[];
  readonly total: number;
  /** For `after` of the next page; null when this is the last one. */
  readonly nextAfter: number | null;
}

/** `after`: how many come before the page. */
export interface PageOptions {
  readonly after: number;
  readonly limit: number;
}

// Times inside JSON get the same form as the driver gives columns.
const iso = (time: string): string => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const ATTEMPTS = `(select 0 place, t.seq, t.attempt, t.outcome, t.reason_code, t.breaker, t.sent_at, t.client_id, t.detail
    from publisher.delivery_attempt t where t.message_id = m.message_id
    union all
    select 1, 0, m.attempts, m.last_outcome, m.last_reason_code, m.last_breaker, m.sent_at, null, null
    where m.last_outcome <> 'rejected' and m.attempts > 0)`;
const ACKS = "(select * from publisher.delivery_acknowledgment k where k.message_id = m.message_id)";

/**
 * For SELECT from message_delivery m: one page as JSON text, and how many there are.
 * @param page `limit … offset …`
 */
export function attemptColumns(page: string): string {
  return `(select coalesce(json_agg(json_build_object('attempt', a.attempt, 'outcome', a.outcome, 'reason_code', a.reason_code,
      'breaker', a.breaker, 'sent_at', ${iso("a.sent_at")}, 'client_id', a.client_id, 'detail', a.detail) order by a.place, a.seq), '[]')
    from (select * from ${ATTEMPTS} a order by a.place, a.seq ${page}) a)::text attempts,
  (select count(*)::int4 from ${ATTEMPTS} a) attempts_total`;
}

/** The same of the acks. */
export function ackColumns(page: string): string {
  return `(select coalesce(json_agg(json_build_object('client_id', k.client_id, 'acknowledged_at', ${iso("k.acknowledged_at")},
      'late', k.late, 'level', k.level) order by k.acknowledged_at, k.client_id), '[]')
    from (select * from ${ACKS} k order by k.acknowledged_at, k.client_id ${page}) k)::text acks,
  (select count(*)::int4 from ${ACKS} k) acks_total`;
}

// TIMELINE-1
const PAGE = "limit $2::int4 offset $3::int4";
const FROM = "from publisher.message_delivery m where m.message_id = $1::uuid";
const LISTS = {
  attempts: `select ${attemptColumns(PAGE)} ${FROM}`,
  acks: `select ${ackColumns(PAGE)} ${FROM}`,
} as const;

interface Views {
  readonly attempts: AttemptView;
  readonly acks: AckView;
}

/** @returns null when the outbox has no message of this id */
export async function listTimeline<What extends keyof Views>(
  pool: Pool,
  what: What,
  messageId: string,
  { after, limit }: PageOptions,
): Promise<Outcome<TimelinePage<Views[What]> | null>> {
  const answer = await pool.run<Record<string, unknown>>(LISTS[what], [messageId, limit, after]);
  if (!answer.ok) return answer;
  const [row] = answer.rows;
  if (row === undefined) return { ok: true, value: null };
  const items = JSON.parse(String(row[what])) as readonly Views[What][];
  const total = Number(row[`${what}_total`]);
  const end = after + items.length;
  return { ok: true, value: { items, total, nextAfter: items.length > 0 && end < total ? end : null } };
}
