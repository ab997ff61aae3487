/**
 * Whether a message may be replayed. The replay and its dry run use one text, so that the dry run cannot promise what the
 * replay refuses.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { idList, toOperatorResult } from "./operator-result.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import type { ReplayOptions } from "./replay-messages.ts";
import { planForFewRows } from "./sql-arrays.ts";

/** Null where the message may be replayed. $2 = the inbox window in ms, $3 = force, $4 = out of order. */
export const WHY_NOT = `case
      when state not in ('failed', 'expired') then format('the message is %s; only failed and expired ones can be replayed', state)
      when not $3::boolean and created_at < now() - $2::float8 * interval '1 millisecond'
        then 'the message is older than the inbox window, so its receiver may process it a second time; force replays it all the same'
      when not $4::boolean and ordering_key is not null
        then 'the message has an ordering key and would follow its successors; out_of_order replays it all the same' end`;

const JUDGE = `select i.id message_id, case when m.message_id is not null and ${WHY_NOT} is null then 'pending' end state,
  ${WHY_NOT} why
from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")}) i
left join publisher.message_delivery m on m.message_id = i.id`;

/** What `replayMessages` would answer now, without doing it. */
export async function judgeReplay(
  pool: Pool,
  messageIds: readonly string[],
  { inboxWindowMs, force, outOfOrder }: Pick<ReplayOptions, "inboxWindowMs" | "force" | "outOfOrder">,
): Promise<Outcome<OperatorResult>> {
  return toOperatorResult(await pool.run(JUDGE, [idList(messageIds), inboxWindowMs, force, outOfOrder]));
}
