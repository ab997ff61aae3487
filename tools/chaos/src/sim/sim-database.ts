/**
 * The door to the simulated PostgreSQL: statements take time, fail before or after their commit, and die with the server.
 */
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import type { Random } from "../seeded-random.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

const LATENCY_MS = [0.3, 4] as const;
/** The pool's deadline, shortened as every wait of the simulation is. */
const DEADLINE_MS = 300;

export class SimDatabase {
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** Share of statements whose commit nobody sees. */
  ambiguous = 0;
  up = true;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  /**
   * Runs a statement for `owner`. A statement that was sent may be committed although its owner is dead by then.
   * @param statement atomic; its rows
   */
  run<Row>(owner: SimProcess, statement: () => readonly Row[]): Promise<DbResult<Row>> {
    return new Promise((resolve) => {
      const answer = (delayMs: number, result: DbResult<Row>): void => {
        this.#time.laterAs(owner, delayMs, () => resolve(result));
      };
      this.#time.later(this.#latency(), () => {
        if (!this.up) {
          answer(this.#random() < 0.5 ? this.#latency() : DEADLINE_MS, { ok: false, failure: unavailable(false) });
          return;
        }
        const rows = statement();
        if (this.#random() < this.ambiguous) answer(this.#latency(), { ok: false, failure: unavailable(true) });
        else answer(this.#latency(), { ok: true, rows });
      });
    });
  }

  #latency(): number {
    const [least, most] = LATENCY_MS;
    return (least + this.#random() * (most - least)) / 2;
  }
}

function unavailable(maybeCommitted: boolean): DbFailure {
  const code = maybeCommitted ? "CONNECTION_CLOSED" : "ECONNREFUSED";
  return { kind: "unavailable", maybeCommitted, code, message: "simulated", constraint: null };
}
