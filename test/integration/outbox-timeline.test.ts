/** The attempts and acks of a message: never more than a page in one answer, and all of them in pages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import {
  type AckView,
  type AttemptView,
  listTimeline,
  type TimelinePage,
} from "@acktor/publisher/outbox/list-timeline";
import { given, INSERT, message, testOutbox } from "../support/outbox.ts";

const MANY = 1_000;

test("TIMELINE-1: a message with 1,000 acks and attempts is answered with the first 100 of each, and pages have all", async (t) => {
  const { pool, sql } = await testOutbox(t, 18);
  const one = message();
  const id = one.messageId;
  assert.ok((await insertMessages(pool, [one], INSERT)).ok);
  await sql(`insert into publisher.further_acknowledgment (message_id, client_id, acknowledged_at)
    select '${id}', repeat('x', 900) || n, now() + n * interval '1 millisecond' from generate_series(1, ${MANY}) n`);
  await sql(`insert into publisher.delivery_attempt (message_id, attempt, outcome)
    select '${id}', n, 'acked' from generate_series(1, ${MANY}) n`);
  const shown = given(await getMessage(pool, id));
  assert.ok(shown !== null && JSON.stringify(shown).length < 200_000);
  assert.deepEqual([shown.acks.length, shown.acks_total], [100, MANY]);
  assert.deepEqual([shown.attempts.length, shown.attempts_total], [100, MANY]);
  const clients: string[] = [];
  const attempts: number[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const found: TimelinePage<AckView> | null = given(
      await listTimeline(pool, "acks", id, {
        after,
        limit: 300,
      }),
    );
    clients.push(...(found?.items ?? []).map((ack) => ack.client_id.replaceAll("x", "")));
    after = found?.nextAfter ?? null;
  }
  for (let after: number | null = 0; after !== null; ) {
    const found: TimelinePage<AttemptView> | null = given(
      await listTimeline(pool, "attempts", id, {
        after,
        limit: 500,
      }),
    );
    attempts.push(...(found?.items ?? []).map((one) => one.attempt));
    after = found?.nextAfter ?? null;
  }
  const all = Array.from({ length: MANY }, (_, i) => i + 1);
  assert.deepEqual([clients.map(Number), attempts], [all, all]);
});

test("a page beyond the end is empty, and of a message that is not there is none", async (t) => {
  const { pool } = await testOutbox(t, 18);
  const one = message();
  assert.ok((await insertMessages(pool, [one], INSERT)).ok);
  const beyond = given(await listTimeline(pool, "acks", one.messageId, { after: 2_000_000_000, limit: 1 }));
  assert.deepEqual(beyond, { items: [], total: 0, nextAfter: null });
  assert.equal(given(await listTimeline(pool, "attempts", message().messageId, { after: 0, limit: 1 })), null);
});
