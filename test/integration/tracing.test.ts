/** One message followed through four spans and both services, by a collector of our own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import mqtt from "mqtt";
import { testAcker, testBroker } from "../support/acker.ts";
import { MOSQUITTO_5 } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { type CollectedSpan, startCollector } from "../support/otlp-collector.ts";
import { testDatabase } from "../support/postgres.ts";
import { objectOf, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

interface Pair {
  readonly publisherUrl: string;
  readonly brokerUrl: string;
}

async function startPair(t: Parameters<typeof testBroker>[0], env: Record<string, string>): Promise<Pair> {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, ...env };
  await testAcker(t, common);
  const publisher = await startPublisher(
    { ...common, HTTP_PORT: "0", ACKTOR_INSTANCE: "publisher-1" },
    { logStream: { write: () => undefined } },
  );
  assert.ok(publisher.ok);
  cleanUp(t, () => publisher.stop());
  await publisher.started;
  return { publisherUrl: publisher.url, brokerUrl: broker.url };
}

async function send(url: string, headers: Record<string, string>, topic = "data/1"): Promise<string> {
  const response = await fetch(`${url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ topic, content: "canary-content" }),
  });
  assert.equal(response.status, 201);
  return ((await response.json()) as { message_id: string }).message_id;
}

test("without an endpoint no span begins, and the caller's traceparent travels all the same", async (t) => {
  const { publisherUrl, brokerUrl } = await startPair(t, {});
  const spy = await startSpy(t, brokerUrl, ["data/#"]);
  const id = await send(publisherUrl, { traceparent: CALLER });
  const seen = await spy.sees((sighting) => sighting.text.includes(id), 5_000, "the message");
  assert.equal(objectOf(seen)["traceparent"], CALLER);
  const nonsense = await send(publisherUrl, { traceparent: "00-nonsense" });
  const plain = await spy.sees((sighting) => sighting.text.includes(nonsense), 5_000, "the message");
  assert.equal(objectOf(plain)["traceparent"], undefined);
});

test("the vendors' part travels in MQTT 5's user properties, and never without a traceparent", async (t) => {
  const { missing, start } = MOSQUITTO_5;
  if (missing !== null) return t.skip(missing);
  const [database, broker] = await Promise.all([testDatabase(t), start(t)]);
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url, HTTP_PORT: "0", ACKTOR_INSTANCE: "publisher-1" };
  const publisher = await startPublisher(env, { logStream: { write: () => undefined } });
  assert.ok(publisher.ok);
  cleanUp(t, () => publisher.stop());
  await publisher.started;
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  cleanUp(t, () => client.endAsync(true));
  const seen = new Map<unknown, object>();
  client.on("message", (_topic, payload, { properties }) => {
    seen.set((JSON.parse(payload.toString()) as Record<string, unknown>)["message_id"], {
      ...properties?.userProperties,
    });
  });
  await client.subscribeAsync("data/#", { qos: 1 });
  // One each: a destination without any ack so far gets one message at a time.
  const both = await send(publisher.url, { traceparent: CALLER, tracestate: "congo=t61rcWkgMzE, rojo=1" }, "data/1");
  const alone = await send(publisher.url, { tracestate: "congo=t61rcWkgMzE" }, "data/2");
  const spoilt = await send(publisher.url, { traceparent: CALLER, tracestate: "Congo=1" }, "data/3");
  await until(() => seen.size === 3, 10_000, "all three");
  assert.deepEqual(seen.get(both), { traceparent: CALLER, tracestate: "congo=t61rcWkgMzE,rojo=1" });
  assert.deepEqual(seen.get(alone), {});
  assert.deepEqual(seen.get(spoilt), { traceparent: CALLER });
});

test("create → send → process → settle: one trace, linked through the row and the wire, no content in it", async (t) => {
  const collector = await startCollector(t);
  const { publisherUrl } = await startPair(t, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const id = await send(publisherUrl, { traceparent: CALLER });
  const [traceId, callerSpan] = CALLER.split("-").slice(1);
  const find = (name: string): CollectedSpan | undefined =>
    collector.spans.find((span) => span.name === name && span.attributes["messaging.message.id"] === id);
  const spans = await until(
    () => {
      const all = ["create", "send", "process", "settle"].map(find).filter((span) => span !== undefined);
      return all.length === 4 && all;
    },
    15_000,
    "four spans of the message",
  );
  assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set([traceId]));
  const [create, sent, processed, settled] = spans;
  assert.ok(create && sent && processed && settled);
  assert.deepEqual(
    [create.parentSpanId, sent.parentSpanId, processed.parentSpanId, settled.parentSpanId],
    [callerSpan, create.spanId, sent.spanId, create.spanId],
  );
  assert.deepEqual(
    spans.map(({ service }) => service),
    ["acktor-publisher", "acktor-publisher", "acktor-acker", "acktor-publisher"],
  );
  assert.deepEqual(
    spans.map(({ attributes }) => attributes["acktor.outcome"]),
    ["inserted", "acked", "processed", "acknowledged"],
  );
  for (const span of spans) {
    assert.ok(span.endMs >= span.startMs && !span.failed, span.name);
    assert.equal(span.attributes["messaging.destination.name"], "data/1");
  }
  assert.ok(collector.bodies.every((body) => !body.includes("canary-content")));
});

test("a collector that is away costs no message", async (t) => {
  const { publisherUrl } = await startPair(t, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  const id = await send(publisherUrl, {});
  await until(
    async () => {
      const row = (await (await fetch(`${publisherUrl}/v1/messages/${id}`)).json()) as { state: string };
      return row.state === "acknowledged";
    },
    10_000,
    "the message to be acknowledged",
  );
});
