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
import { type Fragment, renderAll, shapeOf } from "./fragment.ts";
import { INSERT, type Incoming, parameters } from "./receive-messages.ts";
import { piecesOf } from "./statement-sizes.ts";

export interface IncomingWithEffect<T extends Incoming> {
  readonly item: T;
  readonly effect: Fragment;
}

/** What may share a statement: plain inserts of one shape, in prepared sizes. */
export function statementsOf<T extends Incoming>(batch: readonly IncomingWithEffect<T>[]): IncomingWithEffect<T>[][] {
  const byShape = new Map<string, IncomingWithEffect<T>[]>();
  for (const item of batch) {
    const shape = shapeOf(item.effect);
    const group = byShape.get(shape);
    if (group === undefined) byShape.set(shape, [item]);
    else group.push(item);
  }
  return [...byShape.values()].flatMap((group) => piecesOf(group));
}

export function receiveWithEffects(
  pool: Pool,
  batch: readonly IncomingWithEffect<Incoming>[],
): Promise<DbResult<unknown>> {
  const sorted = batch.toSorted((a, b) => (a.item.message.messageId < b.item.message.messageId ? -1 : 1));
  const params = parameters(
    sorted.map(({ item }) => item),
    { born: "processed", owner: "", leaseMs: 0 },
  );
  const bodies = renderAll(
    sorted.map(({ effect }) => effect),
    params.length + 1,
  );
  for (const { effect } of sorted) params.push(...effect.values);
  const effects = bodies.map((body, i) => `effect_${i} as (${body})`);
  return pool.run(`with inbox as (${INSERT}),\n${effects.join(",\n")}\nselect`, params);
}
