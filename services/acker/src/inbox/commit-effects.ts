/**
 * Commits the SQL that handlers return together with the outcome of their messages: one statement.
 *
 * Invariants:
 *  COMMIT-1. All or nothing: `processed` and the effects of every message of the statement, or neither of any.
 *  COMMIT-2. Fenced: the statement fails with `LEASE_LOST` when one of its leases has another owner by now.
 *  COMMIT-3. After a commit whose answer was lost the same statement says LEASE_LOST; `findProcessed` tells the two apart.
 *
 * The effects of a statement have one shape. A batch of plain inserts costs the server about a third of what single
 * statements cost, and one flush of the log instead of many.
 */
import { type ClosingStatement, FENCE } from "@acktor/shared/db/fenced-transaction";
import { type DbResult, type Param, type Pool, pgArray } from "@acktor/shared/db/pool";
import { type Fragment, isQuery } from "./fragment.ts";
import type { Moved } from "./inbox.ts";
import type { Lease } from "./renew-leases.ts";
import { renderEffects, type SharedStatement } from "./share-statements.ts";

export interface EffectOf {
  readonly lease: Lease;
  readonly effect: Fragment;
}

export const LEASE_LOST = "ACK01";

/** COMMIT-2: raises LEASE_LOST when fewer rows moved than the statement has messages. */
const REQUIRE_LEASES = "acker.require_leases((select count(*) from moved), $3::int4)";

/** Runs one statement, of distinct ids. COMMIT-1: leases, outcomes and effects are parts of it. */
export function commitEffects(pool: Pool, statement: SharedStatement<EffectOf>): Promise<DbResult<unknown>> {
  const { items } = statement;
  const params: Param[] = [
    pgArray(items.map(({ lease }) => lease.messageId)),
    pgArray(items.map(({ lease }) => lease.owner)),
    items.length,
  ];
  const rendered = renderEffects(statement, params.length + 1);
  params.push(...rendered.params);
  const effects = rendered.bodies.map((body, i) => `effect_${i} as (${body})`);
  const [first] = items;
  const asked = first !== undefined && isQuery(first.effect) ? ["(select count(*) from effect_0)"] : [];
  const text = `with done as materialized (select * from unnest($1::uuid[], $2::text[]) d(message_id, owner) order by 1),
moved as (
  update acker.inbox i set status = 'processed', reason = null, lease_until = null, handling = false, processed_at = now()
  from done d where i.message_id = d.message_id and i.status = 'received' and i.lease_owner = d.owner
  returning i.message_id),
${effects.join(",\n")}
select ${[REQUIRE_LEASES, ...asked].join(", ")}`;
  return pool.run(text, params);
}

const FIND = `select i.message_id as "messageId" from acker.inbox i
join unnest($1::uuid[], $2::text[]) d(message_id, owner) using (message_id)
where i.lease_owner = d.owner and i.status = 'processed'`;

/** COMMIT-3. @returns the messages that this owner has processed already */
export function findProcessed(pool: Pool, leases: readonly Lease[]): Promise<DbResult<Moved>> {
  return pool.run(FIND, [pgArray(leases.map((l) => l.messageId)), pgArray(leases.map((l) => l.owner))]);
}

/** Ends a handler's transaction: the message is processed under this lease, in the fenced transaction. */
export function closingOf({ messageId, owner }: Lease): ClosingStatement {
  return {
    text: `update acker.inbox set status = 'processed', reason = null, lease_until = null, handling = false, processed_at = now()
where message_id = $1::uuid and lease_owner = $2::text and status = 'received' and ${FENCE} = $3::text
returning message_id`,
    params: [messageId, owner],
  };
}
