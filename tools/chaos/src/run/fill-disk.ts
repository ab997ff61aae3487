/**
 * Fills PostgreSQL's disk.
 *
 * PostgreSQL itself proves each hit: it refuses a write because the disk is full, or it exits because it cannot write its log.
 */
import { pause } from "@acktor/shared/runtime/pause";
import { becomesTrue } from "../world/until.ts";
import type { World } from "../world/world.ts";
import type { Injection } from "./inject-lines.ts";

/** SQLSTATE disk_full. */
const DISK_FULL = "53100";
const ASK_EVERY_MS = 200;
const ASK_LIMIT_MS = 1_000;
const BACK_LIMIT_MS = 15_000;
/** Writes 64 KB that cannot be compressed, so PostgreSQL needs new pages. */
const WRITE = `insert into audit.space
  select string_agg(md5(random()::text), '') from generate_series(1, 2000)`;

/** Fills the disk; null when the lab has no separate disk. */
export async function fillDisk({ disk, pool, units: { postgres } }: World): Promise<Injection | null> {
  if (disk === null) return null;
  await pool.run("create table if not exists audit.space (content text)");
  const over = new AbortController();
  const isFull = await disk.fill();
  let hits = 0;
  const asking = (async () => {
    while (isFull && !over.signal.aborted) {
      const answer = await pool.run(WRITE, [], { deadlineMs: ASK_LIMIT_MS });
      if (!answer.ok && answer.failure.code === DISK_FULL) hits++;
      await pause(ASK_EVERY_MS, over.signal);
    }
  })();
  return {
    hits: () => hits,
    async end() {
      if (over.signal.aborted) return;
      over.abort();
      await asking;
      await disk.empty();
      const isBack = async (): Promise<boolean> => (await pool.run("select 1", [], { deadlineMs: ASK_LIMIT_MS })).ok;
      await becomesTrue(async () => !postgres.running() || (await isBack()), BACK_LIMIT_MS);
      if (!postgres.running()) hits++;
      await postgres.start();
    },
  };
}
