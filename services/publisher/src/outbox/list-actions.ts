/** The audit, newest first: who asked what of which service, and what came of it. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

export interface ActionRow {
  /** Identity as text: it may outgrow a number. */
  readonly action_id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly who: string;
  readonly action: string;
  /** Where it was asked; null for moves of messages. */
  readonly origin: string | null;
  readonly outcome: string;
  readonly messages: number;
  readonly detail: unknown;
}

const LIST = `select action_id::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') at, who, action, origin, outcome,
  messages::float8 messages, detail
from publisher.operator_action order by operator_action.action_id desc limit $1`;

/** @param limit 1 to 1,000 */
export async function listActions(pool: Pool, limit: number): Promise<Outcome<readonly ActionRow[]>> {
  const answer = await pool.run<ActionRow>(LIST, [limit]);
  return answer.ok ? { ok: true, value: [...answer.rows] } : answer;
}
