/**
 * How PostgreSQL looks rows up when it last analysed the outbox while nothing was live: as it stands after a quiet night.
 * Partial indexes on live rows look empty then, and a plan that reads one of them whole is kept while a backlog grows.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { expireDue } from "@acktor/publisher/outbox/expire-due";
import { failMessages } from "@acktor/publisher/outbox/fail-messages";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import { rejectMessages } from "@acktor/publisher/outbox/reject-messages";
import { releaseLeases } from "@acktor/publisher/outbox/release-leases";
import { servePlaces } from "@acktor/publisher/outbox/serve-places";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";
import { ack, attempt, claim, INSERT, messages, park, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

/** A pool that explains what it is asked to run, on the real one, and keeps the plans. */
function explaining(pool: Pool): { readonly pool: Pool; readonly plans: string[] } {
  const plans: string[] = [];
  const run = async <Row>(text: string, params: readonly Param[] = []): Promise<DbResult<Row>> => {
    const explained = await pool.run<Record<string, string>>(`explain ${text}`, params);
    if (!explained.ok) throw new Error(explained.failure.message);
    plans.push(explained.rows.map((row) => row["QUERY PLAN"]).join("\n"));
    return { ok: true, rows: [] };
  };
  return { pool: { ...pool, run }, plans };
}

for (const version of postgresVersions()) {
  test(`what is looked up by id is never looked for among all live rows, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    const batch = messages(2_000);
    assert.ok((await insertMessages(pool, batch, INSERT)).ok);
    await sql("update publisher.message_delivery set state = 'acknowledged', due_at = null");
    await sql("analyze publisher.message_delivery");
    const { pool: explains, plans } = explaining(pool);
    const id = batch[0]?.messageId ?? "";
    const row = { messageId: id, leaseToken: "1" };
    await claimDue(explains, claim());
    await settleAcks(explains, [ack(id)]);
    await settleAcks(explains, [ack(id, { attempt: 2, publishedAgoMs: 1 })]);
    await markSent(explains, [attempt(row)]);
    await releaseLeases(explains, [{ ...row, dueInMs: 0 }]);
    await failMessages(explains, [{ ...row, reason: "x" }]);
    await rejectMessages(explains, [
      {
        ...row,
        clientId: "a",
        checksum: null,
        topic: null,
        signature: null,
        reason: "x",
        retryable: true,
        retryInMs: 1,
      },
    ]);
    await park(explains, "plant/1", [id], "one").catch(() => "its first statement is explained");
    await expireDue(explains);
    assert.ok(plans.length >= 9, `${plans.length} plans`);
    for (const plan of plans) assert.doesNotMatch(plan, /message_delivery_(live|\w+_message_id_idx\d*)\b/, plan);
  });

  test(`births are served by the indexes of topics and destinations, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    for (let n = 0; n < 5; n++) {
      const batch = messages(2_000, (at) => ({ topic: `devices/${n * 2_000 + at}/cmd` }));
      assert.ok((await insertMessages(pool, batch, INSERT)).ok);
    }
    await sql("update publisher.message_delivery set parked = true, attempts = 1");
    await sql(`insert into publisher.destination (destination, covers_below, parked_at, probe_at, pause_ms)
      select topic, false, now(), now(), 1000 from publisher.message_delivery`);
    const { pool: explains, plans } = explaining(pool);
    const places = Array.from({ length: 64 }, (_, n) => ({ topic: `devices/${n * 7}`, below: n % 2 === 0 }));
    for (const statistics of ["none", "fresh"]) {
      if (statistics === "fresh") await sql("analyze publisher.message_delivery, publisher.destination");
      await servePlaces(explains, places, { ignoresBirths: () => false, resume: () => undefined });
      const plan = plans.at(-1) ?? "";
      assert.match(plan, /Index Cond: \(\("?left"?\(topic/, statistics);
      assert.match(plan, /using destination_name/, statistics);
      assert.match(plan, /using destination_pkey/, statistics);
      assert.doesNotMatch(plan, /Seq Scan on (destination|message_delivery)/, plan);
    }
  });
}
