/**
 * How many refusals of one caller are recorded: a caller that is refused in a loop must not push older lines out of the audit.
 *
 * Invariants:
 *  BUDGET-1. Of one caller the first `MOST` refusals of a minute are admitted, each; the next minute's first tells how many
 *            were not.
 *  BUDGET-2. At most `MOST_CALLERS` callers are remembered; the others share one budget.
 */
import type { Clock } from "@acktor/shared/runtime/clock";

const MOST = 60;
const PERIOD_MS = 60_000;
const MOST_CALLERS = 1_000;

interface Spent {
  since: number;
  admitted: number;
  unsaid: number;
}

export class RefusalBudget {
  readonly #clock: Clock;
  readonly #callers = new Map<string, Spent>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns how many went unrecorded before this one; null: this one is not recorded either */
  admit(caller: string): number | null {
    const at = this.#clock.now();
    // BUDGET-2
    if (!this.#callers.has(caller) && this.#callers.size >= MOST_CALLERS) this.#forgetOld(at);
    const name = this.#callers.has(caller) || this.#callers.size < MOST_CALLERS ? caller : "";
    const spent = this.#callers.get(name);
    if (spent === undefined || at - spent.since >= PERIOD_MS) {
      this.#callers.set(name, { since: at, admitted: 1, unsaid: 0 });
      return spent?.unsaid ?? 0;
    }
    // BUDGET-1
    if (spent.admitted >= MOST) {
      spent.unsaid++;
      return null;
    }
    spent.admitted++;
    return 0;
  }

  #forgetOld(at: number): void {
    for (const [name, { since }] of this.#callers) if (at - since >= PERIOD_MS) this.#callers.delete(name);
  }
}
