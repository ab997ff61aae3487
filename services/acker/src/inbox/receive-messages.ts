/**
 * Puts a batch into the inbox: one statement, one commit, and the answer to "is it the first time?".
 *
 * Invariants:
 *  1. The insert is the effect (born `processed`) or takes the message on for a handler (born `received`, with a lease).
 *  2. A message that is there already has no second effect; only its `deliveries` rise. It is taken on again when its
 *     handler's lease is over, or when the outbox starts a rejected one anew (a replay: retry count 0, another token).
 *  3. Other content under a known id changes nothing.
 *  4. A lease of another run that ended without an outcome is a crash of its handler (migrations/0001_inbox.sql says which one counts);
 *     the third rejects the message. Whoever finds a lease of its own run has not crashed: the database stalled.
 *  5. What stands in another batch is left to it; what a dead process left in one is a suspect.
 *  6. Safe to run again with the same `owner` after a commit that nobody saw: what it took then is still its own.
 *
 * Looking for conflicts costs a probe, a speculative row and a second WAL record for each message: CPU µs a row of the
 * server process, batches of 1,000, PostgreSQL 18: plain insert 7.4, `on conflict do update` 10.3. Most batches hold only
 * messages that nobody has seen, so a batch that looks new is inserted plainly, and again with the look when it was not.
 */
import { type DbResult, type Param, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { BatchLease } from "./batch-lease.ts";
import type { InboxMessage } from "./message.ts";

/** One message of a batch; ids are distinct within it. */
export interface Incoming {
  readonly message: InboxMessage;
  /** How often it stands in the batch. */
  readonly deliveries: number;
}

export interface ReceiveOptions {
  readonly born: "processed" | "received";
  /** Whose the lease is: `<run of the process>/<batch>`, unlike that of any other batch. */
  readonly owner: string;
  readonly leaseMs: number;
  /** What earlier batches were like; without it every batch is taken for one with known messages. */
  readonly newness?: Newness;
  /** The lease that the caller has on this batch, or may have. */
  readonly batch?: HeldBatch | null;
}

export interface HeldBatch extends BatchLease {
  /** False: its begin has no answer. */
  readonly isCertain: boolean;
}

/** Batches that are looked at for conflicts after one that had some: another acker may receive all that we do. */
const LOOK_AFTER_CONFLICT = 200;
const ALREADY_THERE = "23505";

/** Whether the next batch is likely to be new as a whole. */
export class Newness {
  #looks = 0;

  expects(batch: readonly Incoming[]): boolean {
    if (this.#looks > 0) {
      this.#looks--;
      return false;
    }
    return batch.every(isNew);
  }

  wasWrong(): void {
    this.#looks = LOOK_AFTER_CONFLICT;
  }
}

/** As far as the sender knows, it was never here. */
export function isNew({ message, deliveries }: Incoming): boolean {
  return message.retryCount === 0 && deliveries === 1;
}

/** What the inbox holds under an id after the statement. */
export interface Receipt {
  readonly messageId: string;
  readonly deliveries: number;
  readonly status: "received" | "processed" | "rejected";
  readonly reason: string | null;
  readonly checksum: string;
  /** `received`, and leased to the caller. */
  readonly mine: boolean;
  /** How often its handler's process is thought to have crashed. */
  readonly crashes: number;
  /** It stands in a batch whose handlers run: not in the inbox, and soon there. */
  readonly inBatch?: boolean;
}

/** Crashes after which a message is given up. */
export const MOST_CRASHES = 3;

const runOf = (owner: string): string => `regexp_replace(${owner}, '/[^/]*$', '')`;

const CRASHED = `(i.status = 'received' and excluded.status = 'received' and i.checksum = excluded.checksum
  and i.lease_until <= now() and ${runOf("i.lease_owner")} <> ${runOf("excluded.lease_owner")})`;
const CRASHES = "i.crashes + case when i.crashes = 0 or i.handling then 1 else 0 end";
const GIVEN_UP = `(${CRASHED} and ${CRASHES} >= ${MOST_CRASHES})`;

const TAKEN = `i.checksum = excluded.checksum and (
  (i.status = 'received' and (i.lease_until is null or i.lease_until <= now() or i.lease_owner = excluded.lease_owner))
  or (i.status = 'rejected' and excluded.status = 'received' and excluded.retry_count = 0
      and excluded.attempt_token is distinct from i.attempt_token))`;

const ifTaken = (column: string, givenUp = `excluded.${column}`): string =>
  `${column} = case when ${GIVEN_UP} then ${givenUp} when ${TAKEN} then excluded.${column} else i.${column} end`;

const COLUMNS = `message_id, external_id, topic, content, content_encoding, content_type, checksum,
  deliveries, attempt_token, retry_count`;

const ROWS = `unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[],
  $10::int[]) t(${COLUMNS})`;

const BIRTH = `$11::text,
  case when $11 = 'processed' then now() end,
  case when $11 = 'received' then now() + $12::float8 * interval '1 millisecond' end,
  case when $11 = 'received' then $13::text end`;

/** Takes messages that are new, or fails as a whole. Parameters: `parameters`. */
export const INSERT = `
insert into acker.inbox as i (${COLUMNS}, status, processed_at, lease_until, lease_owner)
select t.*, ${BIRTH} from ${ROWS}`;

const OR_UPDATE = `on conflict (message_id) do update set
  deliveries = i.deliveries + case when i.checksum = excluded.checksum then excluded.deliveries else 0 end,
  reason = case when ${GIVEN_UP} then 'its handler crashed the acker ${MOST_CRASHES} times' when ${TAKEN} then null
    else i.reason end,
  ${ifTaken("status", "'rejected'")},
  ${ifTaken("lease_until", "null")},
  crashes = case when ${CRASHED} then ${CRASHES} when ${TAKEN} and i.status = 'rejected' then 0 else i.crashes end,
  handling = i.handling and not (${TAKEN}),
  ${["processed_at", "lease_owner", "attempt_token", "retry_count"].map((column) => ifTaken(column)).join(",\n  ")}
returning i.message_id as "messageId", i.deliveries, i.status, i.reason, i.checksum,
  coalesce(i.status = 'received' and i.lease_owner = $13, false) as mine, i.crashes, false as "inBatch"`;

/** Where the row is the effect. */
const RECEIVE = `${INSERT}\n${OR_UPDATE}`;

/** Where a handler follows: its messages may stand in a batch, whose answer is its own. */
const TAKE_ON = `
with batched as materialized (select * from acker.in_batches($1::uuid[], $14::text, $15::int2)),
taken as (
insert into acker.inbox as i (${COLUMNS}, status, processed_at, lease_until, lease_owner, crashes)
select t.*, ${BIRTH}, case when t.message_id = any (array(select message_id from batched where crashed)) then 1 else 0 end
from ${ROWS}
where t.message_id <> all (array(select message_id from batched where live))
${OR_UPDATE})
select * from taken
union all
select t.message_id, t.deliveries + 1, 'received', null, t.checksum, false, 0, true
from ${ROWS} join batched using (message_id) where live`;

/** Runs the statement. Rows come in the order of ids, which is also the order of locks: two ackers never deadlock. */
export async function receiveMessages(
  pool: Pool,
  batch: readonly Incoming[],
  options: ReceiveOptions,
): Promise<DbResult<Receipt>> {
  const sorted = batch.toSorted((a, b) => (a.message.messageId < b.message.messageId ? -1 : 1));
  const params = parameters(sorted, options);
  if (mayInsertPlainly(sorted, options)) {
    const answer = await pool.run<never>(INSERT, params);
    if (answer.ok) return { ok: true, rows: sorted.map((item) => firstReceipt(item, options)) };
    if (answer.failure.code !== ALREADY_THERE) return answer;
    options.newness?.wasWrong();
  }
  if (options.born === "processed") return pool.run<Receipt>(RECEIVE, params);
  const run = options.batch?.run ?? options.owner.replace(/\/[^/]*$/, "");
  return pool.run<Receipt>(TAKE_ON, [...params, run, options.batch?.lane ?? null]);
}

/** A handler's messages may stand in a batch: only the lease on it says that they do not. */
function mayInsertPlainly(batch: readonly Incoming[], { newness, born, batch: lease }: ReceiveOptions): boolean {
  return (born === "processed" || lease?.isCertain === true) && newness !== undefined && newness.expects(batch);
}

/** What the inbox holds of a message that was inserted plainly. */
export function firstReceipt({ message, deliveries }: Incoming, { born }: Pick<ReceiveOptions, "born">): Receipt {
  const { messageId, checksum } = message;
  return { messageId, deliveries, status: born, reason: null, checksum, mine: born === "received", crashes: 0 };
}

export function parameters(sorted: readonly Incoming[], options: ReceiveOptions): Param[] {
  const column = <T extends string | number | null>(pick: (item: Incoming) => T): string => pgArray(sorted.map(pick));
  return [
    column((item) => item.message.messageId),
    column((item) => item.message.externalId),
    column((item) => item.message.topic),
    column((item) => item.message.content),
    column((item) => item.message.contentEncoding),
    column((item) => item.message.contentType),
    column((item) => item.message.checksum),
    column((item) => item.deliveries),
    column((item) => item.message.attemptToken),
    column((item) => item.message.retryCount),
    options.born,
    options.leaseMs,
    options.owner,
  ];
}
