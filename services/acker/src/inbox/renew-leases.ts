/** Prolongs the leases of messages that a handler works on, so that a short lease does not limit a slow handler. */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { Moved } from "./inbox.ts";

export interface Lease {
  readonly messageId: string;
  /** `<run of the process>/<batch>`. */
  readonly owner: string;
}

const RENEW = `
update acker.inbox i set lease_until = now() + $3::float8 * interval '1 millisecond'
from (select * from unnest($1::uuid[], $2::text[]) l(message_id, owner) order by 1) l
where i.message_id = l.message_id and i.lease_owner = l.owner and i.status = 'received' and i.lease_until is not null
returning i.message_id as "messageId"`;

/** @returns the messages whose lease was prolonged */
export function renewLeases(pool: Pool, leases: readonly Lease[], leaseMs: number): Promise<DbResult<Moved>> {
  const ids = pgArray(leases.map((lease) => lease.messageId));
  return pool.run(RENEW, [ids, pgArray(leases.map((lease) => lease.owner)), leaseMs]);
}
