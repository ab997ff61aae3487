/**
 * The transactional outbox from TypeScript: a message that is sent if, and only if, the caller's transaction commits.
 *
 * Invariants:
 *  SQL_ENQUEUE-1. One statement, `publisher.enqueue`, runs on the caller's own connection. No driver is imported: both are
 *                 recognised by their methods.
 *  SQL_ENQUEUE-2. With postgres.js the message is rejected unless it is written in the transaction that was fenced at its
 *                 start. That driver runs the rest of a transaction whose backend died on a new connection, outside any
 *                 transaction, and then reports a failure: the row would stay, a message of a transaction that never
 *                 committed (porsager/postgres #1133, #1215).
 *  SQL_ENQUEUE-3. Every failure rejects, so that the caller's transaction is rolled back.
 *
 * `pg` needs no fence: its client is one connection, and every query after that one's end fails.
 */
import { encodeContent, type OutgoingMessage } from "./message.ts";

type SqlValue = string | number | boolean | null;

/** A `sql` of postgres.js, or the one that `sql.begin` gives (which has `savepoint`). */
export interface PostgresJs {
  // A method, so that the driver's narrower parameter types fit.
  unsafe(text: string, parameters?: SqlValue[]): PromiseLike<readonly unknown[]>;
  readonly savepoint?: unknown;
}

/** A client of `pg`, checked out: not its pool, which gives each query another connection. */
export interface PgClient {
  query(text: string, values?: SqlValue[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** Why a message was not sent to the database. */
export class EnqueueError extends Error {
  readonly code: "not_fenced" | "not_a_client";

  constructor(code: EnqueueError["code"], message: string) {
    super(message);
    this.name = "EnqueueError";
    this.code = code;
  }
}

const ENQUEUE = `select publisher.enqueue($1::text, $2::text, content_encoding => $3::text, content_type => $4::text,
  qos => $5::text::int4, retain => $6::text::boolean, requires_ack => $7::text::boolean, ttl_seconds => $8::text::float8,
  max_retries => $9::text::int4, ordering_key => $10::text, deliver_at => $11::text::timestamptz,
  fence => $12::text, hold_seconds => $13::text::float8) as message_id`;

/** `pid:xid` of fenced transactions, for as long as the driver's object lives. */
const fences = new WeakMap<object, string>();

/**
 * Fences a transaction of postgres.js. It must be the *first* statement: it cannot see what was lost before it.
 * @returns `tx` itself
 */
export async function fence<T extends PostgresJs>(tx: T): Promise<T> {
  const [row] = (await tx.unsafe("select publisher.fence() as fence", [])) as readonly { readonly fence?: string }[];
  if (row?.fence === undefined) throw new EnqueueError("not_fenced", "the database gave no fence");
  fences.set(tx, row.fence);
  return tx;
}

/**
 * Stores a message in the caller's transaction; it is sent within 250 ms of the commit.
 * @param tx the `sql` of `sql.begin` after `fence(tx)`; or a plain `sql`, where the message is a transaction of its own;
 *   or a client of `pg`
 * @returns the message's id (UUIDv7)
 * @throws EnqueueError; or the driver's error with SQLSTATE 22023 for an invalid field (its name is in `column_name`,
 *   with `pg` in `column`), and for a transaction that was lost (`fence`): run it again
 */
export async function enqueue(tx: PostgresJs | PgClient, message: OutgoingMessage): Promise<string> {
  // SQL_ENQUEUE-1
  const rows = isPostgresJs(tx)
    ? await tx.unsafe(ENQUEUE, parameters(message, fenceOf(tx)))
    : (await clientOf(tx).query(ENQUEUE, parameters(message, null))).rows;
  const [row] = rows as readonly { readonly message_id: string }[];
  // SQL_ENQUEUE-3
  if (row === undefined) throw new EnqueueError("not_a_client", "the driver gave no row: is this a client of pg?");
  return row.message_id;
}

function isPostgresJs(tx: PostgresJs | PgClient): tx is PostgresJs {
  return typeof (tx as PostgresJs).unsafe === "function";
}

/** Null for a plain `sql`: its one statement is atomic. SQL_ENQUEUE-2 */
function fenceOf(tx: PostgresJs): string | null {
  if (tx.savepoint === undefined) return null;
  const known = fences.get(tx);
  if (known !== undefined) return known;
  throw new EnqueueError("not_fenced", "call `await fence(tx)` as the first statement of the transaction");
}

function clientOf(tx: PgClient): PgClient {
  if ("totalCount" in tx && "connect" in tx) {
    throw new EnqueueError("not_a_client", "this is a pool of pg: enqueue with the client that runs your transaction");
  }
  return tx;
}

/** Texts only, cast by the statement: the two drivers encode numbers, booleans and times each in their own way. */
function parameters(message: OutgoingMessage, fenced: string | null): SqlValue[] {
  const { text, encoding } = encodeContent(message.content);
  const asText = (value: number | string | boolean | undefined): string | null =>
    value === undefined ? null : String(value);
  return [
    message.topic,
    text,
    encoding,
    asText(message.contentType),
    String(message.qos ?? 1),
    String(message.retain ?? false),
    String(message.requiresAck ?? true),
    asText(message.ttlSeconds),
    asText(message.maxRetries),
    asText(message.orderingKey),
    message.deliverAt?.toISOString() ?? null,
    fenced,
    asText(message.holdSeconds),
  ];
}
