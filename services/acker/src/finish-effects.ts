/**
 * Effects that handlers return, committed with the inbox: fragments in shared statements where that is the same, one by one
 * where it is not; transactions on connections of their own.
 *
 * Invariants:
 *  1. Every effect ends in exactly one of: committed, fenced, refused, abandoned; nothing throws.
 *  2. One effect's fault is its own: a refused statement is halved until the faulty one stands alone.
 *  3. While the database is away fragments wait until `signal` says otherwise; nothing is refused for it.
 */
import type { ClosingStatement, TransactionOutcome, TransactionSlots } from "@acktor/shared/db/fenced-transaction";
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { printable } from "@acktor/shared/runtime/logger";
import { pause, unlessAborted } from "@acktor/shared/runtime/pause";
import type { TransactionEffect } from "./handle/handler.ts";
import { commitEffects, type EffectOf, findProcessed, LEASE_LOST } from "./inbox/commit-effects.ts";
import type { Lease } from "./inbox/renew-leases.ts";
import type { ShapeTypes } from "./inbox/shape-types.ts";
import { halve, type SharedStatement, shareStatements } from "./inbox/share-statements.ts";

export type EffectEnd =
  | { readonly kind: "committed" }
  /** The lease is another's. */
  | { readonly kind: "fenced" }
  | { readonly kind: "refused"; readonly reason: string; readonly retryable: boolean }
  | { readonly kind: "abandoned" };

export interface EffectOptions {
  readonly pool: Pool;
  readonly slots: TransactionSlots;
  readonly shapes: ShapeTypes;
  /** Aborted when waiting for the database makes no sense any more. */
  readonly signal: AbortSignal;
  readonly onTrouble: (failure: DbFailure) => void;
}

const RETRY_MS = 250;
/** Statements of fragments under way at a time. */
const LANES = 3;
const MAX_REASON = 300;

/** The world's: the same again may work. Everything else of 22 and 23 is in the message. */
const HOPELESS = /^(22|23(?!503))/;
const DATABASE = /^(40|53|55|57|58)/;

/** Commits fragments of distinct messages. @returns how each ended, by message id */
export async function finishFragments(
  batch: readonly EffectOf[],
  options: EffectOptions,
): Promise<ReadonlyMap<string, EffectEnd>> {
  const ends = new Map<string, EffectEnd>();
  const work = await shareStatements(batch, options.shapes);
  const lane = async (): Promise<void> => {
    for (let statement = work.pop(); statement !== undefined; statement = work.pop()) {
      const end = await commitStatement(statement, options);
      const isOver = statement.items.length === 1 || (end.kind !== "refused" && end.kind !== "fenced");
      if (isOver) for (const { lease } of statement.items) ends.set(lease.messageId, end);
      else work.push(...halve(statement));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return ends;
}

/** Tries until the database takes the statement or says what it has against it. */
async function commitStatement(statement: SharedStatement<EffectOf>, options: EffectOptions): Promise<EffectEnd> {
  const { pool, signal, onTrouble, shapes } = options;
  const [first] = statement.items;
  for (;;) {
    const answer = await unlessAborted(commitEffects(pool, statement), signal);
    if (answer === null) return { kind: "abandoned" };
    if (answer.ok) return { kind: "committed" };
    const { failure } = answer;
    if (failure.code === LEASE_LOST) {
      return statement.items.length === 1 && first !== undefined ? endOfLost(first.lease, options) : { kind: "fenced" };
    }
    if (failure.kind === "rejected" && !DATABASE.test(failure.code)) {
      // Perhaps its table is another one by now.
      if (first !== undefined && failure.code.startsWith("42")) shapes.forget(first.effect);
      return refusal(failure.code, failure.message);
    }
    onTrouble(failure);
    if (!(await pause(RETRY_MS, signal))) return { kind: "abandoned" };
  }
}

/** The lease is gone: to somebody else, or because a commit of ours was not seen. */
async function endOfLost(lease: Lease, { pool, signal, onTrouble }: EffectOptions): Promise<EffectEnd> {
  for (;;) {
    const answer = await unlessAborted(findProcessed(pool, [lease]), signal);
    if (answer === null) return { kind: "abandoned" };
    if (answer.ok) return answer.rows.length > 0 ? { kind: "committed" } : { kind: "fenced" };
    onTrouble(answer.failure);
    if (!(await pause(RETRY_MS, signal))) return { kind: "abandoned" };
  }
}

/** Runs a handler's transaction. @param signal its time is over, or the acker stops */
export async function finishTransaction(
  lease: Lease,
  effect: TransactionEffect,
  closing: ClosingStatement,
  signal: AbortSignal,
  options: EffectOptions,
): Promise<EffectEnd> {
  const outcome: TransactionOutcome = await options.slots.run(effect.work, closing, signal);
  switch (outcome.kind) {
    case "committed":
      return outcome;
    case "fenced":
    case "unknown": {
      const end = await endOfLost(lease, options);
      if (end.kind !== "fenced" || outcome.kind === "fenced") return end;
      return { kind: "refused", reason: `the transaction was lost: ${outcome.message}`, retryable: true };
    }
    case "failed":
      return outcome.code === null
        ? { kind: "refused", reason: clean(`the transaction failed: ${outcome.message}`), retryable: true }
        : refusal(outcome.code, outcome.message);
    case "unavailable":
      return { kind: "refused", reason: clean(`the transaction was lost: ${outcome.message}`), retryable: true };
  }
}

function refusal(code: string, message: string): EffectEnd {
  const reason = clean(`PostgreSQL refused the effect: ${message} (SQLSTATE ${code})`);
  return { kind: "refused", reason, retryable: !HOPELESS.test(code) };
}

function clean(text: string): string {
  return printable(text, MAX_REASON).toWellFormed();
}
