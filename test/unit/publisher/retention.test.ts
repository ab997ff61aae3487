/** The janitor's retention: days to come are made first, and deleting is a step of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Retention } from "@acktor/publisher/janitor/sweeps";
import type { SweepStore } from "@acktor/publisher/outbox/outbox";
import { REFUSED } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";

test("days that a transaction blocks are logged, also when deleting fails", async () => {
  const outbox: Pick<SweepStore, "adoptDays" | "makeDays" | "retain"> = {
    makeDays: async () => ({ ok: true, value: { waiting: ["2026-01-31"], full: [] } }),
    adoptDays: async () => ({ ok: true, value: null }),
    retain: async () => REFUSED,
  };
  const log = keptLogger();
  await assert.rejects(new Retention(outbox, log.logger).run(), { code: "22003" });
  assert.deepEqual(log.messages(), ["a transaction blocks new partitions; retrying"]);
});
