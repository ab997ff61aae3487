/** Principals: what each scope may do, what is hidden from other teams, quotas, owners of keys, lifetimes of tokens. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { ACCESS } from "@acktor/publisher/principals/access-table";
import { SCOPES, type Scope } from "@acktor/publisher/principals/principal";
import type { Pool } from "@acktor/shared/db/pool";
import { type Rows, sql, testBroker, testPool } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestAnswer, type TestPublisher, testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const TOKEN = "the token of the operators";
type Ask = TestPublisher["ask"];

interface Scene {
  readonly common: Record<string, string>;
  readonly publisher: TestPublisher;
  readonly pool: Pool;
  /** Creates a principal. @returns requests with its token */
  create(body: object, at?: TestPublisher): Promise<Ask & { readonly token: string }>;
}

async function setScene(t: TestContext, env: Record<string, string> = {}): Promise<Scene> {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_API_TOKEN: TOKEN, ...env };
  const publisher = await testPublisher(t, common);
  return {
    common,
    publisher,
    pool: testPool(t, database.url),
    async create(body, at = publisher) {
      const { status, json, text } = await publisher.ask("POST", "/v1/principals", body);
      assert.equal(status, 201, text);
      const token = String(json["token"]);
      return Object.assign(bearer(at, token), { token });
    },
  };
}

/** Requests with a token. */
function bearer(publisher: TestPublisher, token: string): Ask {
  return (method, route, body, headers = {}) =>
    publisher.ask(method, route, method === "GET" ? undefined : (body ?? {}), {
      authorization: `Bearer ${token}`,
      ...headers,
    });
}

const errorOf = ({ json }: TestAnswer) =>
  json["error"] as { code: string; field?: string; message: string; fix: string };

async function idOf(answer: Promise<TestAnswer>): Promise<string> {
  const { status, json, text } = await answer;
  assert.ok(status === 201 || status === 200, text);
  return String(json["message_id"]);
}

/** Marks a message as failed, as the dispatcher would. */
async function fail(pool: Pool, id: string): Promise<void> {
  await sql(
    pool,
    "update publisher.message_delivery set state = 'failed', reason = 'lost', due_at = null, lease_owner = null, parked = false where message_id = $1::uuid",
    [id],
  );
}

test("ACCESS-1: every route of the API is in the one table", async (t) => {
  const { publisher } = await setScene(t);
  const { paths } = (await publisher.ask("GET", "/openapi.json")).json as {
    paths: Record<string, Record<string, object>>;
  };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`),
  );
  assert.deepEqual(routes.filter((route) => route.includes(" /v1")).sort(), Object.keys(ACCESS).sort());
});

test("PRINCIPAL-1: each scope opens its routes and no other; admin opens all", async (t) => {
  const { publisher, create } = await setScene(t);
  for (const scope of SCOPES) {
    const ask = await create({ name: `only-${scope}`, scopes: [scope], topics: { write: ["#"], read: ["#"] } });
    for (const [route, access] of Object.entries(ACCESS)) {
      const [method = "", path = ""] = route.split(" ");
      // No request has an effect: once admitted, each answers 400 for the query, or 404 for the id.
      const url = `${path.replace(":id", randomUUID()).replace(":name", "unknown")}?nonsense=1`;
      const may = access.scope === null || scope === "admin" || access.scope === scope;
      if (path === "/v1/events" && may) continue;
      if (/(connect|reset|open|close|pause|resume|drain)$/.test(path) === false && method === "POST" && may) {
        assert.notEqual((await ask(method, url, { nonsense: 1 })).status, 403, `${scope}: ${route}`);
        continue;
      }
      const answer = await ask(method, url);
      if (may) assert.ok(![401, 403].includes(answer.status), `${scope}: ${route} ${answer.text}`);
      else {
        assert.deepEqual([answer.status, errorOf(answer).code], [403, "forbidden"], `${scope}: ${route}`);
        assert.match(errorOf(answer).message, new RegExp(`scope ${access.scope}`));
        assert.match(errorOf(answer).fix, /acktor token create/);
      }
    }
  }
  assert.equal((await publisher.ask("GET", "/v1/status")).status, 200, "no command was obeyed");
});

test("routes that show all topics are open only to principals that may read all topics; other routes have no such condition", async (t) => {
  const { create } = await setScene(t);
  const ask = await create({ name: "team-a", scopes: ["read"], topics: { read: ["team-a/#", "+/#"] } });
  const shown = Object.entries(ACCESS).filter(([, access]) => access.fleetWide);
  assert.deepEqual(shown.length, 5);
  for (const [route] of shown) {
    const answer = await ask("GET", route.slice(4));
    assert.deepEqual([answer.status, errorOf(answer).code], [403, "forbidden"], route);
  }
  assert.equal((await ask("GET", "/v1/dead-letters")).status, 200);
});

test("a token, no token, a wrong token: the header identifies the principal, or the request is refused", async (t) => {
  const { publisher, common, create } = await setScene(t);
  const team = await create({
    name: "team-a",
    scopes: ["send", "read"],
    topics: { write: ["team-a/#"], read: ["team-a/#"] },
    requests_per_second: 100,
    most_waiting: 10_000,
  });
  assert.match(team.token, /^acktor_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual((await team("GET", "/v1/me")).json, {
    name: "team-a",
    scopes: ["send", "read"],
    topics: { write: ["team-a/#"], read: ["team-a/#"] },
    requests_per_second: 100,
    most_waiting: 10_000,
    expires_at: null,
    authenticated: true,
  });
  const operator = (await publisher.ask("GET", "/v1/me")).json;
  assert.deepEqual([operator["name"], operator["scopes"], operator["authenticated"]], ["operator", [...SCOPES], true]);
  const wrong = [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${btoa(`a:${TOKEN}`)}`,
    `Bearer ${team.token}x`,
    `Bearer  ${team.token}`,
    team.token,
    `Bearer ${"a".repeat(8_000)}`,
  ];
  for (const authorization of wrong) {
    assert.equal(
      (await publisher.ask("GET", "/v1/me", undefined, { authorization })).status,
      401,
      authorization.slice(0, 60),
    );
  }
  // Without ACKTOR_API_TOKEN the loopback address is open to the machine's own user, and tokens are still checked.
  const { ACKTOR_API_TOKEN: _, ...open } = common;
  const local = await testPublisher(t, { ...open, ACKTOR_INSTANCE: "publisher-2" });
  const me = (await local.ask("GET", "/v1/me")).json;
  assert.deepEqual([me["name"], me["scopes"], me["authenticated"]], ["local", [...SCOPES], false]);
  assert.equal((await bearer(local, team.token)("GET", "/v1/me")).json["name"], "team-a");
  for (const authorization of wrong) {
    assert.equal(
      (await local.ask("GET", "/v1/me", undefined, { authorization })).status,
      401,
      authorization.slice(0, 60),
    );
  }
});

// INTAKE_ROUTES-1
// FOREIGN-1
test("another team's message is 404, its topic 403, over quota 429 with Retry-After", async (t) => {
  const { create, pool } = await setScene(t);
  const topics = (team: string) => ({ write: [`${team}/#`], read: [`${team}/#`] });
  const a = await create({ name: "team-a", scopes: ["send", "read", "operate"], topics: topics("team-a") });
  const b = await create({
    name: "team-b",
    scopes: ["send", "read", "operate"],
    topics: topics("team-b"),
    most_waiting: 3,
  });
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  const id = await idOf(a("POST", "/v1/messages", { topic: "team-a/x", content: "secret", deliver_at: tomorrow }));
  const unknown = randomUUID();
  for (const [method, route, body] of [
    ["GET", ""],
    ["GET", "/receipts"],
    ["GET", "/acks"],
    ["GET", "/attempts"],
    ["POST", "/replay", { force: true }],
    ["POST", "/cancel", {}],
    ["POST", "/acknowledge", { client_id: "x" }],
  ] as const) {
    const answers = [id, unknown].map(async (one) => {
      const { status, text } = await b(method, `/v1/messages/${one}${route}`, body);
      return [status, text.replaceAll(one, "ID")];
    });
    const [foreign, none] = await Promise.all(answers);
    if (route !== "/receipts") assert.deepEqual(foreign, none, `${route}: one that is not there looks the same`);
    assert.equal(foreign?.[0], 404, route);
  }
  const states = await b("POST", "/v1/messages/states", { message_ids: [id, unknown] });
  assert.deepEqual(states.json, { states: [null, null] });
  assert.deepEqual((await a("POST", "/v1/messages/states", { message_ids: [id] })).json, { states: ["pending"] });
  assert.equal((await sql(pool, "select state from publisher.message_delivery"))[0]?.["state"], "pending");

  const foreignTopic = await b("POST", "/v1/messages", { topic: "team-a/x", content: "x" });
  assert.deepEqual(
    [foreignTopic.status, errorOf(foreignTopic).code, errorOf(foreignTopic).field],
    [403, "forbidden", "topic"],
  );
  const batch = {
    messages: [
      { topic: "team-b/1", content: "x" },
      { topic: "team-bx", content: "x" },
    ],
  };
  const inBatch = await b("POST", "/v1/messages/batch", batch);
  assert.deepEqual([inBatch.status, errorOf(inBatch).field], [403, "messages[1].topic"]);
  for (const [method, route, body] of [
    ["GET", "/v1/messages?topic=team-a/x", undefined],
    ["POST", "/v1/messages/cancel", { topic: "team-a/x" }],
    ["POST", "/v1/dead-letters/replay", { topic: "team-a/x" }],
    ["POST", "/v1/dead-letters/discard", { topic: "team-a/x" }],
    ["POST", "/v1/dead-letters/acknowledge", { topic: "team-a/x" }],
  ] as const) {
    const answer = await b(method, route, body);
    assert.deepEqual([answer.status, errorOf(answer).field], [403, "topic"], route);
  }
  assert.equal(
    (await sql(pool, "select count(*)::int4 n from publisher.message_delivery"))[0]?.["n"],
    1,
    "all or none",
  );

  const three = { messages: Array.from({ length: 3 }, (_, i) => ({ topic: `team-b/${i}`, content: "x" })) };
  assert.equal((await b("POST", "/v1/messages/batch", three)).status, 201);
  const over = await fetchFull(b, { topic: "team-b/x", content: "x" });
  assert.deepEqual(over, [429, "over_quota", true]);
  const waiting = await b("POST", "/v1/messages/cancel", { topic: "team-b/1" });
  assert.equal(waiting.json["cancelled"], 1);
  await until(
    async () => (await b("POST", "/v1/messages", { topic: "team-b/x", content: "x" })).status === 201,
    5_000,
    "room",
  );
});

/** Status, code, and whether Retry-After was there: `fetchFull` of a scene's request. */
async function fetchFull(ask: Ask, body: object): Promise<[number, string, boolean]> {
  const answer = await ask("POST", "/v1/messages", body);
  return [answer.status, errorOf(answer).code, Number(answer.headers.get("retry-after")) > 0];
}

// SCOPE-1
test("lists, dead letters and bulk operations cover only the principal's own topics", async (t) => {
  const { create, publisher, pool } = await setScene(t);
  const wild = await create({
    name: "wild",
    scopes: ["read"],
    topics: { read: ["plain", "below/#", "+/mid/+", "x.y/+", "(z|q)/#"] },
  });
  const seen = ["plain", "below", "below/1", "below/1/2", "a/mid/b", "x.y/1", "(z|q)/1"];
  const hidden = ["plain/1", "plainx", "belowx", "xplain", "a/mid", "a/mid/b/c", "xzy/1", "z/1", "q", "other"];
  for (const topic of [...seen, ...hidden]) await publisher.send({ topic, content: "x" });
  const listed = (await wild("GET", "/v1/messages?limit=100")).json["messages"] as Rows[];
  assert.deepEqual(listed.map(({ topic }) => topic).sort(), seen.sort(), "FILTER-1");

  const a = await create({
    name: "team-a",
    scopes: ["operate", "read"],
    topics: { write: ["team-a/#"], read: ["team-a/#", "shared"] },
  });
  const ids = new Map<string, string>();
  for (const topic of ["team-a/1", "team-a/2", "shared", "team-b/1"]) {
    const id = await publisher.send({ topic, content: "x" });
    await fail(pool, id);
    ids.set(topic, id);
  }
  const groups = (await a("GET", "/v1/dead-letters")).json["groups"] as { count: number }[];
  assert.deepEqual(
    groups.map(({ count }) => count),
    [3],
  );
  const look = (await a("POST", "/v1/dead-letters/discard", { dry_run: true })).json;
  assert.deepEqual([look["matched"], look["refused"]], [2, 0], "shared may be seen, and not changed");
  const all = { message_ids: [...ids.values()] };
  const replayed = (await a("POST", "/v1/dead-letters/acknowledge", all)).json as {
    acknowledged: number;
    refusals: { why: string }[];
  };
  assert.equal(replayed.acknowledged, 2);
  assert.deepEqual(replayed.refusals.map(({ why }) => why).sort(), [
    "its topic is outside the topics that this token may write to",
    "there is no message under this id",
  ]);
  const shared = await a("POST", `/v1/messages/${ids.get("shared")}/replay`, {});
  assert.deepEqual([shared.status, errorOf(shared).field], [403, "topic"]);
  const states = await sql(
    pool,
    "select topic, state from publisher.message_delivery where topic ~ '^(team|shared)' order by topic",
  );
  assert.deepEqual(
    states.map(({ state }) => state),
    ["failed", "acknowledged", "acknowledged", "failed"],
  );
  const waiting = await publisher.send({ topic: "team-b/2", content: "x" });
  assert.equal((await a("POST", "/v1/messages/cancel", { message_ids: [waiting] })).json["matched"], 0);
});

test("KEY_OWNER-1: an idempotency key belongs to its principal, in one request, in one batch and in one commit", async (t) => {
  const { create, publisher, pool } = await setScene(t);
  const teams = await Promise.all(
    ["team-a", "team-b"].map((name) => create({ name, scopes: ["send"], topics: { write: ["#"] } })),
  );
  const send = (ask: Ask, content: string) =>
    ask("POST", "/v1/messages", { topic: "orders", content }, { "idempotency-key": "order-17" });
  const first = await Promise.all([...teams, publisher.ask].map((ask, i) => idOf(send(ask, `of ${i}`))));
  assert.equal(new Set(first).size, 3);
  const again = await Promise.all([...teams, publisher.ask].map((ask, i) => idOf(send(ask, `of ${i}`))));
  assert.deepEqual(again, first);
  const [a = publisher.ask, b = publisher.ask] = teams;
  const conflict = await send(a, "of 1");
  assert.deepEqual([conflict.status, errorOf(conflict).code], [409, "idempotency_conflict"]);
  for (const id of first) assert.ok(!conflict.text.includes(id));
  // Requests that arrive together share one INSERT.
  const rounds = Array.from({ length: 40 }, (_, i) => i);
  const together = await Promise.all(
    rounds.flatMap((i) =>
      [a, b].map((ask, team) =>
        idOf(ask("POST", "/v1/messages", { topic: "orders", content: `${team}` }, { "idempotency-key": `k${i}` })),
      ),
    ),
  );
  assert.equal(new Set(together).size, 80);
  const rows = await sql(
    pool,
    "select sender, count(*)::int4 n from publisher.message_delivery group by sender order by sender",
  );
  assert.deepEqual(rows, [
    { sender: "team-a", n: 41 },
    { sender: "team-b", n: 41 },
    { sender: null, n: 1 },
  ]);
});

// REFUSAL-1
test("the audit records the principal as who acted, and the caller's own claim as a claim; refusals are in the audit", async (t) => {
  const { create, publisher, pool } = await setScene(t);
  const ops = await create({ name: "ops", scopes: ["operate"], topics: { write: ["#"], read: ["#"] } });
  const team = await create({ name: "team-a", scopes: ["send", "read"], topics: { write: ["team-a/#"] } });
  const id = await publisher.send({ topic: "x", content: "x" });
  await ops("POST", "/v1/breaker/open", { who: "operator" });
  await ops("POST", "/v1/breaker/close", {}, { "x-acktor-user": "ana" });
  await ops("POST", `/v1/messages/${id}/cancel`, { who: "operator" });
  await ops("POST", `/v1/messages/${id}/cancel`, { who: "again" });
  for (let i = 0; i < 20; i++) assert.equal((await team("POST", "/v1/control/drain", { who: "operator" })).status, 403);
  await publisher.ask("POST", "/v1/control/drain", {}, { authorization: "Bearer wrong" });
  const lines = async (query = ""): Promise<Rows[]> =>
    (await publisher.ask("GET", `/v1/audit${query}`)).json["actions"] as Rows[];
  await until(async () => (await lines("?action=drain")).length === 2, 5_000, "the refusals");
  const told = (await lines()).map(({ who, said, action, outcome }) => [who, said, action, outcome].join(" "));
  assert.deepEqual(
    told.toReversed().sort(),
    [
      "operator  principal.create done",
      "operator  principal.create done",
      "ops operator breaker.open done",
      "ops ana breaker.close done",
      "ops operator cancel done",
      "ops again cancel refused",
      "team-a  drain forbidden",
      "127.0.0.1  drain unauthorized",
    ].sort(),
  );
  const [created] = await lines("?action=principal.create&who=operator&limit=1");
  assert.deepEqual((created?.["detail"] as Rows | undefined)?.["name"], "team-a");
  for (const line of await lines()) assert.equal(line["origin"], "127.0.0.1");
  const everything = JSON.stringify([
    await lines(),
    await sql(pool, "select * from publisher.principal"),
    publisher.log,
    (await publisher.ask("GET", "/v1/principals")).text,
  ]);
  for (const token of [ops.token, team.token]) assert.ok(!everything.includes(token), "CHANGE-2, TOKEN-1");
});

test("a token works on every publisher within a second, and stops working within a second of its revocation or expiry", async (t) => {
  const { common, create, publisher } = await setScene(t);
  const other = await testPublisher(t, { ...common, ACKTOR_INSTANCE: "publisher-2" });
  const body = { name: "team-a", scopes: ["read"], topics: { read: ["#"] } };
  const { token } = await create(body);
  const [here, there] = [bearer(publisher, token), bearer(other, token)];
  assert.equal((await here("GET", "/v1/me")).status, 200);
  await until(async () => (await there("GET", "/v1/me")).status === 200, 1_000, "the other publisher to know it");
  const again = await publisher.ask("POST", "/v1/principals", body);
  assert.deepEqual([again.status, errorOf(again).field], [409, "name"], "CHANGE-1");
  assert.equal((await publisher.ask("DELETE", "/v1/principals/team-a", {})).status, 200);
  assert.equal((await here("GET", "/v1/me")).status, 401);
  await until(async () => (await there("GET", "/v1/me")).status === 401, 1_000, "the other publisher to forget it");
  assert.equal((await publisher.ask("DELETE", "/v1/principals/team-a", {})).status, 404);

  const short = await create({ ...body, expires_in_seconds: 2 });
  assert.equal((await short("GET", "/v1/me")).status, 200);
  assert.notEqual((await short("GET", "/v1/me")).json["expires_at"], null);
  await until(async () => (await short("GET", "/v1/me")).status === 401, 3_500, "its end");
  const renewed = await create(body);
  assert.equal((await renewed("GET", "/v1/me")).status, 200);
  assert.equal((await short("GET", "/v1/me")).status, 401);
});

test("BOOK-4: a stream of events ends with the token that opened it", async (t) => {
  const { create, publisher } = await setScene(t);
  const { token } = await create({ name: "viewer", scopes: ["read"], topics: { read: ["#"] } });
  const open = async (given: string) => {
    const headers = { authorization: `Bearer ${given}` };
    const { body, status } = await fetch(`${publisher.url}/v1/events`, {
      headers,
      signal: AbortSignal.timeout(20_000),
    });
    assert.equal(status, 200);
    const state = { ended: false };
    const drain = async (): Promise<void> => {
      for await (const _ of body ?? []);
      state.ended = true;
    };
    void drain().catch(() => "the test is over");
    return state;
  };
  const [team, operator] = await Promise.all([open(token), open(TOKEN)]);
  await publisher.ask("DELETE", "/v1/principals/viewer", {});
  await until(() => team.ended, 1_500, "the stream to end");
  assert.equal(operator.ended, false);
});

test("requests a second are limited for each principal, independently of the others", async (t) => {
  const { create, publisher } = await setScene(t);
  const slow = await create({ name: "slow", scopes: ["read"], requests_per_second: 5 });
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async () => (await slow("GET", "/v1/messages")).status),
  );
  const admitted = statuses.filter((status) => status === 200).length;
  assert.ok(admitted >= 5 && admitted < 20, String(statuses));
  const refused = await until(
    async () => {
      const answer = await slow("GET", "/v1/messages");
      return answer.status === 429 && answer;
    },
    2_000,
    "a refusal",
  );
  assert.deepEqual([errorOf(refused).code, refused.headers.get("retry-after")], ["rate_limited", "1"]);
  assert.equal((await publisher.ask("GET", "/v1/messages")).status, 200);
});

test("QUOTA-1: a burst puts no principal above its quota of waiting messages", async (t) => {
  const { create, pool } = await setScene(t);
  const team = await create({ name: "team-a", scopes: ["send"], topics: { write: ["#"] }, most_waiting: 50 });
  const sent = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      team("POST", "/v1/messages/batch", {
        messages: Array.from({ length: 3 }, (_, n) => ({ topic: `t/${i}/${n}`, content: "x" })),
      }),
    ),
  );
  const accepted = sent.filter(({ status }) => status === 201).length;
  assert.deepEqual([accepted, new Set(sent.map(({ status }) => status))], [16, new Set([201, 429])]);
  assert.equal((await sql(pool, "select count(*)::int4 n from publisher.message_delivery"))[0]?.["n"], 48);
});

// PRINCIPAL-2
test("an invalid principal is rejected with the field at fault, and nothing is created", async (t) => {
  const { publisher, pool } = await setScene(t);
  const good = { name: "team-a", scopes: ["send"] as Scope[], topics: { write: ["a"] } };
  const bad: [object, string][] = [
    [{ ...good, name: "" }, "name"],
    [{ ...good, name: "Team" }, "name"],
    [{ ...good, name: "-a" }, "name"],
    [{ ...good, name: "a".repeat(64) }, "name"],
    [{ ...good, name: "a:b" }, "name"],
    [{ ...good, name: "operator" }, "name"],
    [{ ...good, name: "local" }, "name"],
    [{ ...good, scopes: [] }, "scopes"],
    [{ ...good, scopes: ["root"] }, "scopes.0"],
    [{ ...good, topics: { write: ["a/#/b"] } }, "topics.write.0"],
    [{ ...good, topics: { read: ["a\u0000"] } }, "topics.read.0"],
    [{ ...good, topics: { read: ["a".repeat(513)] } }, "topics.read.0"],
    [{ ...good, topics: { read: Array.from({ length: 65 }, () => "a") } }, "topics.read"],
    [{ ...good, topics: { read: [`+/${"a".repeat(127)}`] } }, "topics.read.0"],
    [{ ...good, topics: { read: Array.from({ length: 17 }, (_, i) => `+/${i}`) } }, "topics.read"],
    [{ ...good, topics: ["a"] }, "topics"],
    [{ ...good, requests_per_second: 0 }, "requests_per_second"],
    [{ ...good, most_waiting: 1.5 }, "most_waiting"],
    [{ ...good, expires_in_seconds: 0 }, "expires_in_seconds"],
    [{ ...good, expires_in_seconds: 1e12 }, "expires_in_seconds"],
    [{ ...good, token: "mine" }, "token"],
  ];
  for (const [body, field] of bad) {
    const answer = await publisher.ask("POST", "/v1/principals", body);
    assert.deepEqual([answer.status, errorOf(answer)?.field], [400, field], JSON.stringify(body).slice(0, 100));
  }
  for (const name of ["unknown", "operator", "%00", "A".repeat(100), "'; drop table publisher.principal; --"]) {
    const answer = await publisher.ask("DELETE", `/v1/principals/${encodeURIComponent(name)}`, {});
    assert.equal(answer.status, 404, name);
  }
  assert.deepEqual(await sql(pool, "select name from publisher.principal"), []);
});

// PRINCIPAL_GATE-2
test("a flood of invented tokens causes a few statements a second, and delays no other caller", async (t) => {
  const { create, publisher, pool } = await setScene(t);
  const team = await create({ name: "team-a", scopes: ["read"], topics: { read: ["#"] } });
  const reads = async (): Promise<number> => {
    const rows = await sql(
      pool,
      "select coalesce(sum(seq_scan + idx_scan), 0)::int4 n from pg_stat_user_tables where relname = 'principal'",
    );
    return Number(rows[0]?.["n"]);
  };
  const before = await reads();
  const startedAt = performance.now();
  const knock = bearer(publisher, "acktor_invented");
  let slowestMs = 0;
  for (let round = 0; round < 20; round++) {
    const knocks = Array.from({ length: 100 }, () => knock("GET", "/v1/me"));
    const askedAt = performance.now();
    assert.equal((await team("GET", "/v1/me")).status, 200);
    slowestMs = Math.max(slowestMs, performance.now() - askedAt);
    for (const answer of await Promise.all(knocks)) assert.equal(answer.status, 401);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  // Statistics are written once a second.
  await sql(pool, "select pg_stat_clear_snapshot()");
  const asked = (await reads()) - before;
  t.diagnostic(
    `2,000 invented tokens in ${seconds.toFixed(1)} s: ${asked} scans; slowest honest request ${Math.round(slowestMs)} ms`,
  );
  assert.ok(asked <= 10 + seconds * 12, `${asked} scans in ${seconds} s`);
});
