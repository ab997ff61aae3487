/**
 * What becomes of rows that fail alone, whichever part met them: they end failed, or are remembered and passed over.
 *
 * Invariants:
 *  BAD-1. A row that cannot be read or written ends failed, `unreadable: <SQLSTATE> …`; where that cannot be written either,
 *     it is passed over, the trouble `unreadable` stays open, and it is tried again after a while.
 *  BAD-2. A failure of many rows alike that is not about their values is not blamed on them: they are passed over, not failed.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { PassedOver } from "./passed-over.ts";
import { type Unreadable, unreadable } from "./set-aside.ts";

export interface BadRow {
  readonly messageId: string;
  readonly failure: DbFailure;
}

export interface BadRowsOptions {
  readonly setAside: (rows: readonly Unreadable[]) => Promise<DbResult<{ readonly messageId: string }>>;
  readonly troubles: TroubleDesk;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A row was set aside. */
  readonly onSetAside: (row: Unreadable) => void;
}

export const UNREADABLE = "unreadable";
/** So many rows that all fail, and none that works: perhaps it is not the rows. */
const MANY = 20;
/** Data exceptions, damaged data, values beyond a limit: the row's own, however many there are. */
const OF_VALUES = /^(22|54|XX001)/;

export class BadRowShelf {
  readonly #options: BadRowsOptions;
  readonly #passedOver: PassedOver;

  constructor(options: BadRowsOptions) {
    this.#options = options;
    this.#passedOver = new PassedOver(options.now);
  }

  /** Ids that are not to be tried now. */
  passedOver(): string[] {
    return this.#passedOver.ids();
  }

  /** @param othersWorked some row of the same batch did not fail */
  async put(bad: readonly BadRow[], othersWorked: boolean): Promise<void> {
    const { troubles } = this.#options;
    const isDoubtful = !othersWorked && bad.length >= MANY && !bad.every(({ failure }) => OF_VALUES.test(failure.code));
    const left = isDoubtful ? bad : await this.#setAside(bad);
    for (const { messageId, failure } of left) {
      this.#passedOver.add(messageId);
      troubles.note(UNREADABLE, { ...failure, message: `${messageId}: ${failure.message}` });
    }
    if (this.#passedOver.size === 0) troubles.clear(UNREADABLE);
  }

  /** @returns those that cannot be set aside */
  async #setAside(bad: readonly BadRow[]): Promise<readonly BadRow[]> {
    if (bad.length === 0) return [];
    const { setAside, onSetAside } = this.#options;
    const left: BadRow[] = [];
    const rows = bad.map(({ messageId, failure }): Unreadable => ({ messageId, reason: unreadable(failure) }));
    const done = await apart(rows, setAside, {
      add: ({ messageId }, failure) => void left.push({ messageId, failure }),
    });
    const ended = new Set(done.rows.map(({ messageId }) => messageId));
    for (const row of rows) if (ended.has(row.messageId)) onSetAside(row);
    return done.ok ? left : bad.filter(({ messageId }) => !ended.has(messageId));
  }
}
