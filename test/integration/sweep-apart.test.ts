/** Sweeps over an outbox in which one row cannot be changed: SWEEP-1, BAD-1, BAD-2. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BadRowShelf } from "@acktor/publisher/outbox/bad-rows";
import { expireAround } from "@acktor/publisher/outbox/expire-due";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { probeAround } from "@acktor/publisher/outbox/probe-destinations";
import { supersedeAround } from "@acktor/publisher/outbox/supersede-retained";
import { freeAround, unparkDestinations } from "@acktor/publisher/outbox/unpark-destinations";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../support/kept-logger.ts";
import { given, INSERT, message, messages, park, rowsOf, type TestOutbox, testOutbox } from "../support/outbox.ts";

interface Rig extends TestOutbox {
  readonly shelf: BadRowShelf;
  readonly troubles: Troubles;
  readonly aside: string[];
  now: number;
}

async function rig(t: TestContext): Promise<Rig> {
  const outbox = await testOutbox(t, 18);
  const aside: string[] = [];
  const troubles = new Troubles({ clock: { now: () => made.now }, logger: keptLogger().logger });
  const shelf = new BadRowShelf({
    troubles,
    pool: outbox.pool,
    clock: { now: () => made.now, wallClock: () => made.now },
    failedMessages: { failed: (messageId) => void aside.push(messageId) },
  });
  const made: Rig = { ...outbox, shelf, troubles, aside, now: 0 };
  return made;
}

/** From now on no update of the row works; with `onlyTo` none that gives it this state. */
async function freeze({ sql }: Rig, row: NewMessage | undefined, onlyTo?: string): Promise<void> {
  await sql(
    `create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
  );
  const when = onlyTo === undefined ? "true" : `new.state = '${onlyTo}'`;
  await sql(`create trigger frozen before update on publisher.message_delivery for each row
    when (old.message_id = '${row?.messageId}' and ${when}) execute function refuse()`);
}

async function inserted({ pool }: Rig, rows: readonly NewMessage[]): Promise<readonly NewMessage[]> {
  const result = await insertMessages(pool, rows, INSERT);
  assert.ok(result.ok);
  return rows;
}

const inState = async ({ sql }: Rig, state: string): Promise<number> =>
  (await sql(`select from publisher.message_delivery where state = '${state}'`)).length;

test("expiry: all but the frozen row end expired, and it is passed over, then tried again", async (t) => {
  const made = await rig(t);
  const rows = await inserted(
    made,
    messages(20, () => ({ ttlMs: 1 })),
  );
  await freeze(made, rows[3]);
  assert.equal(given(await expireAround(made.pool, made.shelf)), 19);
  assert.equal(await inState(made, "expired"), 19);
  assert.deepEqual(made.shelf.passedOver(), [rows[3]?.messageId]);
  assert.deepEqual(
    made.troubles.list().map(({ area, code }) => [area, code]),
    [["unreadable", "P0001"]],
  );
  assert.equal(given(await expireAround(made.pool, made.shelf)), 0);
  await made.sql("drop trigger frozen on publisher.message_delivery");
  made.now = 60_000;
  assert.equal(given(await expireAround(made.pool, made.shelf)), 1);
});

test("a row that cannot be expired and can be set aside is marked failed", async (t) => {
  const made = await rig(t);
  const rows = await inserted(
    made,
    messages(5, () => ({ ttlMs: 1 })),
  );
  await freeze(made, rows[0], "expired");
  assert.equal(given(await expireAround(made.pool, made.shelf)), 4);
  assert.deepEqual(made.aside, [rows[0]?.messageId]);
  const [row] = await made.sql<{ reason: string }>(
    "select reason from publisher.message_delivery where state = 'failed'",
  );
  assert.equal(row?.reason, "unreadable: P0001 no");
  assert.deepEqual(made.shelf.passedOver(), []);
});

test("BAD-2: when every one of many rows fails alike, none is set aside", async (t) => {
  const made = await rig(t);
  await inserted(
    made,
    messages(20, () => ({ ttlMs: 1 })),
  );
  await made.sql(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`);
  await made.sql(`create trigger frozen before update on publisher.message_delivery for each row
    when (new.state = 'expired') execute function refuse()`);
  assert.equal(given(await expireAround(made.pool, made.shelf)), 0);
  assert.equal(await inState(made, "failed"), 0);
  assert.equal(made.shelf.passedOver().length, 20);
});

test("superseding: the older retained rows of other topics end, and those of its own", async (t) => {
  const made = await rig(t);
  const rows = await inserted(
    made,
    ["a", "b", "a", "b", "a", "b"].map((topic) => message({ topic, retain: true })),
  );
  await freeze(made, rows[0]);
  assert.equal(given(await supersedeAround(made.pool, made.shelf, null)).messageIds.length, 3);
  assert.equal(await inState(made, "failed"), 3);
});

test("freeing and probing: one frozen row keeps no other parked, and no other destination unasked", async (t) => {
  const made = await rig(t);
  const { pool, sql, shelf } = made;
  const rows = await inserted(made, [
    ...messages(5, () => ({ topic: "a" })),
    ...messages(5, () => ({ topic: "b" })),
    ...messages(5, () => ({ topic: "c" })),
  ]);
  await sql("update publisher.message_delivery set lease_owner = 'one', lease_token = 1");
  for (const name of ["a", "b", "c"]) {
    const own = rows.filter(({ topic }) => topic === name).map(({ messageId }) => messageId);
    assert.equal(rowsOf(await park(pool, name, own, "one")).length, 5);
  }
  await sql("update publisher.destination set probe_at = now()");
  await freeze(made, rows[5]);
  const { probes } = given(
    await probeAround(pool, shelf, { instance: "one", leaseMs: 15_000, untried: 100, silent: 100 }),
  );
  assert.deepEqual(probes.map(({ destination }) => destination).toSorted(), ["a", "c"]);
  await sql("update publisher.destination set probe_at = now()");
  const next = given(await probeAround(pool, shelf, { instance: "one", leaseMs: 15_000, untried: 100, silent: 100 }));
  assert.ok(
    next.probes.some(({ message: { messageId } }) => messageId === rows[6]?.messageId),
    "the one after it",
  );
  given(await unparkDestinations(pool, ["a", "b"]));
  assert.equal(given(await freeAround(pool, shelf, 0)).freed, 9);
  assert.equal((await sql("select from publisher.message_delivery where parked")).length, 6);
});
