/** A new outbox on a real PostgreSQL, and messages for it. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import type {
  AckRecord,
  AttemptRecord,
  ClaimOptions,
  InsertOptions,
  LeasedMessage,
  NewMessage,
  ParkingFacts,
} from "@acktor/publisher/outbox/outbox";
import { parkMessages } from "@acktor/publisher/outbox/park-messages";
import { createPool, type DbResult, type Param, type Pool } from "@acktor/shared/db/pool";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { v7 as uuidv7 } from "uuid";
import { testDatabase } from "./postgres.ts";

export const INSERT: InsertOptions = { instance: "one", leaseMs: 15_000, idempotencyWindowMs: 86_400_000 };

export interface TestOutbox {
  readonly pool: Pool;
  readonly url: string;
  /** Rows of a statement that must succeed. */
  sql<Row = Record<string, unknown>>(text: string, params?: readonly Param[]): Promise<readonly Row[]>;
  /** SQLSTATE, constraint and message of a statement that must be refused. */
  refusal(
    text: string,
    params?: readonly Param[],
  ): Promise<{ code: string; constraint: string | null; message: string }>;
}

/** A migrated outbox in its own database. The pool is stopped with the test. */
export async function testOutbox(t: TestContext, version: 15 | 18): Promise<TestOutbox> {
  const { url } = await testDatabase(t, { version });
  const pool = testPool(t, url);
  const migrated = await migrateOutbox(pool);
  if (!migrated.ok) throw new Error(migrated.failure.message);
  return {
    pool,
    url,
    async sql<Row>(text: string, params: readonly Param[] = []) {
      return rowsOf(await pool.run<Row>(text, params, { deadlineMs: 60_000 }));
    },
    async refusal(text, params = []) {
      const result = await pool.run(text, params);
      if (result.ok) throw new Error(`was not refused: ${text}`);
      return result.failure;
    },
  };
}

/** Another pool on the same database, like that of another replica. */
export function testPool(t: TestContext, url: string, size = 5): Pool {
  const pool = createPool({ url, size, applicationName: "acktor-test", deadlineMs: 20_000 });
  t.after(() => pool.stop());
  return pool;
}

export function rowsOf<Row>(result: DbResult<Row>): readonly Row[] {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  // A plain array: the driver returns a subclass, which deepEqual distinguishes.
  return Array.from(result.rows);
}

/** The value of a call that must succeed. */
export function given<T>(
  result: { ok: true; value: T } | { ok: false; failure: { code: string; message: string } },
): T {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  return result.value;
}

/** A plain message, without a lease by default. */
export function message(over: Partial<NewMessage> = {}): NewMessage {
  const payload = over.payload ?? randomBytes(8).toString("hex");
  return {
    messageId: uuidv7(),
    topic: "plant/1",
    payload,
    contentEncoding: "utf8",
    contentType: null,
    qos: 1,
    retain: false,
    requiresAck: true,
    checksum: checksumOf(payload, over.contentEncoding ?? "utf8"),
    orderingKey: null,
    maxRetries: null,
    ttlMs: null,
    deliverAt: null,
    traceparent: null,
    tracestate: null,
    leased: false,
    idempotency: null,
    ...over,
  };
}

export function messages(count: number, over: (at: number) => Partial<NewMessage> = () => ({})): NewMessage[] {
  return Array.from({ length: count }, (_, at) => message(over(at)));
}

export const ack = (messageId: string, over: Partial<AckRecord> = {}): AckRecord => ({
  messageId,
  clientId: "acker",
  checksum: null,
  topic: null,
  signature: null,
  token: null,
  level: "processed",
  attempt: null,
  publishedAgoMs: null,
  reasonCode: null,
  ...over,
});

export const attempt = (
  row: Pick<LeasedMessage, "messageId" | "leaseToken">,
  over: Partial<AttemptRecord> = {},
): AttemptRecord => ({
  messageId: row.messageId,
  leaseToken: row.leaseToken,
  outcome: "acked",
  reasonCode: 0,
  breaker: "CLOSED",
  publishedAgoMs: 5,
  nextInMs: 0,
  ...over,
});

export const claim = (over: Partial<ClaimOptions> = {}): ClaimOptions => ({
  instance: "one",
  limit: 100,
  leaseMs: 15_000,
  laneCursor: "",
  lowWater: null,
  newest: 0,
  ...over,
});

/** Parks one destination that was tried and never answered, and messages for it that this instance has leased. */
export function park(
  pool: Pool,
  destination: string,
  messageIds: readonly string[],
  instance: string,
  facts: ParkingFacts = { tried: true, answeredAgoMs: null },
): Promise<DbResult<{ readonly messageId: string }>> {
  const ids = messageIds.length === 0 ? [null] : messageIds;
  return parkMessages(
    pool,
    ids.map((messageId) => ({ destination, messageId, ...facts })),
    instance,
  );
}
