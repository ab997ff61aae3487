/** The fault lab's judge, as an assertion of end-to-end tests. */
import assert from "node:assert/strict";
import { type Expectation, judge, type Verdict } from "@acktor/chaos/check/judge";
import type { Pool } from "@acktor/shared/db/pool";

/** Fails when a message was lost, was processed twice or made an illegal state change. */
export async function assertDelivered(pool: Pick<Pool, "run">, expected: Expectation): Promise<void> {
  const clean: Verdict = { lost: [], doubleEffects: [], illegalMoves: [], ackedWithoutEffect: [], strayEffects: [] };
  assert.deepEqual(await judge(pool, expected), clean);
}
