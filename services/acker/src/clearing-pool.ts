/** The pool as one part of the acker uses it: each statement that works is reported to the troubles, under the part's area. */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";

export function clearingPool(pool: Pool, troubles: TroubleDesk, area: string): Pool {
  return {
    async run<Row>(...asked: Parameters<Pool["run"]>): Promise<DbResult<Row>> {
      const result = await pool.run<Row>(...asked);
      if (result.ok) troubles.clear(area);
      return result;
    },
    size: pool.size,
    busy: () => pool.busy(),
    waiting: () => pool.waiting(),
    stop: () => pool.stop(),
  };
}
