/**
 * Runs a statement again until PostgreSQL answers it: the one place that does so.
 *
 *   run ──ok──────────────────────────────► its rows
 *    ▲ └──refused permanently──────────────► the failure
 *    └──pause── unavailable, busy, transient    stop or abandon ► the last failure
 *
 * Invariants:
 *  PERSIST-1. A statement that failed for a passing reason is run again; one that PostgreSQL refused permanently is not.
 *  PERSIST-2. After `stop` no further attempt begins; after `abandon` a running attempt is no longer waited for.
 *  PERSIST-3. Each result is reported to the troubles of its area, so that logs, metric and `/readyz` show the failure.
 *  PERSIST-4. With `random` half of each pause is random: services that lost the same database do not return to it together.
 */
import type { Random } from "./clock.ts";
import type { DbFailure, DbResult } from "./db-result.ts";
import { pause, unlessAborted } from "./pause.ts";
import { isTransient } from "./sqlstate.ts";
import type { TroubleDesk } from "./troubles.ts";

export interface PersisterParts {
  readonly troubles: Pick<TroubleDesk, "report">;
  /** Name of what fails, for logs, metric and `/readyz`. */
  readonly area: string;
  /** Milliseconds before the second attempt; each further pause is twice as long, up to `maxPauseMs`. */
  readonly pauseMs: number;
  /** Longest pause; `pauseMs` when absent, so that all pauses are equal. */
  readonly maxPauseMs?: number;
  /** Makes half of each pause random; pauses are exact when absent. */
  readonly random?: Random;
  /** Ends the attempts. */
  readonly stop: AbortSignal;
  /** Ends the wait for a running attempt, too. */
  readonly abandon?: AbortSignal;
  /** True: every failure is retried, because the caller has sorted out those that PostgreSQL would repeat. */
  readonly retriesRefusals?: boolean;
}

/** The result of an attempt whose answer was not waited for. */
export const ABANDONED: DbFailure = {
  kind: "unavailable",
  maybeCommitted: true,
  code: "ABANDONED",
  message: "the service stopped before PostgreSQL answered",
  constraint: null,
};

export class Persister {
  readonly #parts: PersisterParts;

  constructor(parts: PersisterParts) {
    this.#parts = parts;
  }

  /**
   * @param run sends the statement; it must be safe to run twice
   * @returns the rows; or the failure that PostgreSQL will repeat, or the last one before the stop
   */
  async persist<Row>(run: () => Promise<DbResult<Row>>): Promise<DbResult<Row>> {
    const { troubles, area, pauseMs, maxPauseMs = pauseMs, stop, retriesRefusals = false } = this.#parts;
    for (let wait = pauseMs; ; wait = Math.min(2 * wait, maxPauseMs)) {
      const result = await this.#attempt(run);
      if (result === null) return { ok: false, failure: ABANDONED };
      troubles.report(area, result); // PERSIST-3
      if (result.ok || (!retriesRefusals && isFinal(result.failure))) return result; // PERSIST-1
      if (!(await pause(this.#spread(wait), stop))) return result; // PERSIST-2
    }
  }

  #spread(wait: number): number {
    const { random } = this.#parts;
    return random === undefined ? wait : wait * (0.5 + random.next() / 2); // PERSIST-4
  }

  #attempt<Row>(run: () => Promise<DbResult<Row>>): Promise<DbResult<Row> | null> {
    const { abandon } = this.#parts;
    return abandon === undefined ? run() : unlessAborted(run(), abandon);
  }
}

function isFinal({ kind, code }: DbFailure): boolean {
  return kind === "rejected" && !isTransient(code);
}
