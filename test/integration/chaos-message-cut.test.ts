/** The connection is cut at each message of a statement: what the caller receives, and what PostgreSQL has done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { splitIntoMessages } from "@acktor/chaos/proxy/postgres-messages";
import { startTcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { createPool } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const MOST_MESSAGES = 40;

for (const side of ["before", "after"] as const) {
  test(`cut ${side} the n-th message: some inserts are done, some are not, and both may be reported as failed`, async (t) => {
    const database = await testDatabase(t);
    const straight = createPool({ url: database.url, size: 1, applicationName: "straight" });
    cleanUp(t, () => straight.stop());
    const url = new URL(database.url);
    const proxy = await startTcpProxy({ target: Number(url.port), inspect: splitIntoMessages });
    cleanUp(t, () => proxy.stop());
    url.port = String(proxy.port);
    const pool = createPool({ url: url.href, size: 1, applicationName: "cut" });
    cleanUp(t, () => pool.stop());
    await straight.run("create table reported (n int)");
    await until(async () => (await pool.run("select 1")).ok, 5_000, "the pool to connect");

    const done = async (n: number): Promise<boolean> => {
      const answer = await straight.run("select 1 from reported where n = $1::int4", [n]);
      return answer.ok && answer.rows.length === 1;
    };
    const outcomes = { reported: 0, failedAndDone: 0, failedAndNotDone: 0 };
    let cuts = 0;
    for (let n = 1; n < MOST_MESSAGES; n++) {
      await until(async () => (await pool.run("select 1")).ok, 5_000, "the pool to connect again");
      proxy.cutMessage(n, side);
      const answer = await pool.run("insert into reported values ($1::int4)", [n]);
      // The server may finish after the cut what it received before it.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const cut = proxy.endMessageCut();
      const isDone = await done(n);
      if (answer.ok) assert.ok(isDone, `reported as done and not stored: ${n}`);
      if (answer.ok) outcomes.reported++;
      else if (isDone) outcomes.failedAndDone++;
      else outcomes.failedAndNotDone++;
      if (!cut) break;
      cuts++;
    }
    t.diagnostic(`${cuts} messages: ${JSON.stringify(outcomes)}`);
    assert.ok(cuts >= 6 && cuts < MOST_MESSAGES - 1, `${cuts} messages of a statement were cut`);
    assert.equal(proxy.counts.cutMessages, cuts);
    assert.ok(outcomes.failedAndDone > 0, "the ambiguous commit was met");
    assert.ok(outcomes.failedAndNotDone > 0);
  });
}
