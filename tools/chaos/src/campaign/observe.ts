/** Samples each second, from outside, what must stay bounded during faults (I7): un-acked messages, connections. */
import { pause } from "@acktor/shared/runtime/pause";
import type { NewEntry } from "../workload/history.ts";
import type { World } from "../world/world.ts";

export interface Observer {
  /** Stops sampling. @returns the highest values as entries of the history */
  stop(): Promise<NewEntry[]>;
}

const EVERY_MS = 1_000;
/** The default of ACKTOR_WINDOW. */
const WINDOW = 512;
/** Six of the publisher and five of the acker, and the same number of processes that were killed a moment ago. */
const BACKENDS = 2 * (6 + 5);
/** Readings in a row: three processes that end within three seconds make a peak, not a leak. */
const READINGS = 10;

/** The highest sustained value: the lowest of each `READINGS` in a row counts. */
export class Sustained {
  #recent: number[] = [];
  value = 0;

  read(reading: number): void {
    this.#recent = [...this.#recent, reading].slice(-READINGS);
    if (this.#recent.length === READINGS) this.value = Math.max(this.value, Math.min(...this.#recent));
  }
}

export function observe({ units, pool }: World): Observer {
  const over = new AbortController();
  let unacked = 0;
  const backends = new Sustained();
  const done = (async () => {
    do {
      const status = await units.publisher.status();
      unacked = Math.max(unacked, status?.dispatcher?.unacked ?? 0);
      const answer = await pool.run<{ count: number }>(
        `select count(*)::int4 count from pg_stat_activity
         where application_name like 'acktor-%' and application_name like '%-lab%'`,
      );
      if (answer.ok) backends.read(answer.rows[0]?.count ?? 0);
    } while (await pause(EVERY_MS, over.signal));
  })();
  return {
    async stop() {
      over.abort();
      await done;
      return [
        { op: "peak", what: "messages un-acked", value: unacked, limit: WINDOW },
        { op: "peak", what: "connections to PostgreSQL, for 10 s", value: backends.value, limit: BACKENDS },
      ];
    },
  };
}
