/**
 * Two publishers and an acker as processes on a real nats-server: each publisher shows and commands all, also after any of
 * them is killed.
 *
 * Runs alone: it measures how soon an event arrives.
 */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Receipts } from "@acktor/publisher/control/ask-receipts";
import { NatsBus } from "@acktor/shared/bus/nats-bus";
import type { MachinesView } from "@acktor/shared/inspect/wire";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { busKey, seal } from "@acktor/shared/seal/seal";
import { MOSQUITTO_5, TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { sealedBus } from "../support/control.ts";
import { openEvents } from "../support/events.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { anyTopic, type PublisherProcess, setStage } from "../support/pair.ts";
import { type Service, startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

const OPTIONS = { timeout: TEST_LIMIT_MS, ...(MOSQUITTO_5.missing === null ? {} : { skip: MOSQUITTO_5.missing }) };
const TOKEN = "a-token-of-the-test-42";
/** Without a body: an empty body counts as an empty object. */
const POST = { method: "POST", headers: { "content-type": "application/json" } } as const;
const AUTH = { authorization: `Bearer ${TOKEN}` };

async function setFleet(t: TestContext, nats: NatsServer, env: Record<string, string> = {}) {
  const stage = await setStage(t, { broker: MOSQUITTO_5, env: { NATS_URL: nats.url, ...env } });
  const [p1, p2, acker] = await Promise.all([
    stage.publisher({ ACKTOR_INSTANCE: "p.1" }),
    stage.publisher({ ACKTOR_INSTANCE: "p2" }),
    stage.acker({ ACKTOR_INSTANCE: "a1" }),
  ]);
  await until(
    async () => (await names(p1)).length === 3 && (await names(p2)).length === 3,
    10_000,
    "all three to be seen",
  );
  return { stage, p1, p2, acker };
}

async function machines(service: Service, query = ""): Promise<MachinesView> {
  return (await (await fetch(`${service.url}/v1/machines${query}`)).json()) as MachinesView;
}

async function names(service: Service): Promise<string[]> {
  return (await machines(service)).instances.map(({ service: of, instance }) => `${of} ${instance}`).sort();
}

/** A stranger on the bus. */
async function client(t: TestContext, url: string): Promise<NatsBus> {
  const service = { name: "test", version: "0.1.0", metadata: {} };
  const clocks = { clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM };
  const bus = new NatsBus({ url, name: "test", service, logger: keptLogger().logger, ...clocks });
  cleanUp(t, () => bus.stop());
  await until(() => bus.connected, 5_000);
  return bus;
}

const ALL_THREE = ["acker a1", "publisher p.1", "publisher p2"];

test(
  "one publisher's stream shows all three: moves within 300 ms, steps of messages, the killed one gone",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const { stage, p1, p2, acker } = await setFleet(t, nats);
    const viewer = await openEvents(t, p1.url);
    const first = await viewer.next("snapshot");
    assert.deepEqual(first.instances.map(({ service, instance }) => `${service} ${instance}`).sort(), ALL_THREE);
    assert.deepEqual(first.bus, { kind: "nats", connected: true, partial: false });
    assert.ok(
      ["link", "dispatcher", "receiver", "periodic"].every((id) => first.definitions.some((one) => one.id === id)),
    );
    assert.ok(first.instances.every(({ recent }) => (recent?.length ?? 0) > 0));

    for (const [service, instance] of [
      ["acker", "a1"],
      ["publisher", "p2"],
    ] as const) {
      const asked = Date.now();
      await fetch(`${p1.url}/v1/link/disconnect?service=${service}&instance=${instance}`, POST);
      const moved = await until(() => {
        return viewer
          .all("inspect")
          .find(
            (event) => event.kind === "transition" && event.instance === instance && event.event === "link.disconnect",
          );
      }, 2_000);
      // One clock: everything runs on this machine. No event arrives after now.
      assert.ok(Date.now() - moved.ts <= 300 && moved.ts >= asked, `${Date.now() - moved.ts} ms`);
      assert.ok(moved.kind === "transition" && moved.edges.includes("link.connection.CONNECTED#link.disconnect#0"));
      await fetch(`${p1.url}/v1/link/connect?service=${service}&instance=${instance}`, POST);
    }
    await acker.ready();
    const id = await p2.send({ topic: anyTopic(), content: "canary-content" });
    const stepsOf = () =>
      viewer
        .all("inspect")
        .flatMap((event) => (event.kind === "deliveries" ? event.steps.filter((one) => one.message_id === id) : []));
    // Each instance reports its steps ten times a second: the acker's report may follow the publisher's last one.
    const wanted = ["accepted", "published", "puback", "received", "processed", "acknowledged"];
    const seen = () => new Set<string>(stepsOf().map(({ step }) => step));
    await until(() => wanted.every((step) => seen().has(step)), 10_000, `${wanted.join()} to be seen`);
    assert.ok(!JSON.stringify(viewer.all("inspect")).includes("canary-content"));

    const killedAt = performance.now();
    await acker.kill();
    const gone = await until(() => viewer.all("gone").find(({ instance }) => instance === "a1"), 12_000);
    assert.equal(gone.why, "silent");
    assert.ok(performance.now() - killedAt < 10_000, `${performance.now() - killedAt} ms`);
    assert.deepEqual(await names(p2), ["publisher p.1", "publisher p2"]);
    await p2.stop();
    assert.equal(
      (await until(() => viewer.all("gone").find(({ instance }) => instance === "p2"), 5_000)).why,
      "stopped",
    );
    await stage.acker({ ACKTOR_INSTANCE: "a1" });
    await until(
      () => viewer.all("instance").some(({ instance, boot }) => instance === "a1" && boot !== gone.boot),
      5_000,
    );
  },
);

test(
  "NATS dies and comes back: services work on, say that the view is partial, and see each other again",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const { stage, p1, p2 } = await setFleet(t, nats);
    const viewer = await openEvents(t, p1.url);
    await viewer.next("snapshot");
    await nats.kill();
    await until(() => viewer.all("bus").at(-1)?.partial === true, 5_000);
    const alone = await machines(p1);
    assert.deepEqual(alone.bus, { kind: "nats", connected: false, partial: true });
    assert.deepEqual(
      alone.instances.map(({ instance }) => instance),
      ["p.1"],
    );
    const accepted = await Promise.all([p1, p2].map((one) => one.send({ topic: anyTopic(), content: "x" })));
    await stage.assertDelivered({ accepted });
    // A publisher sees its own transitions without a bus.
    const before = viewer.all("inspect").length;
    await fetch(`${p1.url}/v1/control/pause`, POST);
    await until(
      () =>
        viewer
          .all("inspect")
          .slice(before)
          .some((one) => one.kind === "transition" && one.event === "supervisor.pause"),
      2_000,
    );
    await fetch(`${p1.url}/v1/control/resume`, POST);
    const renewed = viewer.all("instance").length;
    await until(
      () =>
        viewer
          .all("instance")
          .slice(renewed)
          .some(({ boot }) => boot === alone.instances[0]?.boot),
      5_000,
    );
    const refused = await fetch(`${p1.url}/v1/control/pause?service=publisher&instance=p2`, POST);
    assert.equal(refused.status, 504);
    await nats.start();
    await until(async () => (await names(p1)).length === 3, 15_000, "all three to be seen again");
    await until(() => viewer.all("bus").at(-1)?.partial === false, 2_000);
    // No instance had exited: only the bus was unreachable.
    assert.deepEqual(viewer.all("gone"), []);
  },
);

test("a wake from the bus triggers a claim", OPTIONS, async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  // Without a wake the next claim would come after a minute.
  const stage = await setStage(t, { broker: MOSQUITTO_5, env: { NATS_URL: nats.url, ACKTOR_POLL: "60s" } });
  await stage.acker();
  const publisher = await stage.publisher();
  const bus = await client(t, nats.url);
  await stage.assertDelivered({ accepted: [await publisher.send({ topic: anyTopic(), content: "first" })] });
  const [row] = await stage.sql<{ id: string }>(
    `select publisher.enqueue(topic => '${anyTopic()}', content => 'by SQL') id`,
  );
  const id = String(row?.id);
  await until(
    async () => {
      bus.publish("acktor.v1.wake", "");
      return (await publisher.state(id)) === "acknowledged";
    },
    10_000,
    "the row to be acknowledged",
  );
  await stage.assertDelivered({ accepted: [id] });
});

// PLANE-1
test("a service started without NATS works; when NATS starts, the fleet finds the service", OPTIONS, async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  await nats.kill();
  const stage = await setStage(t, { broker: MOSQUITTO_5, env: { NATS_URL: nats.url } });
  const p1 = await stage.publisher({ ACKTOR_INSTANCE: "p1" });
  await stage.acker({ ACKTOR_INSTANCE: "a1" });
  await stage.assertDelivered({ accepted: [await p1.send({ topic: anyTopic(), content: "x" })] });
  assert.equal((await machines(p1)).bus.partial, true);
  await nats.start();
  await until(async () => (await names(p1)).length === 2, 15_000);
});

test(
  "commands by HTTP and by the bus, with and without the token: all of them are in the audit",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const stage = await setStage(t, { broker: MOSQUITTO_5, env: { NATS_URL: nats.url } });
    const publisher = (name: string): Promise<PublisherProcess> => stage.publisher({ ACKTOR_INSTANCE: name });
    const [p1, p2, acker] = await Promise.all([
      publisher("p.1"),
      publisher("p2"),
      stage.acker({ ACKTOR_INSTANCE: "a1" }),
    ]);
    await until(async () => (await names(p1)).length === 3, 10_000);
    const post = async (route: string) => {
      const response = await fetch(`${p1.url}${route}`, {
        ...POST,
        headers: { ...POST.headers, "x-acktor-user": "ana" },
      });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    };
    assert.deepEqual((await post("/v1/control/pause?service=acker&instance=a1")).json, { state: "PAUSED" });
    const again = await post("/v1/control/pause?service=acker&instance=a1");
    assert.equal(again.status, 409);
    assert.match(String((again.json["error"] as { message: string }).message), /the service is PAUSED/);
    assert.deepEqual((await post("/v1/control/resume?service=acker&instance=a1")).json, { state: "RUNNING" });
    const bus = await client(t, nats.url);
    const asked = await bus.request("acktor.v1.cmd.publisher.p%2E1.breaker.open", '{"v":1,"who":"nats"}', 5_000);
    assert.ok(asked.ok && (JSON.parse(asked.text) as { ok: boolean }).ok, JSON.stringify(asked));
    await bus.request("acktor.v1.cmd.publisher.p%2E1.breaker.close", '{"v":1,"who":"nats"}', 5_000);
    const dead = await bus.request(
      "acktor.v1.cmd.publisher.p2.replay",
      '{"v":1,"who":"nats","args":{"dry_run":true}}',
      5_000,
    );
    assert.ok(dead.ok);
    assert.deepEqual((JSON.parse(dead.text) as { result: unknown }).result, {
      dry_run: true,
      matched: 0,
      replayed: 0,
      refused: 0,
      refusals: [],
    });
    const id = await p1.send({ topic: anyTopic(), content: "x" });
    await until(async () => (await p1.state(id)) === "acknowledged", 10_000);
    assert.equal((await post(`/v1/messages/${id}/replay`)).status, 409);
    assert.deepEqual((await post("/v1/control/drain?service=publisher&instance=p2")).json, { state: "DRAINING" });
    assert.deepEqual(await p2.exited, { code: 0, signal: null });
    assert.deepEqual((await post("/v1/control/drain?service=acker&instance=a1")).json, { state: "DRAINING" });
    assert.deepEqual(await acker.exited, { code: 0, signal: null });
    await until(async () => (await names(p1)).length === 1, 5_000);
    const audit = (await (await fetch(`${p1.url}/v1/audit`)).json()) as { actions: Record<string, unknown>[] };
    const lines = audit.actions.toReversed().map(({ who, said, action, outcome, detail }) => {
      return [said === null ? who : `${who}:${said}`, action, outcome, (detail as { instance: string }).instance].join(
        " ",
      );
    });
    assert.deepEqual(lines, [
      "local:ana pause done a1",
      "local:ana pause refused a1",
      "local:ana resume done a1",
      "nats breaker.open done p.1",
      "nats breaker.close done p.1",
      "nats replay done p2",
      "local:ana replay refused p.1",
      "local:ana drain done p2",
      "local:ana drain done a1",
    ]);
  },
);

test(
  "with a token: 401 by both doors, audited; enqueue and wake over the bus; $SRV lists us; nonsense is counted",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const stage = await setStage(t, { broker: MOSQUITTO_5, env: { NATS_URL: nats.url, ACKTOR_ACK_TIMEOUT_MIN: "2s" } });
    await stage.acker({ ACKTOR_INSTANCE: "a1" });
    const open = await stage.publisher({ ACKTOR_INSTANCE: "open" });
    const bus = await client(t, nats.url);
    const enqueue = async (body: object) => {
      const reply = await bus.request("acktor.v1.enqueue", JSON.stringify(body), 5_000);
      assert.ok(reply.ok, JSON.stringify(reply));
      return JSON.parse(reply.text) as { message_id?: string; error?: { code: string } };
    };
    const topic = anyTopic();
    const first = await enqueue({ topic, content: "by the bus", idempotency_key: "k" });
    assert.deepEqual(
      (await enqueue({ topic, content: "by the bus", idempotency_key: "k" })).message_id,
      first.message_id,
    );
    assert.equal((await enqueue({ topic: "a/#", content: "x" })).error?.code, "invalid_topic");
    await stage.assertDelivered({ accepted: [String(first.message_id)] });
    const listed = await bus.requestMany("$SRV.PING", "", { forMs: 2_000, most: 3 });
    const services = listed.map((text) => (JSON.parse(text) as { name: string }).name).sort();
    assert.deepEqual(services, ["acktor-acker", "acktor-publisher", "test"]);
    for (const subject of [
      "inspect.watch",
      "announce.acker.x",
      "snapshot.publisher",
      "wake",
      "audit",
      "inspect.acker.x.link",
    ]) {
      bus.publish(`acktor.v1.${subject}`, "nonsense \u0000");
    }
    await until(async () => {
      const text = await (await fetch(`${open.url}/metrics`)).text();
      return Number(/acktor_bus_ignored_total (\d+)/.exec(text)?.[1]) >= 4;
    }, 5_000);
    await open.stop();

    const env = { DATABASE_URL: stage.databaseUrl, MQTT_URL: stage.broker.url, NATS_URL: nats.url };
    const closed = await startService(t, "publisher", { ...env, ACKTOR_INSTANCE: "closed", ACKTOR_API_TOKEN: TOKEN });
    await closed.ready();
    assert.equal((await fetch(`${closed.url}/v1/breaker/open`, POST)).status, 401);
    const subject = "acktor.v1.cmd.publisher.closed.pause";
    const asked = await until(async () => {
      const reply = await bus.request(subject, `{"v":1,"who":"ana","token":"${TOKEN}"}`, 2_000);
      return reply.ok ? (JSON.parse(reply.text) as { code: number }) : null;
    }, 5_000);
    assert.equal(asked.code, 401);
    assert.equal((await enqueue({ topic, content: "x" })).error?.code, "unauthorized");
    assert.equal((await enqueue({ topic, content: "x", token: TOKEN })).error?.code, "unauthorized");
    const fleet = sealedBus(bus, TOKEN);
    const signed = await fleet.request("acktor.v1.enqueue", JSON.stringify({ topic, content: "signed" }), 5_000);
    assert.ok(signed.ok && signed.text.includes("message_id"), JSON.stringify(signed));
    const audit = async () => {
      const response = await fetch(`${closed.url}/v1/audit?limit=10`, { headers: AUTH });
      return ((await response.json()) as { actions: Record<"who" | "action" | "outcome", string>[] }).actions;
    };
    // HTTP answers 401 first; the log line follows.
    const actions = await until(async () => ((await audit()).length === 2 ? audit() : null), 5_000);
    assert.deepEqual(actions.map(({ who, action, outcome }) => [who, action, outcome].join(" ")).sort(), [
      "127.0.0.1 breaker.open unauthorized",
      "stranger pause unauthorized",
    ]);
    assert.ok(!JSON.stringify(actions).includes("ana"));
    assert.ok(!JSON.stringify(actions).includes(TOKEN));
  },
);

test(
  "a message's receipts: when it came, how often, its outcome; two ackers of one inbox give one",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const { stage, p1, acker } = await setFleet(t, nats);
    await stage.acker({ ACKTOR_INSTANCE: "a2" });
    // Its birth comes after its subscription.
    const online = async (): Promise<number> => {
      const status = (await (await fetch(`${p1.url}/v1/status`)).json()) as { ackers: { online: boolean }[] };
      return status.ackers.filter((one) => one.online).length;
    };
    await until(async () => (await names(p1)).length === 4 && (await online()) === 2, 10_000, "both ackers");
    const id = await p1.send({ topic: anyTopic(), content: "21.5" });
    const receipts = async () => (await fetch(`${p1.url}/v1/messages/${id}/receipts`)).json() as Promise<Receipts>;
    // Each acker has its own subscription here, so both receive the message, one slightly later: one performs the effect.
    const isThere = async (): Promise<boolean> => {
      const [receipt] = (await receipts()).receipts;
      return receipt?.status === "processed" && receipt.deliveries === 2;
    };
    await until(isThere, 10_000, "the receipt of two deliveries");
    const { receipts: found, ackers } = await receipts();
    assert.equal(found.length, 1);
    assert.ok(Date.parse(found[0]?.processed_at ?? "") >= Date.parse(found[0]?.received_at ?? ""));
    assert.deepEqual(ackers, { known: 2, answered: 2 });

    const stranger = await client(t, nats.url);
    const texts = await stranger.requestMany("acktor.v1.receipts", '{"v":1,"message_id":"1\' or 1=1"}', {
      forMs: 300,
      most: 2,
    });
    assert.deepEqual(texts, [], "other messages get no answer");
    const ignored = await (await fetch(`${acker.url}/metrics`)).text();
    assert.match(ignored, /acktor_bus_ignored_total[^\n]* 1\n/);
  },
);

test(
  "with a secret: a command that was overheard is obeyed once, by no instance twice, and a captured enqueue is one message",
  OPTIONS,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const { stage, p1, p2 } = await setFleet(t, nats, { ACKTOR_NATS_SECRET: TOKEN });
    const bus = await client(t, nats.url);
    const heard = new Map<string, string>();
    bus.subscribe("acktor.v1.>", ({ subject, text }) => void heard.set(subject, text));
    assert.equal((await bus.request("acktor.v1.none", "", 1_000)).ok, false, "the subscription is there");
    const pause = await fetch(`${p1.url}/v1/control/pause?service=publisher&instance=all`, POST);
    assert.equal(((await pause.json()) as { replies: unknown[] }).replies.length, 2);
    await fetch(`${p1.url}/v1/control/resume?service=publisher&instance=all`, POST);
    const replay = async (subject: string): Promise<string[]> =>
      bus.requestMany(subject, heard.get(subject) ?? "", { forMs: 500, most: 2 });
    const again = await replay("acktor.v1.cmd.publisher.all.pause");
    assert.equal(again.length, 2);
    assert.ok(
      again.every((text) => text.includes('"code":401')),
      again.join(),
    );
    for (const one of [p1, p2]) {
      const { state } = (await (await fetch(`${one.url}/v1/status`)).json()) as { state: string };
      assert.equal(state, "RUNNING");
    }
    const topic = anyTopic();
    const signed = seal(
      busKey(TOKEN),
      "acktor.v1.enqueue",
      JSON.stringify({ topic, content: "x" }),
      Date.now(),
      "0123456789abcdef",
    );
    for (let i = 0; i < 10; i++) assert.equal((await bus.request("acktor.v1.enqueue", signed, 5_000)).ok, true);
    const rows = await stage.sql<{ id: string }>(
      "select message_id::text id from publisher.message_delivery where topic = $1",
      [topic],
    );
    assert.equal(rows.length, 1, "of ten times, by two publishers");
    await stage.assertDelivered({ accepted: rows.map(({ id }) => id) });
    await fetch(`${p1.url}/v1/control/pause?service=acker&instance=a1`, POST);
    await until(() => heard.has("acktor.v1.audit"), 5_000, "the acker's report");
    const lines = async (): Promise<number> =>
      (await stage.sql("select 1 from publisher.operator_action where detail->>'service' = 'acker'")).length;
    await until(async () => (await lines()) === 1, 5_000, "the report to be written");
    for (let i = 0; i < 10; i++) await bus.request("acktor.v1.audit", heard.get("acktor.v1.audit") ?? "", 5_000);
    assert.equal(await lines(), 1, "of eleven reports, by two publishers");
    assert.ok([...heard.values()].every((text) => !text.includes(TOKEN)));
  },
);
