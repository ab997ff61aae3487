/** Notes that the handler of a message begins, for a message that is suspected of crashing its process (`crashes` in migrations/0001_inbox.sql). */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { Moved } from "./inbox.ts";
import type { Lease } from "./renew-leases.ts";

const MARK = `update acker.inbox set handling = true
where message_id = $1 and lease_owner = $2 and status = 'received' and lease_until is not null
returning message_id as "messageId"`;

/** @returns no row when another process owns the lease by now */
export function markHandling(pool: Pool, { messageId, owner }: Lease): Promise<DbResult<Moved>> {
  return pool.run(MARK, [messageId, owner]);
}
