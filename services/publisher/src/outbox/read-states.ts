/** In which states messages are: for who has sent many and waits for all of them. */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import type { MessageState, Outcome } from "./outbox.ts";

const STATES = `select i.place, m.state from unnest($1::uuid[]) with ordinality i(id, place)
left join lateral (select state from publisher.message_delivery m where m.message_id = i.id limit 1) m on true
order by i.place`;

/** @returns the state of each, in the order of `messageIds`; null where the outbox has none of this id (any more) */
export async function readStates(
  pool: Pool,
  messageIds: readonly string[],
): Promise<Outcome<readonly (MessageState | null)[]>> {
  const answer = await pool.run<{ state: MessageState | null }>(STATES, [pgArray(messageIds)]);
  return answer.ok ? { ok: true, value: answer.rows.map((row) => row.state) } : answer;
}
