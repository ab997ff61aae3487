/**
 * Claims due rows, also when one row makes the claim fail: the rows are then leased in parts until the bad row stands alone,
 * and it is set aside.
 *
 * Invariants:
 *  CLAIM-1. One row that cannot be read or leased keeps no other from being claimed.
 *  CLAIM-2. While no claim fails, a claim is one statement.
 *  CLAIM-3. Where the list of due rows cannot be read, the claim reads the table page by page.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { Clock } from "@acktor/shared/runtime/clock";
import { mayBeOneRow } from "@acktor/shared/runtime/sqlstate";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type BadRow, type BadRowShelf, UNREADABLE } from "./bad-rows.ts";
import { type DueList, leaseThese, listDue } from "./claim-apart.ts";
import { claimDue } from "./claim-due.ts";
import { DuePages, type PagedList } from "./list-due-pages.ts";
import { LowWater } from "./low-water.ts";
import type { Claimed, ClaimedBatch, ClaimOptions, Outcome } from "./outbox.ts";

export interface ClaimStatements {
  claimDue(options: ClaimOptions): Promise<Outcome<Claimed>>;
  listDue(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>>;
  /** As `listDue`, without the indexes. */
  listDuePages(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<PagedList>>;
  leaseThese(messageIds: readonly string[], options: ClaimOptions): Promise<Outcome<Claimed>>;
}

/** The statements on a database. */
export class PostgresClaims implements ClaimStatements {
  readonly #pool: Pool;
  readonly #pages: DuePages;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#pages = new DuePages(pool);
  }

  claimDue(options: ClaimOptions): Promise<Outcome<Claimed>> {
    return claimDue(this.#pool, options);
  }

  listDue(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>> {
    return listDue(this.#pool, options, passedOver);
  }

  listDuePages(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<PagedList>> {
    return this.#pages.list(options, passedOver);
  }

  leaseThese(messageIds: readonly string[], options: ClaimOptions): Promise<Outcome<Claimed>> {
    return leaseThese(this.#pool, messageIds, options);
  }
}

export interface ClaimerParts {
  /** Name under which this process leases rows. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly statements: ClaimStatements;
  readonly troubles: TroubleDesk;
  readonly shelf: BadRowShelf;
}

export class Claimer {
  readonly #parts: ClaimerParts;
  readonly #lowWater: LowWater;
  /** Where the walk over ordering keys continues. */
  #laneCursor = "";
  /** The last claim set rows of parked destinations aside: more of them may stand first. */
  #setAside = false;

  constructor(parts: ClaimerParts) {
    this.#parts = parts;
    this.#lowWater = new LowWater(() => parts.clock.now());
  }

  /**
   * Leases at most `limit` due rows; fails only where no single row is the cause. One call at a time.
   * @param bothEnds half of them are the newest
   */
  async claim(limit: number, bothEnds: boolean): Promise<Outcome<ClaimedBatch>> {
    const { owner: instance, leaseMs } = this.#parts;
    const newest = bothEnds || this.#setAside ? Math.floor(limit / 2) : 0;
    const where = { laneCursor: this.#laneCursor, lowWater: this.#lowWater.mark, newest };
    const claimed = await this.#claim({ instance, limit, leaseMs, ...where });
    if (!claimed.ok) return claimed;
    this.#laneCursor = claimed.value.nextLaneCursor;
    const { messages, parked, anyParked, apart: around } = claimed.value;
    this.#setAside = parked > 0;
    // With the newest rows the oldest row seen is not the oldest that is due.
    const oldestDue = newest > 0 ? null : claimed.value.oldestDue;
    this.#lowWater.claimed({ ...claimed.value, oldestDue }, isExhausted(claimed.value, limit));
    const isFull = around === undefined ? messages.length === limit : around.isFull && around.bad > 0;
    // Behind rows that were set aside with their destination others may be due.
    return { ok: true, value: { messages, more: isFull || parked > 0, anyParked } };
  }

  async #claim(options: ClaimOptions): Promise<Outcome<Claimed>> {
    const { statements, troubles, shelf } = this.#parts;
    const passedOver = shelf.passedOver();
    if (passedOver.length > 0) return troubles.report("claim", await this.#claimApart(options, passedOver));
    // CLAIM-2
    const claimed = troubles.report("claim", await statements.claimDue(options));
    if (claimed.ok) troubles.clear(UNREADABLE);
    if (claimed.ok || !mayBeOneRow(claimed.failure)) return claimed;
    return troubles.report("claim", await this.#claimApart(options, []));
  }

  async #claimApart(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<Claimed>> {
    const { statements, shelf } = this.#parts;
    const due = await this.#list(options, passedOver);
    if (!due.ok) return due;
    const { messageIds, isPartial, ...seen } = due.value;
    // Without any row the statement must work; else the statement is at fault, and no row is blamed.
    const trial = await statements.leaseThese([], options);
    if (!trial.ok) return trial;
    const bad: BadRow[] = [];
    // CLAIM-1
    const leased = await apart(messageIds, (part) => this.#lease(part, options), {
      add: (messageId, failure) => void bad.push({ messageId, failure }),
    });
    if (!leased.ok) return leased;
    const messages = leased.rows.flatMap((part) => part.messages);
    await shelf.put(bad, messages.length > 0);
    const parked = leased.rows.reduce((sum, part) => sum + part.parked, 0);
    const anyParked = leased.rows.some((part) => part.anyParked);
    const oldestDue = leased.rows.find((part) => part.oldestDue !== null)?.oldestDue ?? null;
    const around = { bad: bad.length, isFull: isPartial === true || messageIds.length >= options.limit };
    return { ok: true, value: { ...seen, messages, parked, anyParked, oldestDue, apart: around } };
  }

  async #list(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>> {
    const { statements, troubles } = this.#parts;
    const due = await statements.listDue(options, passedOver);
    if (due.ok || !mayBeOneRow(due.failure)) return due;
    // CLAIM-3
    const paged = await statements.listDuePages(options, passedOver);
    if (!paged.ok) return paged;
    for (const { place, failure } of paged.value.damaged)
      troubles.note(UNREADABLE, { ...failure, message: `${place}: ${failure.message}` });
    return { ok: true, value: { ...paged.value, isPartial: true } };
  }

  async #lease(part: readonly string[], options: ClaimOptions): Promise<DbResult<Claimed>> {
    const leased = await this.#parts.statements.leaseThese(part, options);
    return leased.ok ? { ok: true, rows: [leased.value] } : leased;
  }
}

/** True when no further row was due. */
function isExhausted({ messages, parked, apart: around }: Claimed, limit: number): boolean {
  return around === undefined ? messages.length + parked < limit : !around.isFull;
}
