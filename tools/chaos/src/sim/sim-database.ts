/**
 * The simulated PostgreSQL: statements take time, fail before or after their commit, and fail while the server is down.
 */
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import type { Random } from "../seeded-random.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

const LATENCY_MS = [0.3, 4] as const;
/** The deadline of the pool, shortened as every wait of the simulation. */
const DEADLINE_MS = 300;

export class SimDatabase {
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** Share of statements whose answer is lost after their commit. */
  ambiguous = 0;
  /** When it last failed. Written by `noteFault`, and by statements that fail. */
  #troubledAt = Number.NEGATIVE_INFINITY;
  #up = true;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  get up(): boolean {
    return this.#up;
  }

  set up(up: boolean) {
    this.#up = up;
    this.#troubledAt = this.#time.now;
  }

  /** Milliseconds since the last fault; 0 during a fault. */
  calmForMs(): number {
    return this.#up && this.ambiguous === 0 ? this.#time.now - this.#troubledAt : 0;
  }

  /**
   * Runs a statement for `owner`. A sent statement may commit after the death of its owner.
   * @param statement changes the tables atomically and returns its rows
   */
  run<Row>(owner: SimProcess, statement: () => readonly Row[]): Promise<DbResult<Row>> {
    return new Promise((resolve) => {
      const answer = (delayMs: number, result: DbResult<Row>): void => {
        this.#time.laterAs(owner, delayMs, () => resolve(result));
      };
      // A dead process sends nothing.
      if (!owner.alive) return;
      this.#time.later(this.#latency(), () => {
        if (!this.#up) {
          this.#troubledAt = this.#time.now;
          answer(this.#random() < 0.5 ? this.#latency() : DEADLINE_MS, { ok: false, failure: unavailable(false) });
          return;
        }
        const rows = attempt(statement);
        if (rows instanceof Refused) answer(this.#latency(), { ok: false, failure: rows.failure });
        else if (this.#random() < this.ambiguous) {
          this.#troubledAt = this.#time.now;
          answer(this.#latency(), { ok: false, failure: unavailable(true) });
        } else answer(this.#latency(), { ok: true, rows });
      });
    });
  }

  #latency(): number {
    const [least, most] = LATENCY_MS;
    return (least + this.#random() * (most - least)) / 2;
  }
}

/** PostgreSQL refuses the statement; it changes nothing. */
export class Refused extends Error {
  readonly failure: DbFailure;

  constructor(code: string, constraint: string | null) {
    super(`refused with ${code}`);
    this.failure = { kind: "rejected", maybeCommitted: false, code, message: this.message, constraint };
  }
}

function attempt<Row>(statement: () => readonly Row[]): readonly Row[] | Refused {
  try {
    return statement();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

function unavailable(maybeCommitted: boolean): DbFailure {
  const code = maybeCommitted ? "CONNECTION_CLOSED" : "ECONNREFUSED";
  return { kind: "unavailable", maybeCommitted, code, message: "simulated", constraint: null };
}
