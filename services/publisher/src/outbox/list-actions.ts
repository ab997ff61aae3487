/**
 * The audit, newest first: who asked which service for what, and the outcome.
 *
 * One call reads at most SCAN lines with any filter; the page is then short, and `nextBefore` says where to continue.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

export interface ActionRow {
  /** Identity as text: it may outgrow a number. */
  readonly action_id: string;
  /** ISO 8601. */
  readonly at: string;
  /** The authenticated principal, or the address of a caller that was refused. */
  readonly who: string;
  /** The name that the caller gave for itself, unproven. */
  readonly said: string | null;
  readonly action: string;
  /** The address from which it was asked. */
  readonly origin: string | null;
  readonly outcome: string;
  readonly messages: number;
  readonly detail: unknown;
}

const SCAN = 20_000;

export interface ActionFilter {
  /** Only lines below this id: the `nextBefore` of the page before. */
  readonly before: string | null;
  /** The complete name; null = any. */
  readonly who: string | null;
  readonly action: string | null;
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface ActionPage {
  readonly actions: readonly ActionRow[];
  /** Null when there is nothing further. A page may be short, or empty, and still have a next one. */
  readonly nextBefore: string | null;
}

const LIST = `with seen as materialized (
  select o.*, (o.who = $2 or $2 is null) and (o.action = $3 or $3 is null) hit
  from publisher.operator_action o where o.action_id < coalesce($1::int8, 9223372036854775807)
  order by o.action_id desc limit ${SCAN}),
hits as materialized (select * from seen where hit order by action_id desc limit $4),
last as (
  select case when (select count(*) from hits) = $4 then (select min(action_id) from hits)
    when (select count(*) from seen) = ${SCAN} then (select min(action_id) from seen) end::text next_before)
select h.action_id::text, to_char(h.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') at, h.who, h.said, h.action, h.origin, h.outcome,
  h.messages::float8 messages, h.detail, last.next_before
from last left join hits h on true order by h.action_id desc`;

export async function listActions(pool: Pool, filter: ActionFilter): Promise<Outcome<ActionPage>> {
  const { before, who, action, limit } = filter;
  const answer = await pool.run<ActionRow & { next_before: string | null }>(LIST, [before, who, action, limit]);
  if (!answer.ok) return answer;
  const actions = answer.rows.filter((row) => row.action_id !== null).map(({ next_before: _, ...row }) => row);
  return { ok: true, value: { actions, nextBefore: answer.rows[0]?.next_before ?? null } };
}
