/**
 * Claims, also when a due row makes the claim fail: the rows are then leased in parts until the bad one stands alone, and it
 * is set aside.
 *
 * Invariants:
 *  CLAIM-1. One row that cannot be read or leased keeps no other from being claimed.
 *  CLAIM-2. It ends failed, `unreadable: <SQLSTATE> …`; where that cannot be written either, it is passed over.
 *  CLAIM-3. While no claim fails, nothing here costs a statement.
 *  CLAIM-4. A failure of all rows alike that is not about their values is not blamed on them: they are passed over for a
 *     while, not failed.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import { mayBeOneRow } from "@acktor/shared/runtime/sqlstate";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { DueList } from "../outbox/claim-apart.ts";
import type { Claimed, ClaimOptions, Outcome } from "../outbox/outbox.ts";
import { type Unreadable, unreadable } from "../outbox/set-aside.ts";
import { PassedOver } from "./passed-over.ts";

export interface ClaimVerbs {
  claimDue(options: ClaimOptions): Promise<Outcome<Claimed>>;
  listDue(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<DueList>>;
  leaseThese(messageIds: readonly string[], options: ClaimOptions): Promise<Outcome<Claimed>>;
  setAside(rows: readonly Unreadable[]): Promise<DbResult<{ readonly messageId: string }>>;
}

export interface ClaimerOptions {
  readonly verbs: ClaimVerbs;
  readonly troubles: TroubleDesk;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A row was set aside. */
  readonly onSetAside: (row: Unreadable) => void;
}

const UNREADABLE = "unreadable";
/** So many rows that all fail, and nothing leased: perhaps it is not the rows. */
const MANY = 20;
/** Data exceptions, damaged data, values beyond a limit: the row's own, however many there are. */
const OF_VALUES = /^(22|54|XX001)/;

interface Bad {
  readonly messageId: string;
  readonly failure: DbFailure;
}

export class Claimer {
  readonly #options: ClaimerOptions;
  readonly #passedOver: PassedOver;

  constructor(options: ClaimerOptions) {
    this.#options = options;
    this.#passedOver = new PassedOver(options.now);
  }

  /** Leases due rows; fails only where no single row is the cause. */
  async claim(options: ClaimOptions): Promise<Outcome<Claimed>> {
    const { verbs, troubles } = this.#options;
    const passedOver = this.#passedOver.ids();
    if (passedOver.length > 0) return troubles.report("claim", await this.#claimApart(options, passedOver));
    const claimed = troubles.report("claim", await verbs.claimDue(options));
    if (claimed.ok || !mayBeOneRow(claimed.failure)) return claimed;
    return troubles.report("claim", await this.#claimApart(options, []));
  }

  async #claimApart(options: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<Claimed>> {
    const { verbs } = this.#options;
    const due = await verbs.listDue(options, passedOver);
    if (!due.ok) return due;
    const { messageIds, ...seen } = due.value;
    // With no row at all it must work: else the statement is at fault, and no row is blamed.
    const trial = await verbs.leaseThese([], options);
    if (!trial.ok) return trial;
    const bad: Bad[] = [];
    const leased = await apart(messageIds, (part) => this.#lease(part, options), {
      add: (messageId, failure) => void bad.push({ messageId, failure }),
    });
    if (!leased.ok) return leased;
    const messages = leased.rows.flatMap((part) => part.messages);
    await this.#putAside(bad, messages.length === 0);
    const parked = leased.rows.reduce((sum, part) => sum + part.parked, 0);
    const oldestDue = leased.rows.find((part) => part.oldestDue !== null)?.oldestDue ?? null;
    const around = { bad: bad.length, isFull: messageIds.length === options.limit };
    return { ok: true, value: { ...seen, messages, parked, oldestDue, apart: around } };
  }

  async #lease(part: readonly string[], options: ClaimOptions): Promise<DbResult<Claimed>> {
    const leased = await this.#options.verbs.leaseThese(part, options);
    return leased.ok ? { ok: true, rows: [leased.value] } : leased;
  }

  async #putAside(bad: readonly Bad[], nothingLeased: boolean): Promise<void> {
    const { troubles } = this.#options;
    const isDoubtful = nothingLeased && bad.length >= MANY && !bad.every(({ failure }) => OF_VALUES.test(failure.code));
    const left = isDoubtful ? bad : await this.#setAside(bad);
    for (const { messageId, failure } of left) {
      this.#passedOver.add(messageId);
      troubles.note(UNREADABLE, { ...failure, message: `${messageId}: ${failure.message}` });
    }
    if (this.#passedOver.size === 0) troubles.clear(UNREADABLE);
  }

  /** @returns those that cannot be set aside */
  async #setAside(bad: readonly Bad[]): Promise<readonly Bad[]> {
    if (bad.length === 0) return [];
    const { verbs, onSetAside } = this.#options;
    const left: Bad[] = [];
    const rows = bad.map(({ messageId, failure }): Unreadable => ({ messageId, reason: unreadable(failure) }));
    const done = await apart(rows, (part) => verbs.setAside(part), {
      add: ({ messageId }, failure) => void left.push({ messageId, failure }),
    });
    if (!done.ok) return bad;
    const ended = new Set(done.rows.map(({ messageId }) => messageId));
    for (const row of rows) if (ended.has(row.messageId)) onSetAside(row);
    return left;
  }
}
