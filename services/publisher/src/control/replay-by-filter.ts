/** Replay of dead letters as operators ask for it, by HTTP and by the bus: the same body, the same answer. */
import type { Pool } from "@acktor/shared/db/pool";
import { z } from "zod";
import type { Outcome } from "../outbox/outbox.ts";
import { replayDeadLetters } from "../outbox/replay-dead-letters.ts";
import { label, topicName } from "../outbox/storable-text.ts";

export const deadLettersBody = z.strictObject({
  reason: label.optional(),
  topic: topicName.optional(),
  limit: z.int().min(1).max(100_000).default(1_000),
  dry_run: z.boolean().default(false),
  force: z.boolean().default(false),
  out_of_order: z.boolean().default(false),
  who: label.optional(),
});

/** As the answer has it: no interface, so that it is JSON by its type too. */
export type ReplayAnswer = {
  readonly dry_run: boolean;
  readonly matched: number;
  readonly replayed: number;
  readonly refused: number;
};

export async function replayByFilter(
  pool: Pool,
  inboxWindowMs: number,
  body: z.output<typeof deadLettersBody>,
  who: string,
): Promise<Outcome<ReplayAnswer>> {
  const { reason, topic, limit, dry_run, force, out_of_order } = body;
  const filter = { reason: reason ?? null, topic: topic ?? null, limit, dryRun: dry_run };
  const result = await replayDeadLetters(pool, filter, { inboxWindowMs, force, outOfOrder: out_of_order, who });
  if (!result.ok) return result;
  const { matched, replayed, refused } = result.value;
  return { ok: true, value: { dry_run, matched, replayed, refused } };
}
