/**
 * Rows that INSERT accepts, and values that UPDATE may write (RIGHTS-5 of the publisher's migration). The owner runs the
 * statements: it has every right, so that only the guards protect the engine from a value.
 *
 * Every column has its entry: hostile values that must be refused with the column's name, or the reason why no value can do
 * harm. Accepted rows then go through a complete life: claimed, sent, rejected, acknowledged, read.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import { rejectMessages } from "@acktor/publisher/outbox/reject-messages";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import fc from "fast-check";
import { ack, attempt, claim, given, INSERT, message, rowsOf, type TestOutbox, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

const TIMES = ["'infinity'", "'-infinity'", "'294000-01-01'", "'4000-01-01 BC'", "'2201-01-01'", "'1969-12-31'"];
const MAX_BIGINT = "9223372036854775807";
const LONG = "repeat('x', 20000)";
const NOT_NULL_AT_BIRTH = ["'x'", "''"];

interface Entry {
  /** SQL expressions that no INSERT may write. */
  readonly birth: readonly string[];
  /** Expressions that no UPDATE may write into a row that was claimed once. Default: those of `birth`. */
  readonly update?: readonly string[];
  /** Other columns' values that this column needs, so that only its own value is at fault. */
  readonly with?: Readonly<Record<string, string>>;
}

/** Columns of which no value can do harm, and why. */
const HARMLESS: Readonly<Record<string, string>> = {
  retain: "a boolean that the sender chooses",
  lane: "generated",
  retry_count: "generated",
};

const COLUMNS: Readonly<Record<string, Entry>> = {
  message_id: {
    birth: [
      "gen_random_uuid()",
      "'00000000-0000-7000-8000-000000000000'",
      "'ffffffff-ffff-7fff-bfff-ffffffffffff'",
      "publisher.uuid_v7(now() + interval '2 years')",
      "publisher.uuid_v7(now() - interval '2 years')",
      "publisher.uuid_v7('2500-01-01')",
    ],
    update: ["gen_random_uuid()"],
  },
  topic: { birth: ["''", "'a/#'", "'$SYS/a'", "repeat('x', 65536)", "repeat('x/', 100)", "E'a\\u0001'"] },
  payload: { birth: ["repeat('x', 262145)"] },
  content_encoding: { birth: ["'latin1'", "''"] },
  content_type: { birth: [LONG] },
  qos: { birth: ["3", "-1", "32767"] },
  requires_ack: { birth: ["false"], with: { qos: "0" } },
  state: {
    birth: ["'sent'", "'acknowledged'", "'failed'", "'expired'", "''", "'PENDING'"],
    update: ["''", "'PENDING'", "'waiting'"],
  },
  created_at: {
    birth: [...TIMES, "now() - interval '2 days'", "now() + interval '5 minutes'"],
    update: TIMES,
  },
  updated_at: { birth: [...TIMES, "now() - interval '2 days'", "now() + interval '5 minutes'"], update: TIMES },
  attempts: { birth: ["1", "-1", "2147483647"], update: ["-1", "2147483647", "1500000"] },
  max_retries: { birth: ["-1", "1000001", "2147483647"] },
  hold_ms: { birth: ["-1", "2678400001", MAX_BIGINT] },
  ttl_ms: { birth: ["0", "-1", "3155760000001", MAX_BIGINT] },
  deliver_at: { birth: TIMES },
  expires_at: { birth: TIMES },
  checksum: { birth: ["''", "'sha256:'", "'sha256:' || repeat('A', 63)", LONG] },
  reason: { birth: NOT_NULL_AT_BIRTH, update: [LONG] },
  ordering_key: { birth: ["''", "repeat('x', 1025)", LONG] },
  seq: { birth: [MAX_BIGINT, "0", "-1", "4611686018427387904"], update: [MAX_BIGINT, "0", "-1"] },
  due_at: { birth: TIMES },
  parked: { birth: ["true"], update: [] },
  lease_owner: { birth: ["'x'", LONG], update: [] },
  lease_token: {
    birth: [MAX_BIGINT, "9223372036854775806", "4611686018427387904", "2", "1", "-1", "-9223372036854775808"],
    update: [MAX_BIGINT, "9223372036854775806", "4611686018427387904", "3", "0", "-1", "-9223372036854775808"],
  },
  sent_token: { birth: ["0", MAX_BIGINT], update: [] },
  sent_at: { birth: [...TIMES, "now()"], update: TIMES },
  last_outcome: { birth: NOT_NULL_AT_BIRTH, update: ["'x'", "''", LONG] },
  last_reason_code: { birth: ["0", "32767"], update: [] },
  last_breaker: { birth: NOT_NULL_AT_BIRTH, update: [] },
  acknowledged_at: { birth: [...TIMES, "now()"], update: TIMES },
  acked_by: { birth: NOT_NULL_AT_BIRTH, update: ["repeat('x', 1025)"] },
  ack_level: { birth: NOT_NULL_AT_BIRTH, update: [] },
  ack_signature: { birth: NOT_NULL_AT_BIRTH, update: [] },
  ack_token: { birth: NOT_NULL_AT_BIRTH, update: [] },
  late: { birth: ["true"], update: [] },
  discarded_at: { birth: [...TIMES, "now()"], update: TIMES },
  traceparent: { birth: ["repeat('x', 257)"] },
  tracestate: { birth: ["repeat('x', 2049)"] },
  sender: { birth: ["repeat('x', 1025)"] },
};

const BASE = {
  message_id: "publisher.uuid_v7()",
  topic: "'plant/1'",
  payload: "'p'",
  checksum: `'sha256:${"0".repeat(64)}'`,
};

const insertText = (over: Readonly<Record<string, string>>): string => {
  const row: Readonly<Record<string, string>> = { ...BASE, ...over };
  return `insert into publisher.message_delivery (${Object.keys(row)}) values (${Object.values(row)})`;
};

for (const version of postgresVersions()) {
  test(`RIGHTS-5: every column at birth and afterwards, PostgreSQL ${version}`, async (t) => {
    const db = await testOutbox(t, version);
    await t.test("each column of the catalog has its entry", () => entries(db));
    await t.test("no row is inserted with a hostile value, also not as the first of its session", () => births(db));
    await t.test("no update writes a hostile value", () => updates(db));
    await t.test("the very first row, with the highest number of its lane", () => firstOfAll(db));
    await t.test("the guards accept what enqueue accepts; each refusal of enqueue names its field", () =>
      byEnqueue(db),
    );
  });

  test(`RIGHTS-5: every row that INSERT accepts is delivered, PostgreSQL ${version}`, async (t) => {
    const db = await testOutbox(t, version);
    await insertedFlows(db);
  });
}

async function entries({ sql }: TestOutbox): Promise<void> {
  const found = await sql<{ attname: string }>(
    "select attname from pg_attribute where attrelid = 'publisher.message_delivery'::regclass and attnum > 0 and not attisdropped",
  );
  const named = [...Object.keys(COLUMNS), ...Object.keys(HARMLESS)];
  assert.deepEqual(found.map(({ attname }) => attname).sort(), named.sort());
}

async function births({ refusal, sql }: TestOutbox): Promise<void> {
  for (const [column, { birth, with: others = {} }] of Object.entries(COLUMNS)) {
    for (const value of birth) {
      const failure = await refusal(insertText({ ...others, [column]: value }));
      // 22007 and 22008: the value is not of the column's type.
      assert.match(
        failure.code,
        /^(23514|22008|22007|22023)$/,
        `${column} = ${value}: ${failure.code} ${failure.message}`,
      );
      if (failure.code === "23514")
        assert.match(failure.message, new RegExp(`${column}|a message is born|^new row`), failure.message);
    }
  }
  assert.deepEqual(await sql("select from publisher.message_delivery"), []);
}

async function updates(db: TestOutbox): Promise<void> {
  assert.ok((await insertMessages(db.pool, [message()], INSERT)).ok);
  const [row] = given(await claimDue(db.pool, claim())).messages;
  assert.equal(row?.leaseToken, "1");
  const before = await db.sql("select * from publisher.message_delivery");
  for (const [column, { birth, update = birth, with: others = {} }] of Object.entries(COLUMNS)) {
    for (const value of update) {
      const set = Object.entries({ ...others, [column]: value }).map(([name, to]) => `${name} = ${to}`);
      const failure = await db.refusal(`update publisher.message_delivery set ${set}`);
      assert.match(
        failure.code,
        /^(23514|22008|22007|22003|22023)$/,
        `${column} = ${value}: ${failure.code} ${failure.message}`,
      );
    }
  }
  assert.deepEqual(await db.sql("select * from publisher.message_delivery"), before, "and nothing has changed");
  await db.sql("delete from publisher.message_delivery");
}

/** A sequence without a first number, in a session that has drawn none. */
async function firstOfAll({ refusal, sql }: TestOutbox): Promise<void> {
  await sql("alter sequence publisher.message_seq restart");
  for (const seq of [MAX_BIGINT, "1", "2"]) {
    const { code, message: why } = await refusal(insertText({ seq, retain: "true" }));
    assert.deepEqual([code, /^seq was not drawn/.test(why)], ["23514", true], `${seq}: ${why}`);
  }
  await sql(insertText({ retain: "true" }));
  await sql("delete from publisher.message_delivery");
}

async function byEnqueue({ refusal, sql }: TestOutbox): Promise<void> {
  for (const [call, field] of [
    ["deliver_at => 'infinity'", "deliver_at"],
    ["deliver_at => '-infinity'", "deliver_at"],
    ["deliver_at => '2199-06-01'", "deliver_at"],
    ["deliver_at => '2198-01-01', ttl_seconds => 3153600000", "ttl_seconds"],
    ["ttl_seconds => 'infinity'", "ttl_seconds"],
    ["ttl_seconds => 'nan'", "ttl_seconds"],
    ["max_retries => 2147483647", "max_retries"],
    ["content_type => repeat('x', 1025)", "content_type"],
    ["traceparent => repeat('x', 257)", "traceparent"],
    ["ordering_key => repeat('x', 1025)", "ordering_key"],
  ] as const) {
    const { code, message: why } = await refusal(`select publisher.enqueue('a', 'b', ${call})`);
    assert.deepEqual([code, why.startsWith(`${field} `)], ["22023", true], `${call}: ${code} ${why}`);
  }
  await sql(
    "select publisher.enqueue('a', 'b', deliver_at => '1970-01-01Z', ttl_seconds => 3153600000, max_retries => 1000000)",
  );
  await sql("select publisher.enqueue('a', 'b', content_type => repeat('x', 1024), traceparent => repeat('x', 256))");
  await sql("delete from publisher.message_delivery");
}

/** Values around every bound; this test ignores refused rows. */
const time = fc.constantFrom(
  "now()",
  "clock_timestamp()",
  "now() - interval '23 hours'",
  ...TIMES,
  "'1970-01-01Z'",
  "'2199-12-31Z'",
);
const number = fc.constantFrom("0", "1", "2", "-1", "1000000", "2147483647", "3155760000000", MAX_BIGINT);
const CHOICES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  created_at: time,
  updated_at: time,
  due_at: time,
  expires_at: time,
  deliver_at: time,
  lease_token: number,
  lease_owner: fc.constantFrom("null", "'one'", LONG),
  max_retries: number,
  ttl_ms: number,
  seq: number,
  retain: fc.constantFrom("true", "false"),
  ordering_key: fc.constantFrom("'k'", "repeat('x', 1024)"),
  last_outcome: fc.constantFrom("null", "'odd'", "'lost'"),
  content_type: fc.constantFrom("null", "'text/plain'", "repeat('x', 1024)", LONG),
};
/** Two columns at a time: with all of them, nearly every row would be refused. */
const anyRow = fc
  .tuple(fc.constantFrom(...Object.keys(CHOICES)), fc.constantFrom(...Object.keys(CHOICES)))
  .chain(([one, other]) => fc.record({ [one]: CHOICES[one] ?? time, [other]: CHOICES[other] ?? time }));

async function insertedFlows(db: TestOutbox): Promise<void> {
  let born = 0;
  await fc.assert(
    fc.asyncProperty(anyRow, async (over) => {
      const answer = await db.pool.run(insertText(over));
      if (!answer.ok) {
        assert.match(
          answer.failure.code,
          /^(23514|22003|22008|55000)$/,
          `${JSON.stringify(over)}: ${answer.failure.message}`,
        );
        return;
      }
      born++;
      await liveThrough(db);
    }),
    { numRuns: 150 },
  );
  assert.ok(born > 10, `${born} rows were born`);
}

const LATER = {
  clientId: "acker",
  checksum: null,
  topic: null,
  signature: null,
  reason: "later",
  retryable: true,
  retryInMs: 0,
} as const;

/** Honest messages and the accepted rows go through each statement of a message's life. */
async function liveThrough(db: TestOutbox): Promise<void> {
  const honest = message({ topic: "honest" });
  assert.ok((await insertMessages(db.pool, [honest], INSERT)).ok);
  await db.sql("update publisher.message_delivery set due_at = now(), parked = false where due_at is not null");
  const rows = given(await claimDue(db.pool, claim())).messages;
  assert.ok(
    rows.some(({ messageId }) => messageId === honest.messageId),
    "the honest one is claimed",
  );
  rowsOf(
    await markSent(
      db.pool,
      rows.map((row) => attempt(row)),
    ),
  );
  rowsOf(
    await rejectMessages(
      db.pool,
      rows.map(({ messageId, leaseToken }) => ({ messageId, leaseToken, ...LATER })),
    ),
  );
  for (const { messageId } of rows) {
    const read = given(await getMessage(db.pool, messageId));
    assert.ok(read !== null && Number.isFinite(Date.parse(read.created_at)), "its time can be read");
  }
  const settled = rowsOf(
    await settleAcks(
      db.pool,
      rows.map(({ messageId }) => ack(messageId)),
    ),
  );
  assert.ok(
    settled.every(({ ageMs }) => Number.isFinite(ageMs)),
    "ages are numbers",
  );
  assert.ok(
    settled.some(({ messageId }) => messageId === honest.messageId),
    "the honest one is acknowledged",
  );
  await db.sql("delete from publisher.message_delivery");
}
