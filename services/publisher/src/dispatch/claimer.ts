/**
 * Claims, also when a due row makes the claim fail: the rows are then leased in parts until the bad one stands alone, and it
 * is set aside.
 *
 * Invariants:
 *  CLAIM-1. One row that cannot be read or leased keeps no other from being claimed.
 *  CLAIM-2. While no claim fails, nothing here costs a statement.
 *  CLAIM-3. Where not even the list of due rows can be read, they are looked for page by page.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbResult } from "@acktor/shared/db/pool";
import { mayBeOneRow } from "@acktor/shared/runtime/sqlstate";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type BadRow, type BadRowShelf, UNREADABLE } from "../outbox/bad-rows.ts";
import type { DueList } from "../outbox/claim-apart.ts";
import type { PagedList } from "../outbox/list-due-pages.ts";
import type { Claimed, ClaimOptions, Outcome } from "../outbox/outbox.ts";

export interface ClaimVerbs {
  claimDue(options: ClaimOptions): Promise<Outcome<Claimed>>;
  listDue(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>>;
  /** As `listDue`, whatever the indexes lead to. */
  listDuePages(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<PagedList>>;
  leaseThese(messageIds: readonly string[], options: ClaimOptions): Promise<Outcome<Claimed>>;
}

export interface ClaimerOptions {
  readonly verbs: ClaimVerbs;
  readonly troubles: TroubleDesk;
  readonly shelf: BadRowShelf;
}

export class Claimer {
  readonly #options: ClaimerOptions;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  /** Leases due rows; fails only where no single row is the cause. */
  async claim(options: ClaimOptions): Promise<Outcome<Claimed>> {
    const { verbs, troubles, shelf } = this.#options;
    const passedOver = shelf.passedOver();
    if (passedOver.length > 0) return troubles.report("claim", await this.#claimApart(options, passedOver));
    const claimed = troubles.report("claim", await verbs.claimDue(options));
    if (claimed.ok) troubles.clear(UNREADABLE);
    if (claimed.ok || !mayBeOneRow(claimed.failure)) return claimed;
    return troubles.report("claim", await this.#claimApart(options, []));
  }

  async #claimApart(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<Claimed>> {
    const { verbs, shelf } = this.#options;
    const due = await this.#list(options, passedOver);
    if (!due.ok) return due;
    const { messageIds, isPartial, ...seen } = due.value;
    // With no row at all it must work: else the statement is at fault, and no row is blamed.
    const trial = await verbs.leaseThese([], options);
    if (!trial.ok) return trial;
    const bad: BadRow[] = [];
    const leased = await apart(messageIds, (part) => this.#lease(part, options), {
      add: (messageId, failure) => void bad.push({ messageId, failure }),
    });
    if (!leased.ok) return leased;
    const messages = leased.rows.flatMap((part) => part.messages);
    await shelf.put(bad, messages.length > 0);
    const parked = leased.rows.reduce((sum, part) => sum + part.parked, 0);
    const oldestDue = leased.rows.find((part) => part.oldestDue !== null)?.oldestDue ?? null;
    const around = { bad: bad.length, isFull: isPartial === true || messageIds.length >= options.limit };
    return { ok: true, value: { ...seen, messages, parked, oldestDue, apart: around } };
  }

  async #list(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>> {
    const { verbs, troubles } = this.#options;
    const due = await verbs.listDue(options, passedOver);
    if (due.ok || !mayBeOneRow(due.failure)) return due;
    const paged = await verbs.listDuePages(options, passedOver);
    if (!paged.ok) return paged;
    for (const { place, failure } of paged.value.damaged)
      troubles.note(UNREADABLE, { ...failure, message: `${place}: ${failure.message}` });
    return { ok: true, value: { ...paged.value, isPartial: true } };
  }

  async #lease(part: readonly string[], options: ClaimOptions): Promise<DbResult<Claimed>> {
    const leased = await this.#options.verbs.leaseThese(part, options);
    return leased.ok ? { ok: true, rows: [leased.value] } : leased;
  }
}
