/** Messages of one sender that wait, for its quota. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "../outbox/outbox.ts";

const DEADLINE_MS = 1_000;

// The predicate of the index message_delivery_sender, to the letter.
const COUNT = `select count(*)::int4 waiting from (
  select from publisher.message_delivery
  where sender = $1 and coalesce(due_at, due_at) is not null and sender is not null and not starts_with(sender, 'sql:') limit $2) w`;

export class SenderCounts {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** @returns pending and sent messages of the sender, counted up to `most` */
  async count(sender: string, most: number): Promise<Outcome<number>> {
    const answer = await this.#pool.run<{ waiting: number }>(COUNT, [sender, most], { deadlineMs: DEADLINE_MS });
    return answer.ok ? { ok: true, value: answer.rows[0]?.waiting ?? 0 } : answer;
  }
}
