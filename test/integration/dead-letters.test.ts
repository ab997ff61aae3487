/** Dead letters over HTTP: one, selected, or all that match; a look first; not all at once; who and when; never twice. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { addOperatorRoutes } from "@acktor/publisher/http/operator-routes";
import { addOverviewRoutes } from "@acktor/publisher/http/overview-routes";
import { Refusals } from "@acktor/publisher/http/refusals";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { createHttp } from "@acktor/shared/runtime/http-server";
import { pause } from "@acktor/shared/runtime/pause";
import { Registry } from "prom-client";
import { openGate } from "../support/admitted.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { INSERT, messages, testOutbox } from "../support/outbox.ts";

type Json = Record<string, unknown>;

async function setUp(t: Parameters<typeof testOutbox>[0]) {
  const outbox = await testOutbox(t, 18);
  const { pool, sql } = outbox;
  const health = { readiness: () => ({ ready: true, status: "ok", checks: {} }) as const };
  const { logger } = keptLogger();
  const app = createHttp({
    service: "publisher",
    version: "1",
    token: null,
    gate: openGate(),
    logger,
    registry: new Registry(),
    health,
  });
  const refusals: string[] = [];
  const audit = {
    async record({ action, detail }: AuditRecord) {
      await pause(100, new AbortController().signal);
      refusals.push(`${action} ${(detail as { message_id: string }).message_id}`);
    },
  };
  const foreign = new Refusals(audit, "one");
  const doorbell = { ring: () => undefined };
  addOperatorRoutes(app, { pool, inboxWindowMs: 3_600_000, doorbell, refusals: foreign });
  addOverviewRoutes(app, { pool, refusals: foreign, overview: { read: async () => ({}) } });
  t.after(() => app.close());
  const insert = async (count: number, topic: string): Promise<string[]> => {
    const answer = await insertMessages(
      pool,
      messages(count, () => ({ topic })),
      INSERT,
    );
    assert.ok(answer.ok);
    return answer.inserted.map(({ messageId }) => messageId);
  };
  return {
    ...outbox,
    insert,
    refusals,
    async dead(count: number, reason: string): Promise<string[]> {
      const ids = await insert(count, "t/1");
      await sql(
        `update publisher.message_delivery set state = 'failed', due_at = null, reason = $2, attempts = 3
         where message_id = any ($1::uuid[])`,
        [`{${ids.join()}}`, reason],
      );
      return ids.sort();
    },
    async post(url: string, body: object): Promise<{ status: number; json: Json }> {
      const response = await app.inject({ method: "POST", url, payload: body });
      return { status: response.statusCode, json: response.json() as Json };
    },
  };
}

// DEAD_LETTERS-2
test("replay: a look first, then selected ones, then all that match, so many a second; audited", async (t) => {
  const { sql, dead, post } = await setUp(t);
  const [a = "", b = "", ...rest] = await dead(6, "max_retries");
  await dead(2, "cancelled");
  const path = "/v1/dead-letters/replay";
  const look = await post(path, { reason: "max_retries", dry_run: true });
  assert.deepEqual(look.json, { dry_run: true, matched: 6, replayed: 0, refused: 0, refusals: [] });
  const selected = await post(path, { message_ids: [a.toUpperCase(), b], who: "ana", dry_run: true });
  assert.deepEqual(selected.json, { dry_run: true, matched: 2, replayed: 0, refused: 0, refusals: [] });
  assert.deepEqual(await sql("select from publisher.operator_action"), []);
  assert.equal((await post(path, { message_ids: [a, b], who: "ana" })).json["replayed"], 2);
  const answer = await post(path, { reason: "max_retries", rate_per_second: 2, who: "ben" });
  assert.deepEqual(answer.json, { dry_run: false, matched: 4, replayed: 4, refused: 0, refusals: [] });
  const due = await sql<{ message_id: string; ms: number; attempts: number }>(
    `select message_id, attempts, (extract(epoch from due_at - min(due_at) over ()) * 1000)::float8 ms
     from publisher.message_delivery where state = 'pending' and message_id = any ($1::uuid[]) order by 1`,
    [`{${rest.join()}}`],
  );
  assert.deepEqual(
    due.map((row) => [row.message_id, row.ms, row.attempts]),
    rest.map((id, at) => [id, at * 500, 0]),
  );
  assert.deepEqual(
    await sql(
      "select who, said, action, messages::int4, at is not null timed from publisher.operator_action order by at",
    ),
    [
      { who: "local", said: "ana", action: "replay", messages: 2, timed: true },
      { who: "local", said: "ben", action: "replay", messages: 4, timed: true },
    ],
  );
  assert.deepEqual(
    (await post(path, { message_ids: [a] })).json,
    {
      dry_run: false,
      matched: 1,
      replayed: 0,
      refused: 1,
      refusals: [{ why: "the message is pending; dead letters are failed or expired", count: 1, message_id: a }],
    },
    "it is no dead letter any more",
  );
});

test("replay is refused beyond the inbox window, where the receiver may have forgotten; force replays it", async (t) => {
  const { sql, dead, post } = await setUp(t);
  const [old = ""] = await dead(1, "max_retries");
  await sql("update publisher.message_delivery set created_at = now() - interval '2 hours' where message_id = $1", [
    old,
  ]);
  const path = "/v1/dead-letters/replay";
  const { refusals, ...counts } = (await post(path, { message_ids: [old] })).json;
  assert.deepEqual(counts, { dry_run: false, matched: 1, replayed: 0, refused: 1 });
  assert.match(JSON.stringify(refusals), /older than the inbox window/);
  const one = await post(`/v1/messages/${old}/replay`, {});
  assert.equal(one.status, 409);
  assert.equal((await post(path, { message_ids: [old], force: true })).json["replayed"], 1);
});

// DEAD_LETTERS-1
test("a dry run says what would be refused and why, as the replay then does", async (t) => {
  const { sql, dead, post, insert } = await setUp(t);
  const [old = "", older = "", keyed = "", fresh = ""] = await dead(4, "max_retries");
  const [live = ""] = await insert(1, "t/2");
  await sql(
    "update publisher.message_delivery set created_at = now() - interval '2 hours' where message_id = any ($1::uuid[])",
    [`{${old},${older}}`],
  );
  await sql("update publisher.message_delivery set ordering_key = 'k' where message_id = $1", [keyed]);
  const path = "/v1/dead-letters/replay";
  const look = (await post(path, { reason: "max_retries", dry_run: true })).json;
  const { refusals, ...counts } = look;
  assert.deepEqual(counts, { dry_run: true, matched: 4, replayed: 0, refused: 3 });
  const [first, second] = refusals as { why: string; count: number; message_id: string }[];
  assert.match(first?.why ?? "", /older than the inbox window.*force/);
  assert.deepEqual([first?.count, first?.message_id], [2, old]);
  assert.match(second?.why ?? "", /ordering key.*out_of_order/);
  assert.deepEqual([second?.count, second?.message_id], [1, keyed]);
  const unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
  const ids = { message_ids: [live, unknown, fresh], dry_run: true };
  for (const url of [path, "/v1/dead-letters/acknowledge"]) {
    const selected = (await post(url, ids)).json;
    assert.deepEqual([selected["matched"], selected["refused"]], [3, 2], url);
    assert.match(JSON.stringify(selected["refusals"]), /no message under this id.*message is pending/);
  }
  const forced = (await post(path, { reason: "max_retries", dry_run: true, force: true, out_of_order: true })).json;
  assert.deepEqual([forced["matched"], forced["refused"]], [4, 0]);
  const [untouched] = await sql("select count(*)::int4 n from publisher.message_delivery where state = 'failed'");
  assert.deepEqual(untouched, { n: 4 });
  const done = (await post(path, { reason: "max_retries" })).json;
  assert.deepEqual([done["replayed"], done["refused"], done["refusals"]], [1, 3, refusals]);
});

test("acknowledge by hand: selected, and all that match; cancel: selected ones", async (t) => {
  const { sql, dead, post, insert } = await setUp(t);
  const [a = ""] = await dead(3, "max_retries");
  await dead(1, "other");
  const path = "/v1/dead-letters/acknowledge";
  assert.deepEqual((await post(path, { message_ids: [a], who: "ana" })).json, {
    dry_run: false,
    matched: 1,
    acknowledged: 1,
    refused: 0,
    refusals: [],
  });
  assert.deepEqual((await post(path, { reason: "max_retries", dry_run: true })).json, {
    dry_run: true,
    matched: 2,
    acknowledged: 0,
    refused: 0,
    refusals: [],
  });
  assert.equal((await post(path, { reason: "max_retries", who: "ben" })).json["acknowledged"], 2);
  assert.deepEqual(
    await sql(
      "select acked_by, count(*)::int4 n from publisher.message_delivery where state = 'acknowledged' group by 1 order by 1",
    ),
    [
      { acked_by: "ana", n: 1 },
      { acked_by: "ben", n: 2 },
    ],
  );
  const [live = "", other = ""] = await insert(2, "t/2");
  const cancelled = await post("/v1/messages/cancel", { message_ids: [live, a] });
  assert.deepEqual(cancelled.json, { dry_run: false, matched: 1, cancelled: 1, refused: 0 });
  const [row] = await sql<{ state: string }>("select state from publisher.message_delivery where message_id = $1", [
    other,
  ]);
  assert.equal(row?.state, "pending");
});

test("a refusal is recorded before it is answered, so that the audit has the order of who asks", async (t) => {
  const { post, insert, refusals } = await setUp(t);
  const [id] = await insert(1, "a/b");
  for (const [url, status] of [
    [`/v1/messages/${id}/replay`, 409],
    [`/v1/messages/${id}/cancel`, 200],
    [`/v1/messages/${id}/cancel`, 409],
  ] as const) {
    assert.equal((await post(url, {})).status, status, url);
    if (status === 409) assert.equal(refusals.at(-1), `${url.split("/").at(-1)} ${id}`);
  }
  assert.equal(refusals.length, 2);
});

test("bad bodies are refused with their field", async (t) => {
  const { post } = await setUp(t);
  for (const [url, body] of [
    ["/v1/dead-letters/replay", { message_ids: [] }],
    ["/v1/dead-letters/replay", { message_ids: ["x"] }],
    ["/v1/dead-letters/replay", { rate_per_second: 0 }],
    ["/v1/dead-letters/acknowledge", { reasons: "x" }],
    ["/v1/messages/cancel", {}],
    ["/v1/messages/cancel", { topic: "a", message_ids: ["01890a5d-ac96-774b-bcce-b302099a8057"] }],
  ] as const) {
    const { status, json } = await post(url, body);
    assert.equal(status, 400, JSON.stringify(body));
    assert.ok((json["error"] as Json)["field"], JSON.stringify(json));
  }
});
