/**
 * Stores new messages; they are durable when the statement answers.
 *
 * Invariants:
 *  INSERT-1. All or nothing: one statement, which a conflicting idempotency key rolls back.
 *  INSERT-2. Rows of one lane (ordering key, retained topic) get `seq` under that lane's lock, so `seq` rises in commit order.
 *  INSERT-3. Idempotent by id: the same batch again, after an answer that was lost, inserts no row twice.
 *  INSERT-4. A row is born leased only where order does not matter: never in a lane, never with `deliver_at`.
 *  KEY_OWNER-1. An idempotency key is compared only with keys of its owner.
 */
import type { DbFailure, DbResult, Param, Pool } from "@acktor/shared/db/pool";
import type { Inserted, InsertOptions, InsertResult, MessageState, NewMessage } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, sparseColumn } from "./sql-arrays.ts";

/** SQLSTATE of publisher.refuse_conflict; its message is the index. */
const CONFLICT = "AK409";
const MOST_TRIES = 3;

// Nulls stand for the defaults, so that a batch of plain messages sends five arrays and not fifteen.
const ITEM = `unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int2[], $9::boolean[], $10::boolean[],
    $11::text[], $12::text[], $13::int4[], $14::int8[], $15::timestamptz[], $16::text[], $17::text[], $18::boolean[], $19::text[], $20::int8[]) with ordinality
  i(message_id, topic, payload, content_encoding, content_type, qos, retain, requires_ack,
    checksum, ordering_key, max_retries, ttl_ms, deliver_at, traceparent, tracestate, leased, sender, hold_ms, ord)`;

const TARGET = `publisher.message_delivery (message_id, topic, payload, content_encoding, content_type, qos, retain,
    requires_ack, checksum, ordering_key, max_retries, ttl_ms, deliver_at, traceparent, tracestate, expires_at, due_at,
    lease_owner, lease_token, sender, hold_ms)`;

const VALUES = `i.message_id, i.topic, i.payload, coalesce(i.content_encoding, 'utf8'), i.content_type, coalesce(i.qos, 1),
    coalesce(i.retain, false), coalesce(i.requires_ack, true), i.checksum, i.ordering_key, i.max_retries, i.ttl_ms,
    i.deliver_at, i.traceparent, i.tracestate, greatest(i.deliver_at, now()) + i.ttl_ms * interval '1 millisecond',
    case when i.leased then now() + $2::float8 * interval '1 millisecond' else greatest(i.deliver_at, now()) end,
    case when i.leased then $1::text end, case when i.leased then 1 else 0 end, i.sender, i.hold_ms`;

const NOW = "extract(epoch from now())::float8";
// Of a batch sent again the rows may be older than this statement; the envelope carries their time.
const THEN = `(select coalesce(extract(epoch from min(created_at)), ${NOW})::float8
  from publisher.message_delivery where message_id = any($3::uuid[]))`;

const plain = (onConflict: string, createdAt: string): string => `with put as (
  insert into ${TARGET} select ${VALUES} from ${ITEM} ${onConflict})
select ${createdAt} created_at`;

// INSERT-2: the locks are a materialized CTE that the insert joins, and the rows come sorted out of a subquery, so nextval
// (the default of seq) runs after the last lock and in the order given.
const ordered = (onConflict: string, createdAt: string): string => `with lanes as materialized (
  select publisher.lock_lanes(array(
    select unnest(array['k:' || i.ordering_key, case when i.retain then 'r:' || md5(i.topic) end]) from ${ITEM})) locked),
item as materialized (
  select i.*, k.owner, k.key, k.body_hash, k.keep_ms from ${ITEM}
  left join unnest($21::int8[], $22::text[], $23::text[], $24::text[], $25::float8[]) k(ord, owner, key, body_hash, keep_ms) using (ord)),
keyed as (
  insert into publisher.idempotency as o (owner, key, message_id, body_hash, expires_at)
  select owner, key, message_id, body_hash, now() + keep_ms * interval '1 millisecond' from item where key is not null order by owner, key
  on conflict (owner, key) do update set
    message_id = case when o.expires_at <= now() then excluded.message_id else o.message_id end,
    body_hash = case when o.expires_at <= now() then excluded.body_hash else o.body_hash end,
    final_state = case when o.expires_at > now() then o.final_state end,
    expires_at = case when o.expires_at <= now() then excluded.expires_at else o.expires_at end
  returning owner, key, message_id, body_hash, final_state),
checked as materialized (
  select i.ord, k.message_id holder, k.final_state,
    -- INSERT-1
    case when k.body_hash <> i.body_hash then publisher.refuse_conflict(i.ord - 1) else true end agreed
  from item i join keyed k using (owner, key)),
put as (
  insert into ${TARGET} select ${VALUES} from (
    select i.* from item i left join checked c using (ord) cross join lanes
    where lanes.locked and coalesce(c.agreed and c.holder = i.message_id, true) order by i.ord) i ${onConflict})
select ${createdAt} created_at, c.ord::int4 ord, c.holder, coalesce(m.state, c.final_state, 'pending') state
from (select 1) one left join checked c on c.agreed
left join lateral (select m.state from publisher.message_delivery m where m.message_id = c.holder limit 1) m on true`;

const PLAIN = plain("", NOW);
const ORDERED = ordered("", NOW);
// INSERT-3. `on conflict` costs a speculative insert per row: only for the batch that is sent a second time.
const PLAIN_AGAIN = plain("on conflict (message_id) do nothing", THEN);
const ORDERED_AGAIN = ordered("on conflict (message_id) do nothing", THEN);

interface Answer {
  readonly created_at: number;
  readonly ord: number | null;
  /** The message that has the key. */
  readonly holder: string | null;
  readonly state: MessageState;
}

/**
 * Stores `messages`, all or none.
 * @param messages at most a few thousand; the ids are the caller's UUIDv7
 */
export async function insertMessages(
  pool: Pool,
  messages: readonly NewMessage[],
  options: InsertOptions,
): Promise<InsertResult> {
  if (messages.length === 0) return { ok: true, inserted: [] };
  const first = firstOfKeys(messages);
  if (typeof first === "number") return { ok: false, conflict: { index: first } };
  const sent = messages.filter((message, at) => first.get(message) === at);
  const keyed = sent.some((m) => m.idempotency !== null || isLane(m));
  const params = parameters(sent, options, keyed);
  const answer = await put(pool, sent, params, keyed, options.deadlineMs);
  if (!answer.ok) return conflictOf(answer.failure, sent, messages) ?? { ok: false, failure: answer.failure };
  return { ok: true, inserted: inserted(messages, sent, first, answer.rows) };
}

/** INSERT-3: a batch that may be stored already is sent as one that is. */
async function put(
  pool: Pool,
  sent: readonly NewMessage[],
  params: readonly Param[],
  keyed: boolean,
  deadlineMs: number | undefined,
): Promise<DbResult<Answer>> {
  const end = performance.now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
  const run = (text: string): Promise<DbResult<Answer>> =>
    runBatch<Answer>(
      pool,
      text,
      sent,
      params,
      deadlineMs === undefined ? {} : { deadlineMs: Math.max(1, end - performance.now()) },
    );
  let answer = await run(keyed ? ORDERED : PLAIN);
  for (
    let tries = 1;
    !answer.ok && tries < MOST_TRIES && mayBeStored(answer.failure) && performance.now() < end;
    tries++
  ) {
    answer = await run(keyed ? ORDERED_AGAIN : PLAIN_AGAIN);
  }
  return answer;
}

function isLane(message: NewMessage): boolean {
  return message.orderingKey !== null || message.retain;
}

function parameters(messages: readonly NewMessage[], options: InsertOptions, keyed: boolean): Param[] {
  const base = [
    options.instance,
    options.leaseMs,
    column(messages, (m) => m.messageId),
    column(messages, (m) => m.topic),
    column(messages, (m) => m.payload),
    sparseColumn(messages, (m) => (m.contentEncoding === "utf8" ? null : m.contentEncoding)),
    sparseColumn(messages, (m) => m.contentType),
    sparseColumn(messages, (m) => (m.qos === 1 ? null : m.qos)),
    sparseColumn(messages, (m) => (m.retain ? true : null)),
    sparseColumn(messages, (m) => (m.requiresAck ? null : false)),
    column(messages, (m) => m.checksum),
    sparseColumn(messages, (m) => m.orderingKey),
    sparseColumn(messages, (m) => m.maxRetries),
    sparseColumn(messages, (m) => m.ttlMs),
    sparseColumn(messages, (m) => m.deliverAt),
    sparseColumn(messages, (m) => m.traceparent),
    sparseColumn(messages, (m) => m.tracestate),
    // INSERT-4
    sparseColumn(messages, (m) => (m.leased && !isLane(m) && m.deliverAt === null ? true : null)),
    sparseColumn(messages, (m) => m.sender ?? null),
    sparseColumn(messages, (m) => m.holdMs || null),
  ];
  if (!keyed) return base;
  const keys = messages.flatMap(({ idempotency, ttlMs }, at) =>
    idempotency === null ? [] : [{ idempotency, ttlMs, at }],
  );
  return [
    ...base,
    column(keys, (k) => k.at + 1),
    column(keys, (k) => k.idempotency.owner ?? ""),
    column(keys, (k) => k.idempotency.key),
    column(keys, (k) => k.idempotency.bodyHash),
    column(keys, (k) => Math.max(options.idempotencyWindowMs, k.ttlMs ?? 0)),
  ];
}

/**
 * KEY_OWNER-1: the first place of each key of one owner in this batch, because PostgreSQL refuses to change one row twice in a statement
 * (21000).
 * @returns the index of a message whose key came before with another body, or the first place of each message
 */
function firstOfKeys(messages: readonly NewMessage[]): number | ReadonlyMap<NewMessage, number> {
  const seen = new Map<string, { readonly at: number; readonly bodyHash: string }>();
  const places = new Map<NewMessage, number>();
  for (const [at, message] of messages.entries()) {
    const { idempotency } = message;
    const name = idempotency === null ? "" : JSON.stringify([idempotency.owner ?? "", idempotency.key]);
    const before = idempotency === null ? undefined : seen.get(name);
    if (before === undefined) {
      if (idempotency !== null) seen.set(name, { at, bodyHash: idempotency.bodyHash });
      places.set(message, at);
    } else if (before.bodyHash !== idempotency?.bodyHash) return at;
    else places.set(message, before.at);
  }
  return places;
}

function inserted(
  messages: readonly NewMessage[],
  sent: readonly NewMessage[],
  first: ReadonlyMap<NewMessage, number>,
  rows: readonly Answer[],
): Inserted[] {
  const createdAt = rows[0]?.created_at ?? 0;
  const answers = new Map(rows.flatMap((row) => (row.ord === null ? [] : [[sent[row.ord - 1], row] as const])));
  return messages.map((message, at) => {
    const place = first.get(message) ?? 0;
    const holder = messages[place];
    const row = holder === undefined ? undefined : answers.get(holder);
    const messageId = row?.holder ?? message.messageId;
    if (place === at && messageId === message.messageId)
      return { kind: "inserted", messageId, createdAt, state: "pending" };
    return { kind: "same", messageId, state: row?.state ?? "pending" };
  });
}

/** The connection was lost while it ran, or the id exists already: an earlier answer to this batch was lost. */
function mayBeStored({ kind, code, constraint, maybeCommitted }: DbFailure): boolean {
  if (kind === "rejected") return code === "23505" && /^message_delivery_.*pkey$/.test(constraint ?? "");
  return maybeCommitted && code !== "DEADLINE";
}

function conflictOf(
  failure: DbFailure,
  sent: readonly NewMessage[],
  messages: readonly NewMessage[],
): InsertResult | null {
  if (failure.code !== CONFLICT) return null;
  const message = sent[Number(failure.message)];
  return { ok: false, conflict: { index: message === undefined ? 0 : messages.indexOf(message) } };
}
