/**
 * Puts a batch into the inbox: one statement, one commit. The answer says whether a message is there for the first time.
 *
 * The insert is the effect (born `processed`) or takes the message on for a handler (born `received`, with a lease).
 *
 * Invariants:
 *  RECEIVE-1. A message that the inbox has already has no second effect; only its `deliveries` rise. It is taken on again
 *             when its handler's lease is over, or when the outbox replays a rejected one (retry count 0, another token).
 *  RECEIVE-2. Other content under a known id changes nothing.
 *  RECEIVE-3. A lease of another run that ended without an outcome is a crash of its handler (migrations/0001_inbox.sql says which one
 *             counts); the third crash rejects the message. A lease of the same run is no crash: the database stalled.
 *  RECEIVE-4. A message of another live batch is left to that batch; one that a dead process left in a
 *             batch is a suspect.
 *  RECEIVE-5. Safe to run again with the same `owner` after a commit whose answer was lost: the owner keeps what it took.
 *
 * Looking for conflicts costs a probe, a speculative row and a second WAL record for each message: CPU µs a row of the
 * server process, batches of 1,000, PostgreSQL 18: plain insert 7.4, `on conflict do update` 10.3. Most batches hold only
 * new messages, so a batch that looks new is inserted plainly, and again with `on conflict` when it was not new.
 */
import { type DbResult, type Param, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { BatchLease } from "./batch-lease.ts";
import type { InboxMessage } from "./message.ts";

/** One message of a batch; ids are distinct within it. */
export interface Incoming {
  readonly message: InboxMessage;
  /** How often the batch has it. */
  readonly deliveries: number;
}

export interface ReceiveOptions {
  readonly born: "processed" | "received";
  /** Owner of the leases: `<run of the process>/<batch>`, different for each batch. */
  readonly owner: string;
  readonly leaseMs: number;
  /** The lease that the caller has on this batch, or may have. */
  readonly batch: HeldBatch | null;
}

export interface HeldBatch extends BatchLease {
  /** False: the answer to its begin was lost. */
  readonly isCertain: boolean;
}

/** Batches with the look for conflicts after one that had some: another acker may receive the same messages. */
const LOOK_AFTER_CONFLICT = 200;
const ALREADY_THERE = "23505";

/** Guesses whether every message of the next batch is new. */
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

/** True for the first delivery, as far as the sender knows. */
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
  /** Another batch, whose handlers run, has it: it will be in the inbox soon. */
  readonly inBatch?: boolean;
}

/** Crashes after which a message is given up. */
export const MOST_CRASHES = 3;

const runOf = (owner: string): string => `regexp_replace(${owner}, '/[^/]*$', '')`;

// RECEIVE-3
const CRASHED = `(i.status = 'received' and excluded.status = 'received' and i.checksum = excluded.checksum
  and i.lease_until <= now() and ${runOf("i.lease_owner")} <> ${runOf("excluded.lease_owner")})`;
const CRASHES = "i.crashes + case when i.crashes = 0 or i.handling then 1 else 0 end";
const GIVEN_UP = `(${CRASHED} and ${CRASHES} >= ${MOST_CRASHES})`;

// RECEIVE-1, RECEIVE-5; RECEIVE-2 is the comparison of checksums here and at `deliveries`.
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

/** Takes new messages, or fails for all of them. Parameters: `parameters`. */
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

/** Where a handler follows. RECEIVE-4: messages of live batches are left out of the insert. */
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

/**
 * Runs the statement. Rows come in the order of ids, which is also the order of locks: two ackers never deadlock.
 * @param newness what earlier batches were like; null: every batch may have known messages
 */
export async function receiveMessages(
  pool: Pool,
  batch: readonly Incoming[],
  options: ReceiveOptions,
  newness: Newness | null,
): Promise<DbResult<Receipt>> {
  const sorted = batch.toSorted((a, b) => (a.message.messageId < b.message.messageId ? -1 : 1));
  const params = parameters(sorted, options);
  if (newness !== null && mayInsertPlainly(options) && newness.expects(sorted)) {
    const answer = await pool.run<never>(INSERT, params);
    if (answer.ok) return { ok: true, rows: sorted.map((item) => firstReceipt(item, options.born)) };
    if (answer.failure.code !== ALREADY_THERE) return answer;
    newness.wasWrong();
  }
  if (options.born === "processed") return pool.run<Receipt>(RECEIVE, params);
  const run = options.batch?.run ?? options.owner.replace(/\/[^/]*$/, "");
  return pool.run<Receipt>(TAKE_ON, [...params, run, options.batch?.slot ?? null]);
}

/** RECEIVE-4: another batch may have a handler's messages, unless the caller certainly has the lease on this batch. */
function mayInsertPlainly({ born, batch }: ReceiveOptions): boolean {
  return born === "processed" || batch?.isCertain === true;
}

/** What the inbox holds of a message that was inserted plainly. */
export function firstReceipt({ message, deliveries }: Incoming, born: ReceiveOptions["born"]): Receipt {
  const { messageId, checksum } = message;
  return { messageId, deliveries, status: born, reason: null, checksum, mine: born === "received", crashes: 0 };
}

export function parameters(
  sorted: readonly Incoming[],
  options: Pick<ReceiveOptions, "born" | "leaseMs" | "owner">,
): Param[] {
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
