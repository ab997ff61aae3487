/** The audit in PostgreSQL: what is written is read back, with any characters, and the table is bounded. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Auditor } from "@acktor/publisher/control/auditor";
import { type ActionRow, listActions } from "@acktor/publisher/outbox/list-actions";
import { purgeActions } from "@acktor/publisher/outbox/purge-actions";
import { recordAction } from "@acktor/publisher/outbox/record-action";
import type { Bus } from "@acktor/shared/bus/bus";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import type { Pool } from "@acktor/shared/db/pool";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { busKey, seal } from "@acktor/shared/seal/seal";
import { sealedBus } from "../support/control.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { given, rowsOf, testOutbox } from "../support/outbox.ts";

const RECORD: AuditRecord = {
  who: "ana",
  from: "10.0.0.1",
  service: "publisher",
  instance: "p.1",
  action: "breaker.open",
  outcome: "refused",
  detail: { reason: "it is OPEN" },
  messages: 0,
};

/** The newest lines. */
async function listed(pool: Pool, limit: number): Promise<readonly ActionRow[]> {
  return given(await listActions(pool, { before: null, who: null, action: null, limit })).actions;
}

async function auditor(t: TestContext) {
  const outbox = await testOutbox(t, 18);
  const log = keptLogger();
  const clock = { now: 0 };
  const made = new Auditor({
    pool: outbox.pool,
    logger: log.logger,
    clock: { now: () => clock.now, wallClock: () => 0 },
  });
  return { ...outbox, auditor: made, log, clock };
}

test("what was recorded is listed, newest first, up to a limit", async (t) => {
  const { pool } = await auditor(t);
  for (const action of ["pause", "resume", "drain"]) rowsOf(await recordAction(pool, { ...RECORD, action }));
  const [newest, second, ...rest] = await listed(pool, 2);
  assert.deepEqual([newest?.action, second?.action, rest.length], ["drain", "resume", 0]);
  const { action_id, at, ...row } = newest ?? { action_id: "", at: "" };
  assert.match(action_id, /^\d+$/);
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
  const detail = { service: "publisher", instance: "p.1", reason: "it is OPEN" };
  assert.deepEqual(row, {
    who: "ana",
    said: null,
    action: "drain",
    origin: "10.0.0.1",
    outcome: "refused",
    messages: 0,
    detail,
  });
});

test("foreign text is recorded, also what PostgreSQL cannot keep", async (t) => {
  const { pool } = await auditor(t);
  const odd = "a\u0000b\ud800c\\";
  rowsOf(await recordAction(pool, { ...RECORD, who: odd, from: odd, detail: { args: { [odd]: odd } } }));
  const [row] = await listed(pool, 1);
  const kept = "a\ufffdb\ufffdc\\";
  assert.deepEqual([row?.who, row?.origin], [kept, kept]);
  assert.deepEqual(row?.detail, { service: "publisher", instance: "p.1", args: { [kept]: kept } });
});

test("AUDIT-2: refused tokens of one address are one line a minute, with their number", async (t) => {
  const { auditor: made, pool, clock } = await auditor(t);
  const knock = (from: string): Promise<void> => made.record({ ...RECORD, from, outcome: "unauthorized" });
  for (let i = 0; i < 50; i++) await knock("10.0.0.1");
  await knock("10.0.0.2");
  assert.deepEqual(
    (await listed(pool, 10)).map(({ origin }) => origin),
    ["10.0.0.2", "10.0.0.1"],
  );
  clock.now = 60_001;
  await knock("10.0.0.1");
  const [last] = await listed(pool, 1);
  assert.deepEqual(last?.detail, { service: "publisher", instance: "p.1", reason: "it is OPEN", more_before: 49 });
});

const SECRET = "right-secret-16-letters";
const REPORT = { record: { ...RECORD, service: "acker" } };

test("AUDIT-3: an acker's report is written, by one publisher, when it is one and is signed", async (t) => {
  const { auditor: made, pool } = await auditor(t);
  const bus = new LocalBus();
  const fleet = sealedBus(bus, SECRET);
  made.listen(fleet, "audit");
  const ask = async (from: Bus, said: unknown): Promise<unknown> => {
    const reply = await from.request("audit", typeof said === "string" ? said : JSON.stringify(said), 5_000);
    return reply.ok && (JSON.parse(reply.text) as { ok: boolean }).ok;
  };
  assert.equal(await ask(fleet, REPORT), true);
  for (const bad of [{ ...REPORT, record: RECORD }, { record: {} }, "nonsense"])
    assert.equal(await ask(fleet, bad), false);
  for (const bad of [REPORT, { ...REPORT, token: SECRET }, "nonsense"]) assert.equal(await ask(bus, bad), false);
  assert.deepEqual([(await listed(pool, 10)).length, made.malformed, fleet.counts.refused], [1, 3, 3]);
});

test("AUDIT-3, RECORD-1: a report that is heard again, also by another publisher, is no second line", async (t) => {
  const { auditor: made, pool } = await auditor(t);
  const other = new Auditor({ pool, logger: keptLogger().logger, clock: { now: () => 0, wallClock: () => 0 } });
  const text = seal(busKey(SECRET), "audit", JSON.stringify(REPORT), Date.now(), "0123456789abcdef");
  // A bus for each: as if the queue had given the message to one and then to the other.
  const buses = [made, other].map((one) => {
    const bus = new LocalBus();
    one.listen(sealedBus(bus, SECRET), "audit");
    return bus;
  });
  for (let i = 0; i < 3; i++) await Promise.all(buses.map((bus) => bus.request("audit", text, 5_000)));
  assert.equal((await listed(pool, 10)).length, 1);
});

test("AUDIT-4: a deep or a wide report, or many at once, is refused: none is parsed, none waits without a bound", async (t) => {
  const { auditor: made, pool } = await auditor(t);
  const bus = new LocalBus();
  made.listen(bus, "audit");
  const deep = `${"[".repeat(60_000)}${"]".repeat(60_000)}`;
  const texts = ["detail", "instance", "x"].map((field) =>
    JSON.stringify(REPORT).replace(/\}\}$/, `,"${field}":{"a":${deep}}}}`),
  );
  texts.push(deep, JSON.stringify({ ...REPORT, x: Array(30_000).fill(0) }));
  for (const text of texts) {
    const reply = await bus.request("audit", text, 5_000);
    assert.deepEqual(reply, { ok: true, text: '{"ok":false}' });
  }
  assert.deepEqual([bus.counts.listenerErrors, made.malformed], [0, texts.length]);
  const done = JSON.stringify({ record: { ...REPORT.record, outcome: "done" } });
  const replies = await Promise.all(Array.from({ length: 1_100 }, () => bus.request("audit", done, 30_000)));
  const taken = replies.filter((reply) => reply.ok && reply.text.includes("true")).length;
  assert.equal(taken, 1_000, "of 1,100 at once");
  assert.equal((await listed(pool, 1_000)).length, 1_000);
});

test("AUDIT-1: what PostgreSQL does not take is logged completely, and no caller is refused", async (t) => {
  const { auditor: made, pool, log } = await auditor(t);
  await pool.stop();
  await made.record(RECORD);
  assert.ok(log.lines.some((line) => line.includes("breaker.open") && line.includes("was not recorded")));
});

test("the newest lines are kept, up to the bound and up to ninety days", async (t) => {
  const { pool, sql } = await auditor(t);
  for (let i = 0; i < 10; i++) rowsOf(await recordAction(pool, { ...RECORD, action: String(i) }));
  await sql("update publisher.operator_action set at = now() - interval '91 days' where action in ('0', '9')");
  assert.deepEqual(given(await purgeActions(pool)), { deleted: 2, more: false });
  await sql("update publisher.operator_action set at = now() - interval '25 hours' where action in ('1', '2')");
  await sql(`insert into publisher.operator_action (who, action, messages)
    select 'flood', 'refused', 0 from generate_series(1, 99999)`);
  // A hundred thousand and six, but what is younger than a day stays: a flood pushes out nothing that is not a day old.
  assert.deepEqual(given(await purgeActions(pool)), { deleted: 2, more: false });
  await sql("delete from publisher.operator_action where who = 'flood'");
  const kept = (await listed(pool, 100)).map(({ action }) => action);
  assert.deepEqual(kept, ["8", "7", "6", "5", "4", "3"]);
  assert.deepEqual(given(await purgeActions(pool)), { deleted: 0, more: false });
});

test("the audit has pages, and can be looked through by who and what", async (t) => {
  const { pool } = await auditor(t);
  for (let i = 0; i < 5; i++) {
    rowsOf(await recordAction(pool, { ...RECORD, who: i % 2 === 0 ? "ana" : "ben", said: `u${i}`, action: `a${i}` }));
  }
  const any = { before: null, who: null, action: null };
  const first = given(await listActions(pool, { ...any, limit: 2 }));
  const next = given(await listActions(pool, { ...any, before: first.nextBefore, limit: 3 }));
  const actions = [...first.actions, ...next.actions].map(({ action, said }) => `${action} ${said}`);
  assert.deepEqual(actions, ["a4 u4", "a3 u3", "a2 u2", "a1 u1", "a0 u0"]);
  const end = given(await listActions(pool, { ...any, before: next.nextBefore, limit: 3 }));
  assert.deepEqual([end.actions, end.nextBefore], [[], null]);
  const byWho = given(await listActions(pool, { ...any, who: "ben", limit: 10 }));
  assert.deepEqual([byWho.actions.map(({ action }) => action), byWho.nextBefore], [["a3", "a1"], null]);
  const byAction = given(await listActions(pool, { ...any, action: "a2", limit: 10 }));
  assert.deepEqual(
    byAction.actions.map(({ who }) => who),
    ["ana"],
  );
});

test("BUDGET-1: of one caller the first 60 refusals of a minute are recorded, then how many were not; others are untouched", async (t) => {
  const { auditor: made, pool, clock } = await auditor(t);
  for (let i = 0; i < 100; i++) await made.record({ ...RECORD, outcome: "refused", who: "team-b" });
  await made.record({ ...RECORD, outcome: "refused", who: "team-a" });
  for (let i = 0; i < 100; i++) await made.record({ ...RECORD, outcome: "done", who: "team-b" });
  const count = async (who: string, outcome: string): Promise<number> =>
    (await listed(pool, 1_000)).filter((line) => line.who === who && line.outcome === outcome).length;
  assert.deepEqual(
    [await count("team-b", "refused"), await count("team-a", "refused"), await count("team-b", "done")],
    [60, 1, 100],
  );
  clock.now += 60_000;
  await made.record({ ...RECORD, outcome: "refused", who: "team-b" });
  const [last] = await listed(pool, 1);
  assert.equal((last?.detail as { more_before?: number } | undefined)?.more_before, 40);
});
