/**
 * Questions of the doctor to PostgreSQL, one object each, and how they are asked. `database-checks.ts` lists them.
 *
 * Invariants:
 *  DATABASE_CHECK-1. A question that fails, or is not permitted, is a WARN of its own check; the others are asked.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import { printable } from "../terminal/printable.ts";
import type { Texts } from "../texts/texts.ts";
import { type Check, warn } from "./check.ts";

export interface DatabaseContext {
  readonly texts: Texts["doctor"];
  readonly config: PublisherSettings;
}

/** `Row` has the columns of the question. */
export interface DatabaseCheck<Row extends object> {
  /** Name of the check in the answer: `locks`, `replication slots`. */
  readonly id: string;
  /** A table or view without which the question has no meaning: then it is not asked. */
  readonly needs?: string;
  /** One SELECT without parameters, of few rows. */
  readonly question: string;
  /** `ok`, `warn` or `failed` with finding, remedy and data, all under `id`; null: nothing to show. */
  judge(rows: readonly Row[], context: DatabaseContext): Check | null;
}

/** A check whose rows have been forgotten, so that checks of different rows are in one list. */
export interface AskedCheck {
  ask(pool: Pick<Pool, "run">, context: DatabaseContext): Promise<Check | null>;
}

export function databaseCheck<Row extends object>(check: DatabaseCheck<Row>): AskedCheck {
  return { ask: (pool, context) => ask(check, pool, context) };
}

async function ask<Row extends object>(
  check: DatabaseCheck<Row>,
  pool: Pick<Pool, "run">,
  context: DatabaseContext,
): Promise<Check | null> {
  const { id, needs, question } = check;
  if (needs !== undefined) {
    const there = await pool.run<{ there: boolean }>("select to_regclass($1) is not null there", [needs]);
    if (!there.ok || there.rows[0]?.there !== true) return null;
  }
  const answer = await pool.run<Row>(question);
  if (answer.ok) return check.judge(answer.rows, context);
  // DATABASE_CHECK-1
  const { code, message } = answer.failure;
  return warn(id, `${printable(message, 200)} (${code})`, context.texts.questionFix, { code });
}
