/** Reads what became of one message in this inbox. */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { Receipt } from "@acktor/shared/inspect/receipts";

const READ = `
select received_at, deliveries, status, left(reason, 2000) as reason, processed_at
from acker.inbox where message_id = $1::uuid`;

/**
 * @param messageId a UUID
 * @returns no row when the inbox has never seen the message, or has forgotten it
 */
export function readReceipt(pool: Pool, messageId: string): Promise<DbResult<Receipt>> {
  return pool.run<Receipt>(READ, [messageId]);
}
