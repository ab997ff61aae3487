/** Reads the states of many messages, for a sender that waits for all of them. */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import { allowedTopic, EVERY_TOPIC, type TopicFilters } from "../principals/topic-filters.ts";
import type { MessageState, Outcome } from "./outbox.ts";

const STATES = `select i.place, m.state from unnest($1::uuid[]) with ordinality i(id, place)
left join lateral (
  select state from publisher.message_delivery m where m.message_id = i.id and ${allowedTopic("m.topic", 2)} limit 1) m on true
order by i.place`;

/**
 * @param read topics that the caller may see
 * @returns the state of each, in the order of `messageIds`; null where the outbox has no message of this id (any longer)
 */
export async function readStates(
  pool: Pool,
  messageIds: readonly string[],
  read: TopicFilters = EVERY_TOPIC,
): Promise<Outcome<readonly (MessageState | null)[]>> {
  const answer = await pool.run<{ state: MessageState | null }>(STATES, [pgArray(messageIds), ...read.params()]);
  return answer.ok ? { ok: true, value: answer.rows.map((row) => row.state) } : answer;
}
