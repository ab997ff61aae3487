/**
 * Rows that fail alone, in any statement: they are marked failed, or remembered and passed over.
 *
 * Invariants:
 *  BAD-1. A row that cannot be read or written is marked failed, `unreadable: <SQLSTATE> …`; where that cannot be written either,
 *     it is passed over, the trouble `unreadable` stays open, and it is tried again after a while.
 *  BAD-2. Many rows with the same failure that is not about their values are passed over, not marked failed.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { FailedMessages } from "./outbox.ts";
import { PassedOver } from "./passed-over.ts";
import { setAside, type Unreadable, unreadable } from "./set-aside.ts";

export interface BadRow {
  readonly messageId: string;
  readonly failure: DbFailure;
}

export interface BadRowShelfParts {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly troubles: TroubleDesk;
  readonly failedMessages: FailedMessages;
}

export const UNREADABLE = "unreadable";
/** So many rows that all fail, and none that works: perhaps it is not the rows. */
const MANY = 20;
/** Data exceptions, damaged data, values beyond a limit: the row's own, however many there are. */
const OF_VALUES = /^(22|54|XX001)/;

export class BadRowShelf {
  readonly #parts: BadRowShelfParts;
  readonly #passedOver: PassedOver;

  constructor(parts: BadRowShelfParts) {
    this.#parts = parts;
    this.#passedOver = new PassedOver(() => parts.clock.now());
  }

  /** Ids that are not to be tried now. */
  passedOver(): string[] {
    return this.#passedOver.ids();
  }

  /** @param othersWorked some row of the same batch did not fail */
  async put(bad: readonly BadRow[], othersWorked: boolean): Promise<void> {
    const { troubles } = this.#parts;
    // BAD-2
    const isDoubtful = !othersWorked && bad.length >= MANY && !bad.every(({ failure }) => OF_VALUES.test(failure.code));
    // BAD-1
    const left = isDoubtful ? bad : await this.#setAside(bad);
    for (const { messageId, failure } of left) {
      // BAD-1
      this.#passedOver.add(messageId);
      troubles.note(UNREADABLE, { ...failure, message: `${messageId}: ${failure.message}` });
    }
    if (this.#passedOver.size === 0) troubles.clear(UNREADABLE);
  }

  /** @returns those that cannot be set aside */
  async #setAside(bad: readonly BadRow[]): Promise<readonly BadRow[]> {
    if (bad.length === 0) return [];
    const { pool, failedMessages } = this.#parts;
    const left: BadRow[] = [];
    const rows = bad.map(({ messageId, failure }): Unreadable => ({ messageId, reason: unreadable(failure) }));
    const done = await apart(rows, (part) => setAside(pool, part), {
      add({ messageId }, failure) {
        left.push({ messageId, failure });
      },
    });
    const ended = new Set(done.rows.map(({ messageId }) => messageId));
    for (const row of rows) if (ended.has(row.messageId)) failedMessages.failed(row.messageId, row.reason);
    return done.ok ? left : bad.filter(({ messageId }) => !ended.has(messageId));
  }
}
