/** One message as the inbox has it. */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { Receipt } from "@acktor/shared/inspect/receipts";

export type ReceiptRead =
  | { readonly ok: true; readonly receipt: Receipt | null }
  | { readonly ok: false; readonly failure: DbFailure };

const READ = `
select received_at, deliveries, status, left(reason, 2000) as reason, processed_at
from acker.inbox where message_id = $1::uuid`;

/**
 * @param messageId a UUID
 * @returns null where the inbox has not seen it, or has forgotten it
 */
export async function readReceipt(pool: Pool, messageId: string): Promise<ReceiptRead> {
  const read = await pool.run<Receipt>(READ, [messageId]);
  return read.ok ? { ok: true, receipt: read.rows[0] ?? null } : read;
}
