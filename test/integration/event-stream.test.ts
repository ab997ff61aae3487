/** Server-sent events over real sockets: a snapshot first, then every event, and no viewer delays the service. */
import assert from "node:assert/strict";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { addMachineRoutes } from "@acktor/publisher/http/machine-routes";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { addressOf, createHttp } from "@acktor/shared/runtime/http-server";
import { Registry } from "prom-client";
import { cleanUp } from "../support/cleanup.ts";
import { testInstance } from "../support/control.ts";
import { openEvents } from "../support/events.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { until } from "../support/until.ts";

async function served(t: TestContext, token: string | null = null) {
  const bus = new LocalBus();
  const one = testInstance(bus, "one");
  const two = testInstance(bus, "two", { service: "acker" });
  cleanUp(t, () => one.stop());
  cleanUp(t, () => two.stop());
  const app = createHttp({
    service: "publisher",
    version: "1",
    token,
    logger: keptLogger().logger,
    registry: new Registry(),
    health: { readiness: () => ({ ready: true, status: "ok", checks: {} }) },
  });
  const stream = addMachineRoutes(app, { fleet: one.fleet, machines: { actors: () => [] } });
  await app.listen({ host: "127.0.0.1", port: 0 });
  cleanUp(t, () => app.close());
  await until(() => one.fleet.count("acker") === 1, 2_000);
  return { app, url: addressOf(app), stream, one, two };
}

test("first the picture, then what happens", async (t) => {
  const { url, one, two, stream } = await served(t);
  one.actor.send({ type: "go" });
  const viewer = await openEvents(t, url);
  const first = await viewer.next("snapshot");
  assert.deepEqual(
    first.instances.map(({ instance }) => instance),
    ["one", "two"],
  );
  assert.ok((first.instances[0]?.recent?.length ?? 0) >= 2);
  await until(() => two.station.watched, 2_000);
  one.actor.send({ type: "go" });
  two.actor.send({ type: "go" });
  await until(() => viewer.all("inspect").length >= 2, 2_000);
  const seen = viewer.all("inspect").map((event) => `${event.instance} ${event.kind}`);
  assert.deepEqual(seen.sort(), ["one transition", "two transition"]);
  assert.equal(viewer.headers.get("content-type"), "text/event-stream; charset=utf-8");
  viewer.close();
  await until(() => stream.size === 0 && !one.station.watched && !two.station.watched, 5_000);
});

// STREAM_VIEWERS-2
test("a viewer that does not read is dropped and counted; the others receive everything without delay", async (t) => {
  const { url, one, stream } = await served(t);
  const reader = await openEvents(t, url);
  await reader.next("snapshot");
  const { hostname, port } = new URL(url);
  const stuck = net.connect({ host: hostname, port: Number(port) });
  cleanUp(t, () => stuck.destroy());
  stuck.on("error", () => undefined);
  stuck.pause();
  stuck.write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => stream.size === 2, 2_000);
  let sent = 0;
  await until(
    () => {
      // Some kilobytes per turn: unread data fills the kernel's buffers first.
      for (let i = 0; i < 200; i++) one.actor.send({ type: "go" });
      sent += 200;
      return stream.dropped === 1;
    },
    60_000,
    "the stuck viewer to be dropped",
  );
  assert.equal(stream.size, 1);
  await until(() => reader.all("inspect").length >= sent, 10_000, "the other one to get everything");
});

// STREAM_VIEWERS-1
test("sixty-four viewers, and no more", async (t) => {
  const { url, stream } = await served(t);
  const viewers = await Promise.all(Array.from({ length: 64 }, () => openEvents(t, url)));
  await until(() => stream.size === 64, 5_000);
  const refused = await fetch(`${url}/v1/events`);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "10"]);
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "too_many_viewers");
  viewers[0]?.close();
  await until(() => stream.size === 63, 5_000);
  assert.equal((await openEvents(t, url)).headers.get("content-type"), "text/event-stream; charset=utf-8");
});

// STREAM_VIEWERS-3
test("a stop ends every stream at once, also of who does not read", async (t) => {
  const { app, url } = await served(t);
  const viewer = await openEvents(t, url);
  await viewer.next("snapshot");
  const { hostname, port } = new URL(url);
  const stuck = net.connect({ host: hostname, port: Number(port) });
  stuck.on("error", () => undefined);
  cleanUp(t, () => stuck.destroy());
  stuck.pause();
  stuck.write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const startedAt = performance.now();
  await app.close();
  await viewer.ended;
  assert.ok(performance.now() - startedAt < 4_000, `${performance.now() - startedAt} ms`);
});

test("a token is wanted here too, and HEAD is no viewer", async (t) => {
  const { url, stream } = await served(t, "right-token-16-letters");
  assert.equal((await fetch(`${url}/v1/events`)).status, 401);
  assert.equal((await fetch(`${url}/v1/machines`)).status, 401);
  const headers = { authorization: "Bearer right-token-16-letters" };
  assert.equal((await fetch(`${url}/v1/events`, { method: "HEAD", headers })).status, 405);
  const viewer = await openEvents(t, url, headers);
  await viewer.next("snapshot");
  assert.equal(stream.size, 1);
});

test("machines: without and with their newest events; other questions are 400", async (t) => {
  const { url } = await served(t);
  const ask = async (query: string) => {
    const response = await fetch(`${url}/v1/machines${query}`);
    const json = (await response.json()) as { instances?: { recent?: unknown[] }[]; error?: { field: string } };
    return { status: response.status, ...json };
  };
  assert.deepEqual(
    (await ask("")).instances?.map(({ recent }) => recent),
    [undefined, undefined],
  );
  assert.ok((await ask("?recent=true")).instances?.every(({ recent }) => (recent?.length ?? 0) > 0));
  assert.deepEqual([(await ask("?recent=yes")).status, (await ask("?all=1")).error?.field], [400, "all"]);
});
