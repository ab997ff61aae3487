/** Reads the topic of a message, to decide whether a principal may use it. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

/** @returns null where the outbox has no message of this id (any longer) */
export async function readTopic(pool: Pool, messageId: string): Promise<Outcome<string | null>> {
  const text = "select topic from publisher.message_delivery m where m.message_id = $1::uuid limit 1";
  const answer = await pool.run<{ topic: string }>(text, [messageId]);
  return answer.ok ? { ok: true, value: answer.rows[0]?.topic ?? null } : answer;
}
