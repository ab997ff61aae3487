/**
 * Puts new messages into the inbox together with the effects of their handlers: one statement, one commit, no lease.
 *
 * Invariants:
 *  1. All or nothing: a message that is there already, or an effect that PostgreSQL refuses, fails the statement, and each of its
 *     messages goes the usual way.
 *  2. Safe to go the usual way after a commit that nobody saw: the inbox knows the messages then.
 *
 * For handlers that only compute: half the writes of the usual way (insert, then outcome with effect).
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { INSERT, type Incoming, parameters } from "./receive-messages.ts";
import { renderEffects, type SharedStatement, type WithEffect } from "./share-statements.ts";

export interface IncomingWithEffect<T extends Incoming> extends WithEffect {
  readonly item: T;
}

/** Runs one statement, of plain inserts and distinct ids. */
export function receiveWithEffects(
  pool: Pool,
  { items, row }: SharedStatement<IncomingWithEffect<Incoming>>,
): Promise<DbResult<unknown>> {
  const sorted = items.toSorted((a, b) => (a.item.message.messageId < b.item.message.messageId ? -1 : 1));
  const params = parameters(
    sorted.map(({ item }) => item),
    { born: "processed", owner: "", leaseMs: 0 },
  );
  const { bodies, params: values } = renderEffects({ items: sorted, row }, params.length + 1);
  const effects = bodies.map((body, i) => `effect_${i} as (${body})`);
  return pool.run(`with inbox as (${INSERT}),\n${effects.join(",\n")}\nselect`, [...params, ...values]);
}
