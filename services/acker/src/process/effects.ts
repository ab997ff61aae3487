/**
 * Commits the effects that handlers return: fragments in shared statements where the result is the same, one by one where
 * it is not; transactions on connections of their own.
 *
 * Invariants:
 *  EFFECTS-2. One effect's fault fails only this effect: a refused statement is halved until the faulty one is alone.
 *  EFFECTS-3. While the database is away fragments wait until the stop gives up; none is refused because of it.
 *  EFFECTS-4. A lost lease counts as fenced only when the row was not processed under it: the commit's answer may be lost.
 */
import type { TransactionOutcome } from "@acktor/shared/db/fenced-transaction";
import type { DbResult } from "@acktor/shared/db/pool";
import { printable } from "@acktor/shared/runtime/logger";
import { Persister } from "@acktor/shared/runtime/persist";
import { type EffectOf, LEASE_LOST } from "../inbox/commit-effects.ts";
import type { Reports } from "../inbox/database-watch.ts";
import type { TransactionEffect } from "../inbox/effect.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { Lease } from "../inbox/renew-leases.ts";
import { halve, type SharedStatement, shareStatements } from "../inbox/share-statements.ts";
import type { Abandonment } from "./abandonment.ts";

/** Every effect ends in exactly one of these; nothing throws. */
export type EffectEnd =
  | { readonly kind: "committed" }
  /** Another owner has the lease. */
  | { readonly kind: "fenced" }
  | { readonly kind: "refused"; readonly reason: string; readonly retryable: boolean }
  | { readonly kind: "abandoned" };

export interface EffectsParts {
  readonly inbox: Pick<Inbox, "shapes" | "commitEffects" | "findProcessed" | "runTransaction">;
  readonly troubles: Pick<Reports, "report">;
  readonly abandonment: Abandonment;
}

const AREA = "handlers";
const RETRY_MS = 250;
/** Longest time of a handler's transaction. */
const TRANSACTION_MS = 30_000;
const STATEMENTS_AT_A_TIME = 3;
const MAX_REASON = 300;

const COMMITTED: EffectEnd = { kind: "committed" };
const FENCED: EffectEnd = { kind: "fenced" };
const ABANDONED: EffectEnd = { kind: "abandoned" };

/** Caused by the message itself: classes 22 and 23, except for a missing foreign key, which may be there later. */
const HOPELESS = /^(22|23(?!503))/;
/** Caused by the database: conflicts, resources, locks, stops, its operating system. */
const DATABASE = /^(40|53|55|57|58)/;

export class Effects {
  readonly #parts: EffectsParts;
  readonly #persister: Persister;

  constructor(parts: EffectsParts) {
    const { troubles, abandonment } = parts;
    this.#parts = parts;
    // EFFECTS-3
    this.#persister = new Persister({
      ...{ troubles, area: AREA, pauseMs: RETRY_MS, retriesRefusals: true },
      ...{ stop: abandonment.work, abandon: abandonment.work },
    });
  }

  /** Commits fragments of distinct messages. @returns how each ended, by message id */
  async commitFragments(batch: readonly EffectOf[]): Promise<ReadonlyMap<string, EffectEnd>> {
    const ends = new Map<string, EffectEnd>();
    const work = await shareStatements(batch, this.#parts.inbox.shapes);
    await Promise.all(Array.from({ length: STATEMENTS_AT_A_TIME }, () => this.#commitAll(work, ends)));
    return ends;
  }

  /** Runs a handler's transaction, which is cut off when its time is over or the stop gives up. */
  async commitTransaction(lease: Lease, effect: TransactionEffect): Promise<EffectEnd> {
    const { inbox, abandonment } = this.#parts;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), TRANSACTION_MS);
    const signal = AbortSignal.any([abandonment.work, late.signal]);
    const outcome = await inbox.runTransaction(lease, effect, signal).finally(() => clearTimeout(timer));
    this.#report(outcome);
    switch (outcome.kind) {
      case "committed":
        return outcome;
      case "fenced":
      case "unknown": {
        const end = await this.#endOfLost(lease);
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

  /** What a transaction says about the database. */
  #report(outcome: TransactionOutcome): void {
    const { troubles } = this.#parts;
    if (outcome.kind === "committed") troubles.report(AREA, { ok: true });
    if (outcome.kind !== "unavailable" || outcome.code === undefined) return;
    troubles.report(AREA, { ok: false, failure: { code: outcome.code, message: outcome.message } });
  }

  /** Takes statements from `work` until it is empty. */
  async #commitAll(work: SharedStatement<EffectOf>[], ends: Map<string, EffectEnd>): Promise<void> {
    for (let statement = work.pop(); statement !== undefined; statement = work.pop()) {
      const end = await this.#commit(statement);
      // EFFECTS-2
      const isOver = statement.items.length === 1 || (end.kind !== "refused" && end.kind !== "fenced");
      if (isOver) for (const { lease } of statement.items) ends.set(lease.messageId, end);
      else work.push(...halve(statement));
    }
  }

  async #commit(statement: SharedStatement<EffectOf>): Promise<EffectEnd> {
    const answer = await this.#persister.persist(() => this.#try(statement));
    const end = answer.ok ? (answer.rows[0] ?? COMMITTED) : ABANDONED;
    const [first] = statement.items;
    const isAlone = statement.items.length === 1 && first !== undefined;
    return end.kind === "fenced" && isAlone ? this.#endOfLost(first.lease) : end;
  }

  /** @returns how the statement ended; a failure when the database is to blame */
  async #try(statement: SharedStatement<EffectOf>): Promise<DbResult<EffectEnd>> {
    const { inbox } = this.#parts;
    const answer = await inbox.commitEffects(statement);
    if (answer.ok) return { ok: true, rows: [COMMITTED] };
    const { code, kind, message } = answer.failure;
    if (code === LEASE_LOST) return { ok: true, rows: [FENCED] };
    if (kind !== "rejected" || DATABASE.test(code)) return answer;
    const [first] = statement.items;
    // SHAPE-2: its table may have been replaced.
    if (first !== undefined && code.startsWith("42")) inbox.shapes.forget(first.effect);
    return { ok: true, rows: [refusal(code, message)] };
  }

  /** EFFECTS-4 */
  async #endOfLost(lease: Lease): Promise<EffectEnd> {
    const answer = await this.#persister.persist(() => this.#parts.inbox.findProcessed([lease]));
    if (!answer.ok) return ABANDONED;
    return answer.rows.length > 0 ? COMMITTED : FENCED;
  }
}

function refusal(code: string, message: string): EffectEnd {
  const reason = clean(`PostgreSQL refused the effect: ${message} (SQLSTATE ${code})`);
  return { kind: "refused", reason, retryable: !HOPELESS.test(code) };
}

function clean(text: string): string {
  return printable(text, MAX_REASON).toWellFormed();
}
