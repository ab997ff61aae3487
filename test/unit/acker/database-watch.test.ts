/** The watch over PostgreSQL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseWatch } from "@acktor/acker/inbox/database-watch";
import type { DbResult } from "@acktor/shared/db/pool";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, UNAVAILABLE } from "../../support/fake-inbox.ts";

test("WATCH-1: listeners are notified at the first answer and at each return; a refused statement is an answer", async () => {
  let answer: DbResult<never> = UNAVAILABLE;
  let returns = 0;
  const logger = { info: () => undefined, error: () => undefined } as never;
  const watch = new DatabaseWatch(fakeInbox({ probe: async () => answer }), NO_TROUBLES, logger);
  watch.listen({ databaseReturned: () => void returns++ });
  assert.equal(await watch.probe(), false);
  assert.deepEqual([watch.isUp(), watch.fault()], [false, "ECONNREFUSED (ECONNREFUSED)"]);
  answer = { ok: true, rows: [] };
  assert.ok((await watch.probe()) && (await watch.probe()));
  assert.deepEqual([watch.isUp(), watch.fault(), returns], [true, null, 1]);
  watch.report("inbox", failed("42P01"));
  assert.equal(watch.isUp(), true);
  watch.report("inbox", UNAVAILABLE);
  assert.equal(watch.isUp(), false);
  await watch.probe();
  assert.equal(returns, 2);
});
