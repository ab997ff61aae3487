/**
 * Lists messages, newest first (GET /v1/messages). One call reads at most SCAN rows with any filter, so a rare topic among
 * millions costs a bounded time; the page is then short, and `nextBefore` says where to continue.
 */
import type { Param, Pool } from "@acktor/shared/db/pool";
import { allowedTopic, EVERY_TOPIC, type TopicFilters } from "../principals/topic-filters.ts";
import { MESSAGE_COLUMNS, type MessageRow } from "./get-message.ts";
import { isLive } from "./live-rows.ts";
import type { MessageState, Outcome } from "./outbox.ts";

const SCAN = 20_000;

export interface ListFilter {
  readonly state: MessageState | null;
  /** The complete topic. */
  readonly topic: string | null;
  /** Only ids below it: the `nextBefore` of the page before. */
  readonly before: string | null;
  /** 1 to 1,000. */
  readonly limit: number;
  /** Topics that the caller may see; every one when left out. */
  readonly read?: TopicFilters;
}

export interface MessagePage {
  readonly messages: readonly MessageRow[];
  /** Null when there is nothing further. A page may be short, or empty, and still have a next one. */
  readonly nextBefore: string | null;
}

/** Live and dead rows have partial indexes on the id; the rest is read down the primary key. */
function population(state: MessageState | null): string {
  if (state === "pending" || state === "sent") return isLive("m");
  if (state === "failed" || state === "expired") return "m.state in ('failed', 'expired')";
  return "true";
}

function statement(state: MessageState | null): string {
  return `with seen as materialized (
  select m.message_id, (m.state = $1 or $1 is null) and (m.topic = $2 or $2 is null) and ${allowedTopic("m.topic", 5)} hit from publisher.message_delivery m
  where ${population(state)} and m.message_id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  order by m.message_id desc limit ${SCAN}),
hits as materialized (select message_id from seen where hit order by message_id desc limit $4),
last as (
  select case when (select count(*) from hits) = $4 then (select min(message_id::text) from hits)
    when (select count(*) from seen) = ${SCAN} then (select min(message_id::text) from seen) end next_before)
select ${MESSAGE_COLUMNS}, last.next_before from last
left join (hits join lateral (
  select * from publisher.message_delivery m where m.message_id = hits.message_id limit 1) m on true) on true order by m.message_id desc`;
}

/** One page of messages, newest first. */
export async function listMessages(pool: Pool, filter: ListFilter): Promise<Outcome<MessagePage>> {
  const params: Param[] = [
    filter.state,
    filter.topic,
    filter.before,
    filter.limit,
    ...(filter.read ?? EVERY_TOPIC).params(),
  ];
  const answer = await pool.run<MessageRow & { next_before: string | null }>(statement(filter.state), params);
  if (!answer.ok) return answer;
  const nextBefore = answer.rows[0]?.next_before ?? null;
  const messages = answer.rows.filter((row) => row.message_id !== null).map(({ next_before: _, ...row }) => row);
  return { ok: true, value: { messages, nextBefore } };
}
