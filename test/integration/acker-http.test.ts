/** The acker over HTTP: what people and machines read there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainClient, testAcker, testBroker } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";

const TOKEN = "a-token-of-more-than-16";

test("status, machines, metrics, health and version; /v1 wants the token", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_API_TOKEN: TOKEN };
  const { running } = await testAcker(t, env);
  const client = await plainClient(t, broker.url);
  await client.send("data/a", { message_id: "m1", content: "x" });
  await client.hears("delivery/ack/m1");
  await client.send("data/a", "not JSON");
  await client.send("data/a", { message_id: "m2", content: "x" });
  await client.hears("delivery/ack/m2");

  assert.equal((await fetch(`${running.url}/v1/status`)).status, 401);
  const get = async (path: string): Promise<Response> => {
    return fetch(`${running.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
  };
  const json = async (path: string): Promise<Record<string, unknown>> => {
    return (await (await get(path)).json()) as Record<string, unknown>;
  };
  const status = await json("/v1/status");
  assert.deepEqual([status["service"], status["instance"], status["state"]], ["acker", "acker-1", "RUNNING"]);
  assert.deepEqual([status["receiver"], status["handler"], status["received"]], ["LISTENING", "inbox", 3]);
  const messages = status["messages"] as Record<string, number>;
  assert.deepEqual([messages["first"], messages["malformed"]], [2, 1]);
  assert.equal((status["acks"] as Record<string, number>)["sent"], 2);
  assert.equal((status["connection"] as Record<string, unknown>)["state"], "CONNECTED");
  assert.ok(!JSON.stringify(status).includes(new URL(database.url).password));

  const { actors } = (await json("/v1/machines")) as { actors: Record<string, unknown>[] };
  assert.deepEqual(
    actors.map(({ actor, value }) => [actor, value]),
    [
      ["supervisor", "RUNNING"],
      ["link", { connection: "CONNECTED", breaker: "CLOSED" }],
      ["receiver", "LISTENING"],
    ],
  );
  const metrics = await (await get("/metrics")).text();
  assert.match(metrics, /acktor_acker_messages_total\{outcome="first"\} 2/);
  assert.match(metrics, /acktor_acker_messages_total\{outcome="malformed"\} 1/);
  assert.match(metrics, /acktor_acker_acks_total\{outcome="sent"\} 2/);
  assert.match(metrics, /acktor_link_connection_state\{state="CONNECTED"\} 1/);
  assert.match(metrics, /acktor_acker_queue_messages 0/);
  assert.match(metrics, /acktor_database_up 1/);

  assert.deepEqual(await json("/readyz?verbose"), {
    status: "ok",
    checks: { postgres: "ok", mqtt: "CONNECTED", service: "RUNNING" },
  });
  assert.deepEqual(await json("/livez"), { status: "ok" });
  assert.equal((await json("/version"))["service"], "acker");
  await broker.stop();
  assert.equal((await get("/livez")).status, 200);
});

test("commands to the acker itself: link, breaker and service; for other instances it names a publisher", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_API_TOKEN: TOKEN };
  const { running, log } = await testAcker(t, env);
  const post = async (path: string, body: object = {}, token = TOKEN) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(`${running.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return [answer.status, ((await answer.json()) as { state?: string }).state];
  };
  assert.deepEqual(await post("/v1/link/reset", {}, "another-token-of-16"), [401, undefined]);
  assert.deepEqual(await post("/v1/link/reset", {}, "another-token-of-16"), [401, undefined]);
  const refused = log.filter(({ msg }) => /^refused an operator's command/.test(String(msg)));
  assert.deepEqual(
    refused.map(({ level, action, code }) => [level, action, code]),
    [["warn", "reset", "unauthorized"]],
  );
  assert.deepEqual(await post("/v1/link/reset"), [409, undefined]);
  assert.deepEqual(await post("/v1/link/disconnect", { who: "ana" }), [200, "DISCONNECTED"]);
  assert.equal((await post("/v1/link/connect?service=acker&instance=acker-1"))[0], 200);
  assert.deepEqual(await post("/v1/control/pause"), [200, "PAUSED"]);
  assert.deepEqual(await post("/v1/control/resume?instance=all"), [200, undefined]);
  for (const [path, body, code] of [
    ["/v1/link/reset?service=publisher", {}, 504],
    ["/v1/link/reset?instance=acker-2", {}, 504],
    ["/v1/link/reset?instances=all", {}, 400],
    ["/v1/link/reset", { whom: "x" }, 400],
    ["/v1/link/reset", { who: "\u0000" }, 400],
  ] as const) {
    assert.equal((await post(path, body))[0], code, path);
  }
  const recorded = log.filter(({ msg }) => msg === "an operator's command").map(({ record }) => record as object);
  assert.deepEqual(recorded[1], {
    ...recorded[1],
    who: "operator",
    said: "ana",
    action: "disconnect",
    outcome: "done",
  });
});
