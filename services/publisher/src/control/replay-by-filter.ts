/** Replay of dead letters as operators ask for it, by HTTP and by the bus: the same body, the same answer. */
import type { Pool } from "@acktor/shared/db/pool";
import { z } from "zod";
import type { Asker } from "../outbox/asker.ts";
import type { DeadLetterFilter } from "../outbox/move-dead-letters.ts";
import type { Outcome } from "../outbox/outbox.ts";
import { replayDeadLetters } from "../outbox/replay-dead-letters.ts";
import { label, topicName } from "../outbox/storable-text.ts";
import { EVERYWHERE, type TopicScope } from "../principals/topic-filters.ts";

const MOST_IDS = 10_000;

/** Selected ones. */
export const messageIds = z
  .array(z.uuid("is not a message id (a UUID)"))
  .min(1, "is empty")
  .max(MOST_IDS, `has more than ${MOST_IDS} ids`)
  .optional();

/** Messages a second at which replayed ones come due. */
const ratePerSecond = z.number().positive("must be above 0").max(1_000_000, "must be at most 1,000,000").optional();

export const deadLettersBody = z.strictObject({
  message_ids: messageIds,
  rate_per_second: ratePerSecond,
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
  /** In a dry run: what would be refused. */
  readonly refused: number;
  /** Each reason once, with one message that it is about. */
  readonly refusals: { readonly why: string; readonly count: number; readonly message_id: string }[];
};

export async function replayByFilter(
  pool: Pool,
  inboxWindowMs: number,
  body: z.output<typeof deadLettersBody>,
  asker: Asker,
  scope: TopicScope = EVERYWHERE,
): Promise<Outcome<ReplayAnswer>> {
  const { force, out_of_order, rate_per_second: rate, dry_run } = body;
  const spacingMs = rate === undefined ? 0 : 1_000 / rate;
  const options = { inboxWindowMs, force, outOfOrder: out_of_order, spacingMs, ...asker };
  const result = await replayDeadLetters(pool, filterOf(body, scope), options);
  if (!result.ok) return result;
  const { matched, moved, refused, refusals } = result.value;
  return { ok: true, value: { dry_run, matched, replayed: moved, refused, refusals: [...refusals] } };
}

interface FilterBody {
  readonly message_ids?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly topic?: string | undefined;
  readonly limit: number;
  readonly dry_run: boolean;
}

/** With ids, only these; reason and topic are then not looked at. */
export function filterOf(
  { message_ids, reason, topic, limit, dry_run }: FilterBody,
  scope: TopicScope = EVERYWHERE,
): DeadLetterFilter {
  const ids = message_ids?.map((id) => id.toLowerCase()) ?? null;
  return { messageIds: ids, reason: reason ?? null, topic: topic ?? null, limit, dryRun: dry_run, scope };
}
