/** The watch over PostgreSQL: what the acker's steps report, and the probe. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseWatch } from "@acktor/acker/inbox/database-watch";
import type { DbResult } from "@acktor/shared/db/pool";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, UNAVAILABLE } from "../../support/fake-inbox.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { testClock } from "../../support/test-clock.ts";

test("listeners are notified at the first answer and at each return; a missing table alone is no outage", async () => {
  let answer: DbResult<never> = UNAVAILABLE;
  let returns = 0;
  const parts = { clock: testClock(), logger: keptLogger().logger };
  const health = new DatabaseHealth(parts);
  const watch = new DatabaseWatch(
    fakeInbox({ probe: async () => answer }),
    new Troubles({ ...parts, database: health }),
    health,
  );
  health.listen({ databaseReturned: () => void returns++ });
  assert.equal(await watch.probe(), false);
  assert.match(health.line(), /^unreachable: PostgreSQL cannot be reached \(ECONNREFUSED\)\. Start PostgreSQL/);
  answer = { ok: true, rows: [] };
  assert.ok((await watch.probe()) && (await watch.probe()));
  assert.deepEqual([watch.isUp(), health.line(), returns], [true, "ok", 1]);
  watch.report("inbox", failed("42P01"));
  assert.equal(watch.isUp(), true);
  watch.report("inbox", UNAVAILABLE);
  assert.equal(watch.isUp(), false);
  await watch.probe();
  assert.equal(returns, 2);
});
