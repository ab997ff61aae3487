/**
 * The outbox's batch verbs as the roles use them: each reports to the troubles, and one row that fails alone does not take its
 * batch with it.
 *
 * Invariants:
 *  GUARD-1. What becomes of every statement that writes is reported under the name of its area.
 *  GUARD-2. A row whose attempt cannot be recorded ends failed, `unreadable: …`: published again and again it would never
 *     end. An ack that cannot be settled is given up: the message is sent again and answered again.
 */
import { apart, type BadRows } from "@acktor/shared/db/apart";
import type { DbFailure, DbResult, Pool } from "@acktor/shared/db/pool";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { classifyAcks } from "./outbox/classify-acks.ts";
import { type Failure, failMessages } from "./outbox/fail-messages.ts";
import { markSent } from "./outbox/mark-sent.ts";
import type { AckLeftover, AckRecord, AttemptRecord, Outcome, Rejection, Release, Settled } from "./outbox/outbox.ts";
import { parkMessages } from "./outbox/park-messages.ts";
import { rejectMessages } from "./outbox/reject-messages.ts";
import { releaseLeases } from "./outbox/release-leases.ts";
import { unreadable } from "./outbox/set-aside.ts";
import { settleAcks } from "./outbox/settle-acks.ts";
import { unparkDestinations } from "./outbox/unpark-destinations.ts";

type Ids = DbResult<{ readonly messageId: string }>;

export interface GuardedOutboxOptions {
  readonly pool: Pool;
  readonly troubles: TroubleDesk;
  /** Name under which this process leases rows. */
  readonly owner: string;
  /** A row was ended because it cannot be written. */
  readonly onSetAside: (messageId: string, reason: string) => void;
}

export class GuardedOutbox {
  readonly #options: GuardedOutboxOptions;

  constructor(options: GuardedOutboxOptions) {
    this.#options = options;
  }

  async markSent(records: readonly AttemptRecord[]): Promise<Ids> {
    const bad: Failure[] = [];
    const written = await this.#inParts("mark_sent", records, (part) => markSent(this.#options.pool, part), {
      add: ({ messageId, leaseToken }, failure) =>
        void bad.push({ messageId, leaseToken, reason: unreadable(failure) }),
    });
    if (bad.length > 0) await this.#end(bad);
    return written;
  }

  failMessages(failures: readonly Failure[]): Promise<Ids> {
    return this.#inParts("fail", failures, (part) => failMessages(this.#options.pool, part));
  }

  releaseLeases(releases: readonly Release[]): Promise<Ids> {
    return this.#inParts("release", releases, (part) => releaseLeases(this.#options.pool, part));
  }

  park(destination: string, messageIds: readonly string[]): Promise<Ids> {
    const { pool, owner } = this.#options;
    return this.#inParts("park", messageIds, (part) => parkMessages(pool, destination, part, owner));
  }

  async unpark(destination: string): Promise<Outcome<readonly string[]>> {
    const { pool, troubles } = this.#options;
    return troubles.report("unpark", await unparkDestinations(pool, [destination]));
  }

  settleAcks(acks: readonly AckRecord[]): Promise<DbResult<Settled>> {
    return this.#inParts("settle", acks, (part) => settleAcks(this.#options.pool, part));
  }

  classifyAcks(acks: readonly AckRecord[]): Promise<DbResult<{ messageId: string; leftover: AckLeftover }>> {
    return this.#inParts("classify", acks, (part) => classifyAcks(this.#options.pool, part));
  }

  rejectMessages(rejections: readonly Rejection[]): Promise<Ids> {
    return this.#inParts("reject", rejections, (part) => rejectMessages(this.#options.pool, part));
  }

  async #end(bad: readonly Failure[]): Promise<void> {
    const ended = await this.failMessages(bad);
    const ids = new Set(ended.ok ? ended.rows.map(({ messageId }) => messageId) : []);
    for (const { messageId, reason } of bad) if (ids.has(messageId)) this.#options.onSetAside(messageId, reason);
  }

  /** Rows that fail alone are reported as given up; the rest of the batch is written. */
  async #inParts<Item, Row>(
    area: string,
    items: readonly Item[],
    run: (part: readonly Item[]) => Promise<DbResult<Row>>,
    also?: BadRows<Item>,
  ): Promise<DbResult<Row>> {
    const { troubles } = this.#options;
    const given: DbFailure[] = [];
    const result = await apart(items, run, {
      add(item, failure) {
        given.push(failure);
        also?.add(item, failure);
      },
    });
    if (!result.ok || given.length === 0) return troubles.report(area, result);
    for (const failure of given) troubles.gaveUp(area, failure);
    return result;
  }
}
