/** The publisher's routes without a database: bad input, and what each answer of the intake and the pool becomes. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { addBulkRoutes } from "@acktor/publisher/http/bulk-routes";
import { addMessageRoutes } from "@acktor/publisher/http/message-routes";
import { addOperatorRoutes } from "@acktor/publisher/http/operator-routes";
import { Refusals } from "@acktor/publisher/http/refusals";
import { addStatusRoutes } from "@acktor/publisher/http/status-routes";
import { addIntakeRoutes } from "@acktor/publisher/intake/intake-routes";
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { createHttp } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance, InjectOptions } from "fastify";
import { Registry } from "prom-client";
import { noQuota, openGate } from "../../support/admitted.ts";
import { AWAY, REFUSED } from "../../support/db-results.ts";
import { insertedRow, intakeRig } from "../../support/intake-rig.ts";
import { keptLogger } from "../../support/kept-logger.ts";

const ID = "01890a5d-ac96-774b-bcce-b302099a8057";

/** A pool that has one answer for everything. */
function poolThat(answer: DbResult<never>, asked: { statements: number }): Pool {
  return {
    run: async () => {
      asked.statements++;
      return answer;
    },
    size: 1,
    busy: () => 0,
    waiting: () => 0,
    stop: async () => undefined,
  };
}

function service(t: TestContext, answer: DbResult<never> = AWAY) {
  const log = keptLogger();
  const intake = intakeRig();
  const asked = { statements: 0, wakes: 0 };
  const health = { readiness: () => ({ ready: true, status: "ok", checks: {} }) as const };
  const app = createHttp({
    service: "publisher",
    version: "1",
    token: null,
    gate: openGate(),
    logger: log.logger,
    registry: new Registry(),
    health,
  });
  const pool = poolThat(answer, asked);
  const limits = {
    reserved: ["delivery/ack"],
    defaultTtlMs: null,
    defaultMaxRetries: null,
    defaultHoldMs: null,
    retentionMs: 1e9,
    clock: { wallClock: () => 0 },
  };
  addIntakeRoutes(app, intake.intake, limits, noQuota());
  addMessageRoutes(app, pool, async () => ({ receipts: [], ackers: { known: 0, answered: 0 } }));
  const refusals = new Refusals({ record: async () => undefined }, "one");
  addBulkRoutes(app, pool, refusals);
  addOperatorRoutes(app, { pool, refusals, inboxWindowMs: 1e9, doorbell: { ring: () => void asked.wakes++ } });
  addStatusRoutes(app, { pool, service: { status: () => ({ here: true }) } });
  t.after(() => app.close());
  return { app, intake, asked };
}

async function answerOf(app: FastifyInstance, request: InjectOptions | string): Promise<string> {
  const response = await app.inject(request);
  if (response.statusCode < 300) return String(response.statusCode);
  const { code, field } = response.json<{ error: { code: string; field?: string } }>().error;
  return [response.statusCode, code, ...(field === undefined ? [] : [field])].join(" ");
}

const post = (url: string, payload: object, headers: Record<string, string> = {}): InjectOptions => {
  return { method: "POST", url, payload, headers };
};
const good = { topic: "a", content: "x" };

test("a new message is 201 with its id; a repeated key is 200 with the existing row", async (t) => {
  const { app, intake } = service(t);
  const created = await app.inject(post("/v1/messages", good));
  const [row] = intake.inserts[0]?.messages ?? [];
  assert.equal(created.statusCode, 201);
  assert.deepEqual(created.json(), { message_id: row?.messageId, state: "pending" });
  intake.answer = () => ({ ok: true, inserted: [{ kind: "same", messageId: ID, state: "sent" }] });
  const repeated = await app.inject(post("/v1/messages", good, { "idempotency-key": "k1" }));
  assert.equal(repeated.statusCode, 200);
  assert.deepEqual(repeated.json(), { message_id: ID, state: "sent" });
  assert.equal(intake.inserts[1]?.messages[0]?.idempotency?.key, "k1");
});

test("a batch is 201 with the ids in its order", async (t) => {
  const { app, intake } = service(t);
  const response = await app.inject(post("/v1/messages/batch", { messages: [good, good, good] }));
  assert.equal(response.statusCode, 201);
  assert.deepEqual(response.json(), { message_ids: intake.inserts[0]?.messages.map((m) => m.messageId) });
});

test("what the intake refuses: conflicts by the caller's own names, high water with when to come again", async (t) => {
  const { app, intake } = service(t);
  intake.answer = ({ messages }) => ({ ok: false, conflict: { index: messages.length - 1 } });
  const key = { "idempotency-key": "k" };
  assert.equal(await answerOf(app, post("/v1/messages", good, key)), "409 idempotency_conflict Idempotency-Key");
  const batch = { messages: [{ ...good, idempotency_key: "k" }] };
  assert.equal(
    await answerOf(app, post("/v1/messages/batch", batch)),
    "409 idempotency_conflict messages[0].idempotency_key",
  );
  intake.full = () => true;
  const full = await app.inject(post("/v1/messages", good));
  assert.deepEqual([full.statusCode, full.headers["retry-after"]], [429, "5"]);
  intake.full = () => false;
  intake.answer = () => AWAY;
  const away = await app.inject(post("/v1/messages", good));
  assert.deepEqual([away.statusCode, away.headers["retry-after"]], [503, "2"]);
  intake.answer = ({ messages }) => ({ ok: true, inserted: messages.map(insertedRow) });
  assert.equal(await answerOf(app, post("/v1/messages", good)), "201");
});

const BAD: readonly (readonly [request: InjectOptions | string, answer: string])[] = [
  [post("/v1/messages", { topic: "a/#", content: "x" }), "400 invalid_topic topic"],
  [post("/v1/messages", { topic: "delivery/ack/1", content: "x" }), "400 reserved_topic topic"],
  [post("/v1/messages", { ...good, qoss: 1 }), "400 unknown_field qoss"],
  [post("/v1/messages", good, { "idempotency-key": "\u0085" }), "400 invalid_field Idempotency-Key"],
  [{ method: "POST", url: "/v1/messages" }, "415 unsupported_media_type Content-Type"],
  [post("/v1/messages", {}), "400 invalid_field topic"],
  [post("/v1/messages/batch", { messages: [good, {}] }), "400 invalid_field messages[1].topic"],
  ["/v1/messages/42", "404 not_found"],
  ["/v1/messages?state=done", "400 invalid_field state"],
  ["/v1/messages?limit=0", "400 invalid_field limit"],
  ["/v1/messages?limit=many", "400 invalid_field limit"],
  ["/v1/messages?before=x", "400 invalid_field before"],
  ["/v1/messages?topic=a%00", "400 invalid_field topic"],
  ["/v1/messages?topic=a&topic=b", "400 invalid_field topic"],
  ["/v1/messages?sort=up", "400 unknown_field sort"],
  ["/v1/messages?__proto__=1", "400 unknown_field __proto__"],
  [post("/v1/messages/42/replay", {}), "404 not_found"],
  [post(`/v1/messages/${ID}/replay`, { force: "yes" }), "400 invalid_field force"],
  [post(`/v1/messages/${ID}/cancel`, { reason: "x" }), "400 unknown_field reason"],
  [post(`/v1/messages/${ID}/cancel`, { who: "a\u0000" }), "400 invalid_field who"],
  [post(`/v1/messages/${ID}/acknowledge`, { who: "\ud800" }), "400 invalid_field who"],
  [post(`/v1/messages/${ID}/acknowledge`, { client_id: "" }), "400 invalid_field client_id"],
  [post("/v1/dead-letters/replay", { topic: "a\u0000" }), "400 invalid_field topic"],
  [post("/v1/dead-letters/replay", { reason: "a\u0000" }), "400 invalid_field reason"],
  [post("/v1/dead-letters/replay", { limit: 0 }), "400 invalid_field limit"],
  [post("/v1/dead-letters/replay", [] as object), "400 invalid_field body"],
  [post("/v1/dead-letters/discard", { topic: "a/#" }), "400 invalid_field topic"],
  [post("/v1/dead-letters/discard", { limit: 100_001 }), "400 invalid_field limit"],
  [post("/v1/dead-letters/discard", { force: true }), "400 unknown_field force"],
  [post("/v1/messages/states", {}), "400 invalid_field message_ids"],
  [post("/v1/messages/states", { message_ids: [] }), "400 invalid_field message_ids"],
  [post("/v1/messages/states", { message_ids: [ID, "42"] }), "400 invalid_field message_ids.1"],
  [
    post("/v1/messages/states", { message_ids: Array.from({ length: 1_001 }, () => ID) }),
    "400 invalid_field message_ids",
  ],
];
for (const [request, answer] of BAD) {
  const body = typeof request === "string" ? "" : JSON.stringify(request.payload ?? null).slice(0, 200);
  const shown = typeof request === "string" ? request : `${request.url} ${body}`;
  test(`${shown}: ${answer}, without a statement`, async (t) => {
    const { app, intake, asked } = service(t);
    assert.equal(await answerOf(app, request), answer);
    assert.deepEqual([intake.inserts.length, asked.statements], [0, 0]);
  });
}

const ASKING: readonly (InjectOptions | string)[] = [
  "/v1/messages",
  `/v1/messages/${ID}`,
  "/v1/stats",
  post(`/v1/messages/${ID}/replay`, {}),
  { method: "POST", url: `/v1/messages/${ID}/cancel`, headers: { "content-type": "application/json" } },
  post(`/v1/messages/${ID}/acknowledge`, { who: "me" }),
  post("/v1/dead-letters/replay", { dry_run: true }),
  post("/v1/dead-letters/discard", { dry_run: true }),
  post("/v1/messages/states", { message_ids: [ID] }),
];
for (const request of ASKING) {
  const shown = typeof request === "string" ? request : String(request.url);
  test(`${shown} is 503 without the database, and 500 when it refuses; no dispatcher is woken`, async (t) => {
    const away = service(t);
    assert.equal(await answerOf(away.app, request), "503 database_unavailable");
    assert.ok(away.asked.statements > 0);
    const refused = service(t, REFUSED);
    assert.equal(await answerOf(refused.app, request), "500 internal");
    assert.deepEqual([away.asked.wakes, refused.asked.wakes], [0, 0]);
  });
}

test("the status is what the service reports about itself", async (t) => {
  const { app } = service(t);
  assert.deepEqual((await app.inject("/v1/status")).json(), { here: true });
});
