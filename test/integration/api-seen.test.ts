/** What a pair really answers and sends is what its documents say: routes, statuses, bodies, topics. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { ACKER_DOCS } from "@acktor/acker/control/route-docs";
import { PUBLISHER_DOCS } from "@acktor/publisher/api-docs";
import { openApiPath, type RouteDocs, statusesOf } from "@acktor/shared/runtime/openapi";
import { CHANNELS } from "../../docs/generate/render-asyncapi.ts";
import { ackSchema, envelopeSchema, presenceSchema } from "../../docs/generate/topic-schemas.ts";
import { openApiFaults } from "../../docs/generate/validate-api.ts";
import { testAcker, testBroker } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { type Sighting, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

interface Document {
  readonly paths: Record<string, Record<string, { readonly "x-undocumented"?: true }>>;
}

async function documentOf(url: string): Promise<Document> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as Document;
}

/** Registered and described: the same routes, both ways. */
async function assertDescribed(name: string, document: Document, docs: RouteDocs): Promise<void> {
  assert.deepEqual(await openApiFaults(name, document), []);
  const registered = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );
  assert.deepEqual(
    registered.filter(({ operation }) => operation["x-undocumented"]).map(({ route }) => route),
    [],
    `${name}: registered and not described`,
  );
  const described = Object.keys(docs).map((key) => {
    const [method = "", path = ""] = key.split(" ");
    return `${method} ${openApiPath(path)}`;
  });
  assert.deepEqual(
    described.sort(),
    registered.map(({ route }) => route).sort(),
    `${name}: described and not registered`,
  );
}

type Shown = [route: string, path: string, body?: unknown, headers?: Record<string, string>];

/** Requests that show a route at work, and at refusing. `route` is its key in the docs. */
function requests(id: string, waiting: string, unanswered: string): Shown[] {
  const key = { "idempotency-key": "k" };
  const commands = Object.keys(PUBLISHER_DOCS).filter((route) => /^POST \/v1\/(link|breaker|control)\//.test(route));
  // The order in which each of them is possible; a drain would be the end.
  const possible = [
    "link/disconnect",
    "link/connect",
    "breaker/open",
    "breaker/close",
    "control/pause",
    "control/resume",
  ];
  return [
    ["GET /livez", "/livez"],
    ["GET /readyz", "/readyz?verbose"],
    ["GET /version", "/version"],
    ["GET /metrics", "/metrics"],
    ["GET /openapi.json", "/openapi.json"],
    ["GET /", "/"],
    ["POST /v1/messages", "/v1/messages", { topic: "data/1", content: "x" }, key],
    ["POST /v1/messages", "/v1/messages", { topic: "data/1", content: "x" }, key],
    ["POST /v1/messages", "/v1/messages", { topic: "data/1", content: "y" }, key],
    ["POST /v1/messages", "/v1/messages", { topic: "#", content: "x" }],
    ["POST /v1/messages", "/v1/messages", { topic: "a", content: "x".repeat(300_000) }],
    ["POST /v1/messages", "/v1/messages", "{"],
    ["POST /v1/messages/batch", "/v1/messages/batch", { messages: [{ topic: "data/1", content: "x" }] }],
    ["POST /v1/messages/batch", "/v1/messages/batch", { messages: [] }],
    ["GET /v1/messages", "/v1/messages?limit=5"],
    ["GET /v1/messages", "/v1/messages?limit=x"],
    ["GET /v1/messages/:id", `/v1/messages/${id}`],
    ["GET /v1/messages/:id", `/v1/messages/${randomUUID()}`],
    ["GET /v1/messages/:id/attempts", `/v1/messages/${id}/attempts?limit=5`],
    ["GET /v1/messages/:id/attempts", `/v1/messages/${id}/attempts?limit=501`],
    ["GET /v1/messages/:id/acks", `/v1/messages/${id}/acks`],
    ["GET /v1/messages/:id/acks", `/v1/messages/${randomUUID()}/acks`],
    ["GET /v1/messages/:id/receipts", `/v1/messages/${id}/receipts`],
    ["GET /v1/messages/:id/receipts", "/v1/messages/nothing/receipts"],
    ["POST /v1/messages/:id/cancel", `/v1/messages/${waiting}/cancel`, {}],
    ["POST /v1/messages/:id/cancel", `/v1/messages/${id}/cancel`, {}],
    ["POST /v1/messages/:id/replay", `/v1/messages/${waiting}/replay`, { force: true }],
    ["POST /v1/messages/:id/replay", `/v1/messages/${randomUUID()}/replay`, {}],
    ["POST /v1/messages/:id/acknowledge", `/v1/messages/${unanswered}/acknowledge`, { who: "me" }],
    ["POST /v1/messages/:id/acknowledge", `/v1/messages/${unanswered}/acknowledge`, { what: 1 }],
    ["POST /v1/dead-letters/replay", "/v1/dead-letters/replay", { dry_run: true }],
    ["POST /v1/dead-letters/replay", "/v1/dead-letters/replay", { limit: 0 }],
    ["POST /v1/messages/states", "/v1/messages/states", { message_ids: [id] }],
    ["POST /v1/messages/states", "/v1/messages/states", { message_ids: [] }],
    ["POST /v1/messages/cancel", "/v1/messages/cancel", { topic: "data/9", dry_run: true }],
    ["POST /v1/messages/cancel", "/v1/messages/cancel", {}],
    ["GET /v1/dead-letters", "/v1/dead-letters"],
    ["POST /v1/dead-letters/acknowledge", "/v1/dead-letters/acknowledge", { dry_run: true }],
    ["POST /v1/dead-letters/acknowledge", "/v1/dead-letters/acknowledge", { limit: 0 }],
    ["POST /v1/dead-letters/discard", "/v1/dead-letters/discard", { dry_run: true }],
    ["POST /v1/dead-letters/discard", "/v1/dead-letters/discard", { limit: 0 }],
    ["GET /assets/:file", "/assets/nothing.js"],
    ["GET /v1/overview", "/v1/overview"],
    ["GET /v1/stats", "/v1/stats"],
    ["GET /v1/status", "/v1/status"],
    ["GET /v1/machines", "/v1/machines?recent=true"],
    ["GET /v1/machines", "/v1/machines?recent=2"],
    ["GET /v1/me", "/v1/me"],
    ["POST /v1/principals", "/v1/principals", { name: "a", scopes: ["read"], topics: { read: ["#"] } }],
    ["POST /v1/principals", "/v1/principals", { name: "a", scopes: ["read"] }],
    ["POST /v1/principals", "/v1/principals", { name: "A" }],
    ["GET /v1/principals", "/v1/principals"],
    ["DELETE /v1/principals/:name", "/v1/principals/a"],
    ["DELETE /v1/principals/:name", "/v1/principals/a"],
    ["GET /v1/audit", "/v1/audit?limit=5"],
    ["GET /v1/audit", "/v1/audit?limit=0"],
    ...possible.map((name): [string, string, unknown] => [`POST /v1/${name}`, `/v1/${name}`, {}]),
    ...commands.map((route): [string, string, unknown] => [route, `${route.slice(5)}?instance=absent`, {}]),
    ...commands.map((route): [string, string, unknown] => [route, `${route.slice(5)}?service=acker`, {}]),
  ];
}

/** A stream; the end of the process; a file of the build, which the tests of the browser load. */
const NOT_SHOWN_HERE = new Set(["GET /v1/events", "POST /v1/control/drain", "GET /assets/:file"]);

test("every route is described; what it answers is what its description says", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, common);
  const acker = await testAcker(t, common);
  await assertDescribed("publisher", await documentOf(publisher.url), PUBLISHER_DOCS);
  await assertDescribed("acker", await documentOf(acker.running.url), ACKER_DOCS);

  const id = await publisher.send({ topic: "data/1", content: "x" });
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  const waiting = await publisher.send({ topic: "data/1", content: "x", deliver_at: tomorrow });
  const unanswered = await publisher.send({ topic: "data/1", content: "x", deliver_at: tomorrow });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  const succeeded = new Set<string>();
  const show = async ([route, path, body, headers]: Shown): Promise<void> => {
    const [method = "", pattern = ""] = route.split(" ");
    const doc = PUBLISHER_DOCS[route];
    assert.ok(doc, route);
    const { status, json, text } = await publisher.ask(method, path, body, headers);
    assert.ok(
      statusesOf(method, pattern, doc).includes(status),
      `${method} ${path} gave ${status}: ${text.slice(0, 300)}`,
    );
    const answer = doc.answers[status];
    if (answer === undefined) return;
    succeeded.add(route);
    if (answer.schema !== null)
      assert.ok(answer.schema.safeParse(json).success, `${method} ${path}: ${text.slice(0, 500)}`);
  };
  for (const shown of requests(id, waiting, unanswered)) await show(shown);
  for (const [route, { answers }] of Object.entries(ACKER_DOCS)) {
    if (!route.startsWith("GET ")) continue;
    const response = await fetch(`${acker.running.url}${route.slice(4)}`);
    assert.equal(response.status, 200, route);
    const schema = answers[200]?.schema ?? null;
    const text = await response.text();
    if (schema !== null) assert.ok(schema.safeParse(JSON.parse(text)).success, `${route}: ${text.slice(0, 300)}`);
  }
  // A reset is for a link that waits.
  await broker.stop();
  await until(
    async () => {
      await show(["POST /v1/link/reset", "/v1/link/reset", {}]);
      return succeeded.has("POST /v1/link/reset");
    },
    10_000,
    "a reset that is possible",
  );
  assert.deepEqual(
    Object.keys(PUBLISHER_DOCS).filter((route) => !succeeded.has(route) && !NOT_SHOWN_HERE.has(route)),
    [],
    "described, and never seen to succeed",
  );
});

test("every topic that is seen is declared, and carries what is declared for it", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const spy = await startSpy(t, broker.url, ["#"]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_ACK_SECRET: "the secret of the acks" };
  const publisher = await testPublisher(t, common);
  const acker = await testAcker(t, common);
  const id = await publisher.send({ topic: "data/1", content: "x", ordering_key: "k", ttl_seconds: 60 });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  await acker.running.stop();
  await spy.sees(
    ({ topic, payload }) => topic === "delivery/acker/acker-1" && payload.length === 0,
    5_000,
    "the goodbye",
  );
  const kinds = spy.seen.map((sighting) => kindOf(sighting));
  assert.deepEqual(new Set(kinds), new Set(["message", "ack", "presence", "goodbye"]));
});

/** Which declared channel it is of; throws where its payload is not what is declared. */
function kindOf({ topic, payload, text }: Sighting): string {
  const prefixOf = (address: string): string => address.slice(0, address.indexOf("{"));
  if (topic.startsWith(prefixOf(CHANNELS.ack))) {
    ackSchema.strict().parse(JSON.parse(text));
    return "ack";
  }
  if (topic.startsWith(prefixOf(CHANNELS.presence))) {
    if (payload.length === 0) return "goodbye";
    presenceSchema.parse(JSON.parse(text));
    return "presence";
  }
  envelopeSchema.parse(JSON.parse(text));
  return "message";
}
