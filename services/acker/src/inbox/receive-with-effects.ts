/**
 * Puts new messages into the inbox as processed, with the effects of their handlers: one statement, one commit.
 *
 * Invariants:
 *  1. All or nothing: a message that is there already, or an effect that PostgreSQL refuses, fails the statement, and each of its
 *     messages goes the usual way.
 *  2. Safe to go the usual way after a commit that nobody saw: the inbox knows the messages then.
 *  3. The lease on their batch ends in it where it is the batch's last statement.
 *
 * Half the writes of the usual way (insert, then outcome with effect).
 */
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";
import { type BatchLease, endParams, endText } from "./batch-lease.ts";
import { INSERT, type Incoming, parameters } from "./receive-messages.ts";
import { renderEffects, type SharedStatement, type WithEffect } from "./share-statements.ts";

export interface IncomingWithEffect<T extends Incoming> extends WithEffect {
  readonly item: T;
}

/** Runs one statement, of plain inserts and distinct ids. @param ending the lease that ends with it */
export function receiveWithEffects(
  pool: Pool,
  { items, row }: SharedStatement<IncomingWithEffect<Incoming>>,
  ending: BatchLease | null = null,
): Promise<DbResult<unknown>> {
  const sorted = items.toSorted((a, b) => (a.item.message.messageId < b.item.message.messageId ? -1 : 1));
  const params = asProcessed(sorted.map(({ item }) => item));
  const { bodies, params: values } = renderEffects({ items: sorted, row }, params.length + 1);
  return runAll(pool, bodies, [...params, ...values], ending);
}

/** The same for messages whose handlers have no effect of ours. */
export function receiveProcessed(
  pool: Pool,
  items: readonly Incoming[],
  ending: BatchLease | null,
): Promise<DbResult<unknown>> {
  const sorted = items.toSorted((a, b) => (a.message.messageId < b.message.messageId ? -1 : 1));
  return runAll(pool, [], asProcessed(sorted), ending);
}

function asProcessed(sorted: readonly Incoming[]): Param[] {
  return parameters(sorted, { born: "processed", owner: "", leaseMs: 0 });
}

function runAll(
  pool: Pool,
  effects: readonly string[],
  params: readonly Param[],
  ending: BatchLease | null,
): Promise<DbResult<unknown>> {
  const parts = [`inbox as (${INSERT})`, ...effects.map((body, i) => `effect_${i} as (${body})`)];
  if (ending !== null) parts.push(`ended as (${endText(params.length + 1)})`);
  const all = ending === null ? params : [...params, ...endParams(ending)];
  return pool.run(`with ${parts.join(",\n")}\nselect`, all);
}
