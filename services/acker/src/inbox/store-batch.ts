/**
 * Gets a batch stored, whatever stands in the way: waits for a database that is away, and finds the one message that
 * cannot be stored, so that the others flow.
 *
 * Invariants:
 *  1. Every message ends in exactly one of: stored, refused, expired, abandoned.
 *  2. While the database is away nothing is given up until `signal` says so; nothing is refused for it.
 *  3. One message's fault fails only this message: a refused batch is halved until it stands alone (18 statements for
 *     one in 500, where one by one would be 500).
 *  4. What stands in another batch is looked for again, shortly: there it is written in a moment, and counted only in its row.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { pause, unlessAborted } from "@acktor/shared/runtime/pause";
import { judgeFailure } from "./judge-failure.ts";
import { type Incoming, type Receipt, type ReceiveOptions, receiveMessages } from "./receive-messages.ts";

export type Stored =
  | { readonly kind: "stored"; readonly receipt: Receipt }
  | { readonly kind: "refused"; readonly reason: string; readonly retryable: boolean }
  | { readonly kind: "expired" }
  | { readonly kind: "abandoned" };

export interface StoreControl<T extends Incoming> {
  /** Aborted when waiting makes no sense any more. */
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Asked before every try: the life of a message may end while the database is away. */
  readonly isExpired: (item: T) => boolean;
  /** The database did not take it; it is tried again. */
  readonly onTrouble: (failure: DbFailure) => void;
}

const BATCH_WAIT_MS = 20;
const BATCH_LOOKS = 5;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

/** Stores a batch of distinct ids. @returns what became of each, by message id */
export async function storeBatch<T extends Incoming>(
  pool: Pool,
  batch: readonly T[],
  options: ReceiveOptions,
  control: StoreControl<T>,
): Promise<ReadonlyMap<string, Stored>> {
  const results = new Map<string, Stored>();
  const work: T[][] = [[...batch]];
  for (let group = work.pop(); group !== undefined; group = work.pop()) {
    const blame = await storeGroup(pool, group, options, control, results);
    if (blame === null) continue;
    const [only] = group;
    if (group.length === 1 && only !== undefined) results.set(only.message.messageId, { kind: "refused", ...blame });
    else work.push(group.slice(group.length >> 1), group.slice(0, group.length >> 1));
  }
  return results;
}

interface Refusal {
  readonly reason: string;
  readonly retryable: boolean;
}

/** Tries until the database takes the group or blames it. */
async function storeGroup<T extends Incoming>(
  pool: Pool,
  group: T[],
  options: ReceiveOptions,
  control: StoreControl<T>,
  results: Map<string, Stored>,
): Promise<Refusal | null> {
  let looks = 0;
  for (let tries = 0; ; tries++) {
    dropExpired(group, control, results);
    if (group.length === 0) return null;
    // What is under way when waiting ends may be committed all the same: without an ack it is sent again, and known.
    const answer = control.signal.aborted
      ? null
      : await unlessAborted(receiveMessages(pool, group, options), control.signal);
    if (answer === null) break;
    if (answer.ok) {
      const inBatch = new Set(answer.rows.filter((receipt) => receipt.inBatch).map(({ messageId }) => messageId));
      for (const receipt of answer.rows) results.set(receipt.messageId, { kind: "stored", receipt });
      if (inBatch.size === 0 || ++looks === BATCH_LOOKS) return null;
      removeFrom(group, (item) => !inBatch.has(item.message.messageId));
      if (await pause(BATCH_WAIT_MS, control.signal)) continue;
      return null;
    }
    const blame = judgeFailure(answer.failure);
    if (blame.kind === "message") return { reason: blame.reason, retryable: blame.retryable };
    control.onTrouble(answer.failure);
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, 10));
    if (!(await pause(wait * (0.5 + control.random() / 2), control.signal))) break;
  }
  for (const item of group) results.set(item.message.messageId, { kind: "abandoned" });
  return null;
}

/** Removes from `group` what has outlived itself. */
function dropExpired<T extends Incoming>(group: T[], control: StoreControl<T>, results: Map<string, Stored>): void {
  removeFrom(group, (item) => {
    if (!control.isExpired(item)) return false;
    results.set(item.message.messageId, { kind: "expired" });
    return true;
  });
}

function removeFrom<T>(list: T[], isOver: (item: T) => boolean): void {
  const kept = list.filter((item) => !isOver(item));
  list.splice(0, list.length, ...kept);
}
