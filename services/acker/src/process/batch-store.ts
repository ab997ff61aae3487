/**
 * Stores a batch of messages: waits for a database that is away, and finds the one message that cannot be stored, so that
 * the others are.
 *
 * Invariants:
 *  STORE-1. Every message ends in exactly one of: stored, refused, expired, abandoned.
 *  STORE-2. While the database is away nothing is given up until `signal` is aborted, and nothing is refused because of it.
 *  STORE-3. One message's fault fails only this message: a refused batch is halved until it is alone (18 statements for one
 *           in 500, where one by one would be 500).
 *  STORE-4. A message that another batch has is looked for again, a few times: its row is written within milliseconds, and
 *           only the row counts deliveries.
 */
import type { DbResult } from "@acktor/shared/db/pool";
import type { Random } from "@acktor/shared/runtime/clock";
import { pause } from "@acktor/shared/runtime/pause";
import { Persister } from "@acktor/shared/runtime/persist";
import type { Reports } from "../inbox/database-watch.ts";
import type { Inbox } from "../inbox/inbox.ts";
import { judgeFailure } from "../inbox/judge-failure.ts";
import type { InboxMessage } from "../inbox/message.ts";
import type { Receipt, ReceiveOptions } from "../inbox/receive-messages.ts";
import type { Group } from "../verify/group.ts";

interface Refusal {
  readonly reason: string;
  readonly retryable: boolean;
}

export type Stored =
  | { readonly kind: "stored"; readonly receipt: Receipt }
  | ({ readonly kind: "refused" } & Refusal)
  | { readonly kind: "expired" }
  | { readonly kind: "abandoned" };

/** Knows when the lifetime of a message is over. */
export interface Lifetimes {
  isExpired(message: InboxMessage): boolean;
}

export interface BatchStoreParts {
  readonly inbox: Pick<Inbox, "receive">;
  readonly lifetimes: Lifetimes;
  readonly troubles: Pick<Reports, "report">;
  readonly random: Random;
  /** Aborted when the stop gives up waiting for the database. */
  readonly signal: AbortSignal;
}

type Results = Map<string, Stored>;

const LOOK_AGAIN_MS = 20;
const MOST_LOOKS = 5;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

const EXPIRED: Stored = { kind: "expired" };
const ABANDONED: Stored = { kind: "abandoned" };
/** The answer to a part that is stored. */
const NO_BLAME: DbResult<Refusal> = { ok: true, rows: [] };
/** The answer to a part whose messages have all expired: no statement ran. */
const NOTHING_LEFT: DbResult<Refusal> = { ok: true, rows: [] };

export class BatchStore implements Pick<Reports, "report"> {
  readonly #parts: BatchStoreParts;
  readonly #persister: Persister;

  constructor(parts: BatchStoreParts) {
    const { random, signal } = parts;
    this.#parts = parts;
    // STORE-2
    this.#persister = new Persister({
      ...{ troubles: this, random, area: "inbox", stop: signal, abandon: signal, retriesRefusals: true },
      ...{ pauseMs: FIRST_WAIT_MS, maxPauseMs: LONGEST_WAIT_MS },
    });
  }

  /** For the persister. A trouble does not end because its messages expired: PostgreSQL did not answer. */
  report<T extends Parameters<Reports["report"]>[1]>(area: string, result: T): T {
    return (result as unknown) === NOTHING_LEFT ? result : this.#parts.troubles.report(area, result);
  }

  /** Stores groups of distinct ids. @returns what became of each, by message id */
  async store(batch: readonly Group[], options: ReceiveOptions): Promise<ReadonlyMap<string, Stored>> {
    // STORE-1: a part leaves `work` with results, or in two halves.
    const results: Results = new Map();
    const work: Group[][] = [[...batch]];
    for (let part = work.pop(); part !== undefined; part = work.pop()) {
      const blame = await this.#storePart(part, options, results);
      if (blame === null) continue;
      const [only] = part;
      // STORE-3
      if (part.length === 1 && only !== undefined) results.set(only.message.messageId, { kind: "refused", ...blame });
      else work.push(part.slice(part.length >> 1), part.slice(0, part.length >> 1));
    }
    return results;
  }

  /** @returns why PostgreSQL refused the part; null when all its messages have results */
  async #storePart(part: Group[], options: ReceiveOptions, results: Results): Promise<Refusal | null> {
    const { signal } = this.#parts;
    for (let looks = 1; !signal.aborted; looks++) {
      const answer = await this.#persister.persist(() => this.#receive(part, options, results));
      if (!answer.ok) break;
      const [blame] = answer.rows;
      if (blame !== undefined) return blame;
      // STORE-4
      keep(part, ({ message: { messageId } }) => isInBatch(results.get(messageId)));
      if (part.length === 0 || looks === MOST_LOOKS || !(await pause(LOOK_AGAIN_MS, signal))) return null;
    }
    // A statement under way may be committed all the same: its messages have no ack, are sent again, and are known then.
    for (const { message } of part) results.set(message.messageId, ABANDONED);
    return null;
  }

  /** One attempt. Messages expire while the database is away. @returns a failure when the database is to blame */
  async #receive(part: Group[], options: ReceiveOptions, results: Results): Promise<DbResult<Refusal>> {
    const { inbox, lifetimes } = this.#parts;
    keep(part, ({ message, all }) => {
      if (!all.every((delivery) => lifetimes.isExpired(delivery.message))) return true;
      results.set(message.messageId, EXPIRED);
      return false;
    });
    if (part.length === 0) return NOTHING_LEFT;
    const answer = await inbox.receive(part, options);
    if (answer.ok) {
      for (const receipt of answer.rows) results.set(receipt.messageId, { kind: "stored", receipt });
      return NO_BLAME;
    }
    const blame = judgeFailure(answer.failure);
    if (blame.kind === "database") return answer;
    return { ok: true, rows: [{ reason: blame.reason, retryable: blame.retryable }] };
  }
}

function isInBatch(stored: Stored | undefined): boolean {
  return stored?.kind === "stored" && stored.receipt.inBatch === true;
}

/** Keeps in `list` what `isKept` says. */
function keep<T>(list: T[], isKept: (item: T) => boolean): void {
  const kept = list.filter(isKept);
  list.splice(0, list.length, ...kept);
}
