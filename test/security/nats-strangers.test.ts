/**
 * Strangers on NATS: any text, on every subject, with and without a secret. No service exits, honest messages are
 * delivered, and the fleet is shown and commanded as before.
 *
 * Runs alone: it compares how long deliveries take with and without a flood.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { MachinesView } from "@acktor/shared/inspect/wire";
import { connect, type NatsConnection } from "nats";
import { testAcker, testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { openEvents } from "../support/events.ts";
import { foreignSnapshot, hostileMessages } from "../support/hostile-bus.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { linkState, QUICK } from "../support/pair.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Service, startService } from "../support/processes.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const SECRET = "a-secret-of-this-test";
const CASES = [
  {
    name: "with a secret",
    env: { ACKTOR_NATS_SECRET: SECRET },
  },
  {
    name: "without a secret, on loopback",
    env: {},
  },
] as const;

async function stranger(t: TestContext, url: string): Promise<NatsConnection> {
  const connection = await connect({ servers: url.replace("nats://", ""), reconnect: false });
  cleanUp(t, () => connection.close());
  return connection;
}

async function pair(t: TestContext, env: Readonly<Record<string, string>>) {
  const nats = await startNatsServer(t);
  if (nats === null) return null;
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, NATS_URL: nats.url, ...env };
  const publisher = await testPublisher(t, { ...common, ACKTOR_INSTANCE: "p1" });
  const acker = await testAcker(t, { ...common, ACKTOR_INSTANCE: "acker-1" });
  const machines = async (): Promise<MachinesView> => {
    const answer = await publisher.ask("GET", "/v1/machines?recent=true");
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    return answer.json as unknown as MachinesView;
  };
  const shown = async (): Promise<string[]> => (await machines()).instances.map(({ instance }) => instance);
  await until(async () => (await shown()).includes("acker-1"), 10_000, "the acker to be seen");
  return { nats, publisher, acker, machines, shown, strange: await stranger(t, nats.url) };
}

for (const { name, env } of CASES) {
  test(`WIRE-1: hostile values on every subject, ${name}: nothing fails, nothing false is believed`, async (t) => {
    const set = await pair(t, env);
    if (set === null) return;
    const { publisher, acker, strange, machines, shown } = set;
    const viewer = await openEvents(t, publisher.url);
    const next = hostileMessages(20_261_130);
    for (let i = 0; i < 6_000; i++) {
      const { subject, bytes } = next();
      strange.publish(subject, bytes, i % 3 === 0 ? { reply: "stranger.inbox" } : {});
      if (i % 300 === 0) await strange.flush();
    }
    await strange.flush();
    await until(async () => (await shown()).includes("acker-1"), 10_000, "the acker to be shown");
    const { instances, definitions } = await machines();
    assert.ok(instances.every(({ instance }) => /^[\w.-]{1,63}$/.test(instance)));
    assert.ok(definitions.every(({ states }) => states.every(({ id }) => id.length > 0)));
    const before = viewer.all("inspect").length;
    const paused = await publisher.ask("POST", "/v1/control/pause?service=acker&instance=acker-1", {});
    assert.deepEqual(paused.json, { state: "PAUSED" });
    await publisher.ask("POST", "/v1/control/resume?service=acker&instance=acker-1", {});
    await until(
      () =>
        viewer
          .all("inspect")
          .slice(before)
          .some(({ instance, kind }) => instance === "acker-1" && kind === "transition"),
      5_000,
      "an honest event of the acker",
    );
    const id = await publisher.send({ topic: "data/1", content: "x" });
    await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    const log = [...publisher.log, ...acker.log.map((line) => JSON.stringify(line))].join("\n");
    assert.doesNotMatch(log, /RangeError|TypeError|call stack|a listener failed|unhandled/i);
  });
}

test("one deeply nested report, snapshot, event, command and message stop no publisher (the queue group uses each)", async (t) => {
  const set = await pair(t, {});
  if (set === null) return;
  const { publisher, strange, shown } = set;
  const deep = `${'{"a":'.repeat(60_000)}1${"}".repeat(60_000)}`;
  const at = (body: object): string => JSON.stringify(body).replace('"@"', deep);
  const record = { who: "x", from: "y", service: "acker", instance: "i", action: "a", outcome: "done", messages: 0 };
  const bombs: [string, string][] = [
    ["audit", at({ record: { ...record, detail: { x: "@" } } })],
    ["announce.acker.bomb", at(foreignSnapshot("bomb", { summary: { x: "@" } }))],
    ["announce.acker.bomb", at(foreignSnapshot("bomb", { actors: "@" }))],
    ["inspect.acker.bomb.link", at({ ...foreignSnapshot("bomb"), kind: "context", context: "@" })],
    ["cmd.publisher.p1.replay", at({ v: 1, who: "x", args: { x: "@" } })],
    ["enqueue", at({ topic: "data/1", content: "@" })],
    ["snapshot.publisher", at({ v: 1, viewer: "@" })],
    ["receipts", at({ v: 1, message_id: "@" })],
  ];
  for (const [subject, text] of bombs) strange.publish(`acktor.v1.${subject}`, text);
  await strange.flush();
  assert.deepEqual(await shown(), ["p1", "acker-1"]);
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
});

test("WIRE-4: an instance with hostile contexts, events and charts is shown without them", async (t) => {
  const set = await pair(t, {});
  if (set === null) return;
  const { publisher, strange, machines } = set;
  const viewer = await openEvents(t, publisher.url);
  const state = { id: "m", key: "m", parent: null, type: "compound", initial: null, entry: [], exit: [], invoke: [] };
  const chart = (id: string, states: unknown, edges: unknown = []): object => ({ id, states, edges });
  const definitions = [
    chart("good", [state, { ...state, id: "m.a", key: "a", parent: "m" }]),
    chart("own-parent", [state, { ...state, id: "m.a", parent: "m.a" }]),
    chart("cycle", [
      { ...state, id: "a", parent: "b" },
      { ...state, id: "b", parent: "a" },
    ]),
    chart("two-roots", [state, { ...state, id: "n" }]),
    chart("no-target", [state], [{ id: "e", source: "m", target: "nowhere", kind: "event", label: "" }]),
    chart("no-states", null),
    chart("odd", [{ ...state, id: 1 }]),
    null,
    "x",
  ];
  const snapshot = foreignSnapshot("hostile", {
    definitions,
    recent: [{ kind: "transition" }, null, { ...foreignSnapshot("other"), kind: "context" }],
    summary: { password: "canary", ["__proto__"]: { polluted: 1 }, wide: Array(5_000).fill("x".repeat(50)) },
  });
  strange.subscribe("acktor.v1.snapshot.acker", {
    callback: (_, message) => void message.respond(JSON.stringify(snapshot)),
  });
  const { definitions: _, recent: __, ...announced } = snapshot;
  strange.publish("acktor.v1.announce.acker.hostile", JSON.stringify({ ...announced, summary: {} }));
  await until(() => viewer.all("instance").some(({ instance }) => instance === "hostile"), 5_000, "it to be shown");
  const seen = await machines();
  const shown = seen.instances.find(({ instance }) => instance === "hostile");
  assert.ok(shown !== undefined && seen.instances.some(({ instance }) => instance === "acker-1"));
  assert.deepEqual(shown.recent, []);
  assert.ok(JSON.stringify(shown).length < 10_000 && !JSON.stringify(shown).includes("canary"));
  const foreign = seen.definitions
    .map(({ id }) => id)
    .filter((id) => definitions.some((one) => (one as { id?: string } | null)?.id === id));
  assert.deepEqual(foreign, ["good"]);
});

/** Each round sends all different messages twice; a message that blocks a service does so in every round. */
const ROUNDS = 5;
const MESSAGES_A_ROUND = 10_000;
const MESSAGES = ROUNDS * MESSAGES_A_ROUND;
const DIFFERENT = 5_000;
/** The target rate: 65 MB a second, and half of one of our two cores in the server and here. */
const POST = { method: "POST", headers: { "content-type": "application/json" } };
/** As in docker-compose.yml: garbage of a busier minute does not count as growth. */
const HEAP = { NODE_OPTIONS: "--max-old-space-size=256" };
const PER_SECOND = 5_000;
/** As many messages that no service receives, before each round: the machine's own cost at that moment. */
const UNHEARD = 5_000;
const MOST_DELIVERY_MS = 300;
/** CPU time does not depend on the machine's other load. The services need 30 to 60 µs. */
const MOST_CPU_US = 300;
const MOST_GROWTH_BYTES = 64 * 1024 * 1024;

for (const { name, env } of CASES) {
  // NATS-7
  test(`50,000 hostile messages on the bus: no exit, honest deliveries continue, memory stays flat, ${name}`, async (t) => {
    const [nats, database, broker] = await Promise.all([
      startNatsServer(t),
      testDatabase(t),
      startMosquitto(t, { lines: ["allow_anonymous true"] }),
    ]);
    if (nats === null || broker === null) return;
    const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, NATS_URL: nats.url, ...QUICK, ...HEAP, ...env };
    const publisher = await startService(t, "publisher", { ...common, ACKTOR_INSTANCE: "p1" });
    const acker = await startService(t, "acker", { ...common, ACKTOR_INSTANCE: "acker-1", ACKTOR_TOPICS: "data/#" });
    await Promise.all([publisher.ready(), acker.ready()]);
    await until(async () => (await linkState(publisher)) === "CONNECTED", 10_000, "the publisher to be CONNECTED");
    const viewer = await openEvents(t, publisher.url);
    for (let i = 0; i < 20; i++) await delivery(publisher);
    let before = { publisher: residentBytes(publisher), acker: residentBytes(acker) };
    const most = { publisher: 0, acker: 0 };
    const strange = await stranger(t, nats.url);
    /** @returns the slowest honest delivery during the flood */
    const slowestDuring = async (flooding: Promise<void>): Promise<number> => {
      const times: number[] = [];
      let over = false;
      void flooding.finally(() => {
        over = true;
      });
      while (!over) {
        times.push(await delivery(publisher));
        most.publisher = Math.max(most.publisher, residentBytes(publisher) - before.publisher);
        most.acker = Math.max(most.acker, residentBytes(acker) - before.acker);
        const machines = await fetch(`${publisher.url}/v1/machines`);
        assert.equal(machines.status, 200);
        await machines.arrayBuffer();
      }
      await flooding;
      return Math.round(Math.max(...times));
    };
    const unheard: number[] = [];
    const heard: number[] = [];
    const worked = { publisher: 0, acker: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      unheard.push(await slowestDuring(flood(strange, UNHEARD, "nothing.")));
      if (round === 1) {
        // The first round fills the heaps as far as their garbage collectors allow; later growth is a leak.
        before = { publisher: residentBytes(publisher), acker: residentBytes(acker) };
        Object.assign(most, { publisher: 0, acker: 0 });
      }
      const from = { publisher: cpuSeconds(publisher), acker: cpuSeconds(acker) };
      heard.push(await slowestDuring(flood(strange, MESSAGES_A_ROUND)));
      worked.publisher += cpuSeconds(publisher) - from.publisher;
      worked.acker += cpuSeconds(acker) - from.acker;
    }
    const mib = (bytes: number): number => Math.round(bytes / 1_048_576);
    t.diagnostic(`slowest honest delivery of each round: ${heard} ms; while no service hears the flood: ${unheard} ms`);
    const cpu = (seconds: number): number => Math.round((seconds / MESSAGES) * 1e6);
    t.diagnostic(`CPU per hostile message: publisher ${cpu(worked.publisher)} µs, acker ${cpu(worked.acker)} µs`);
    t.diagnostic(`memory: publisher +${mib(most.publisher)} MiB, acker +${mib(most.acker)} MiB`);
    const told = viewer.all("inspect").length;
    assert.equal((await fetch(`${publisher.url}/v1/control/pause`, POST)).status, 200);
    await until(() => viewer.all("inspect").length > told, 5_000, "the stream to tell");
    assert.equal((await fetch(`${publisher.url}/v1/control/resume`, POST)).status, 200);
    await delivery(publisher);
    // A busy moment of the machine delays a round or two; a message that blocks a service delays every round.
    assert.ok(
      Math.min(...heard) <= Math.max(MOST_DELIVERY_MS, 2 * Math.min(...unheard)),
      `deliveries took ${heard} ms`,
    );
    const dearest = cpu(Math.max(worked.publisher, worked.acker));
    assert.ok(dearest <= MOST_CPU_US, `a hostile message costs ${dearest} µs of CPU`);
    assert.ok(Math.max(most.publisher, most.acker) <= MOST_GROWTH_BYTES, JSON.stringify(most));
    for (const { output } of [publisher, acker])
      assert.doesNotMatch(output(), /RangeError|TypeError|a listener failed/);
  });
}

/** Made in advance: making the messages costs more than receiving them. */
async function flood(strange: NatsConnection, messages: number, before = ""): Promise<void> {
  const next = hostileMessages(42);
  const different = Array.from({ length: DIFFERENT }, next);
  const startedAt = performance.now();
  for (let sent = 0; sent < messages; ) {
    const due = Math.min(messages, ((performance.now() - startedAt) / 1_000) * PER_SECOND);
    for (; sent < due; sent++) {
      const { subject, bytes } = different[sent % DIFFERENT] ?? next();
      strange.publish(`${before}${subject}`, bytes, sent % 3 === 0 ? { reply: "stranger.inbox" } : {});
    }
    await strange.flush();
  }
}

/** Milliseconds from a message's row to its acknowledgment, by the database's clock: this process is busy itself. */
async function delivery(publisher: Service): Promise<number> {
  const response = await fetch(`${publisher.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic: "data/1", content: "honest" }),
  });
  const { message_id: id } = (await response.json()) as { message_id: string };
  const row = await until(
    async () => {
      const found = (await (await fetch(`${publisher.url}/v1/messages/${id}`)).json()) as Record<string, string>;
      return found["state"] === "acknowledged" ? found : null;
    },
    30_000,
    "the honest message to be acknowledged",
  );
  return Date.parse(row["acknowledged_at"] ?? "") - Date.parse(row["created_at"] ?? "");
}

/** From /proc. Without /proc: 0, so that memory counts as flat. */
function residentBytes({ pid }: Service): number {
  if (process.platform !== "linux") return 0;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** From /proc, where a second has 100 ticks. */
function cpuSeconds({ pid }: Service): number {
  if (process.platform !== "linux") return 0;
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const fields = after.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
