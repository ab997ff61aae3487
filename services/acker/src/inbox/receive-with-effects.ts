/**
 * Puts new messages into the inbox as processed, with the effects of their handlers: one statement, one commit. That is
 * half the writes of the usual way (insert, then outcome with effect).
 *
 * After a commit whose answer was lost the messages go the usual way: the inbox knows them then.
 *
 * Invariants:
 *  WITH_EFFECTS-1. All or nothing: a message that the inbox has already, or an effect that PostgreSQL refuses, fails the
 *                  statement, and each of its messages goes the usual way.
 *  WITH_EFFECTS-2. The last statement of a batch ends the batch's lease.
 */
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";
import { type BatchLease, endParams, endText } from "./batch-lease.ts";
import { INSERT, type Incoming, parameters } from "./receive-messages.ts";
import { renderEffects, type SharedStatement, type WithEffect } from "./share-statements.ts";

export interface IncomingWithEffect<T extends Incoming> extends WithEffect {
  readonly item: T;
}

/** Runs one statement, of plain inserts and distinct ids. @param ending the lease that ends with the statement */
export function receiveWithEffects(
  pool: Pool,
  { items, row }: SharedStatement<IncomingWithEffect<Incoming>>,
  ending: BatchLease | null,
): Promise<DbResult<unknown>> {
  const sorted = items.toSorted((a, b) => (a.item.message.messageId < b.item.message.messageId ? -1 : 1));
  const params = asProcessed(sorted.map(({ item }) => item));
  const { bodies, params: values } = renderEffects({ items: sorted, row }, params.length + 1);
  return runAll(pool, bodies, [...params, ...values], ending);
}

/** The same for messages whose handlers returned no SQL. */
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
  // WITH_EFFECTS-1: `INSERT` has no `on conflict`.
  const parts = [`inbox as (${INSERT})`, ...effects.map((body, i) => `effect_${i} as (${body})`)];
  // WITH_EFFECTS-2
  if (ending !== null) parts.push(`ended as (${endText(params.length + 1)})`);
  const all = ending === null ? params : [...params, ...endParams(ending)];
  return pool.run(`with ${parts.join(",\n")}\nselect`, all);
}
