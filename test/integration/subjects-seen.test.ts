/** What a fleet really says on the bus is what the AsyncAPI document declares: subjects, messages and answers. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { NatsBus } from "@acktor/shared/bus/nats-bus";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { busKey, open } from "@acktor/shared/seal/seal";
import { SUBJECTS } from "../../docs/generate/render-subjects.ts";
import { testAcker, testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { sealedBus } from "../support/control.ts";
import { openEvents } from "../support/events.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

type Name = keyof typeof SUBJECTS;

/** `{verb}` may be two words; every other parameter is one. */
function patternOf(address: string): RegExp {
  const words = address.replaceAll(".", "\\.").replace("{verb}", "[a-z]+(\\.[a-z]+)?");
  return new RegExp(`^${words.replace(/\{\w+\}/g, "[^.]+")}$`);
}

/** The kind of a subject; throws for an unknown one, or for a payload that is not declared for it. */
function declared(subject: string, text: string): Name {
  const found = Object.entries(SUBJECTS).filter(([, { address }]) => patternOf(address).test(subject));
  assert.equal(found.length, 1, subject);
  const [[name, { says }]] = found as [[Name, (typeof SUBJECTS)[Name]]];
  const read = says[1].safeParse(name === "busWake" ? text : JSON.parse(text));
  assert.ok(read.success, `${subject} ${text.slice(0, 500)} ${read.error?.message}`);
  return name;
}

test("every subject that is seen is declared, and carries what is declared for it", async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const bus = await client(t, nats.url);
  const said: [subject: string, text: string][] = [];
  bus.subscribe("acktor.v1.>", ({ subject, text }) => void said.push([subject, text]));
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, NATS_URL: nats.url };
  const publisher = await testPublisher(t, common);
  const acker = await testAcker(t, common);
  const heard = (name: Name): boolean => said.some(([subject]) => patternOf(SUBJECTS[name].address).test(subject));
  await openEvents(t, publisher.url);
  await until(() => heard("busWatch") && heard("busSnapshot"), 10_000, "a viewer's signals");

  const ask = async (name: Name, subject: string, body: object): Promise<void> => {
    const { answers } = SUBJECTS[name] as (typeof SUBJECTS)["busCommand"];
    const answer = await bus.request(subject, JSON.stringify(body), 5_000);
    assert.ok(answer.ok, `${subject}: ${JSON.stringify(answer)}`);
    const read = answers[1].safeParse(JSON.parse(answer.text));
    assert.ok(read.success, `${subject} answered ${answer.text.slice(0, 500)} ${read.error?.message}`);
  };
  await ask("busEnqueue", "acktor.v1.enqueue", { topic: "data/1", content: "x", idempotency_key: "k" });
  await ask("busEnqueue", "acktor.v1.enqueue", { topic: "#", content: "x" });
  await ask("busReceipts", "acktor.v1.receipts", { v: 1, message_id: "019ab1b5-7a3c-7d10-8c55-0242ac120002" });
  await ask("busSnapshot", "acktor.v1.snapshot.acker", { v: 1, viewer: "me", recentBytes: 50_000, definitions: true });
  await ask("busCommand", "acktor.v1.cmd.publisher.all.breaker.open", { v: 1, who: "me" });
  await ask("busCommand", "acktor.v1.cmd.publisher.publisher-1.breaker.close", { v: 1, who: "me" });
  await ask("busCommand", "acktor.v1.cmd.acker.acker-1.replay", { v: 1, who: "me" });
  bus.publish("acktor.v1.wake", "");
  await until(() => heard("busAudit") && heard("busInspect"), 10_000, "an acker's report, and events");
  const reported = said.find(([subject]) => subject === "acktor.v1.audit");
  await ask("busAudit", "acktor.v1.audit", JSON.parse(reported?.[1] ?? "{}") as object);
  await acker.running.stop();
  await until(() => said.some(([, text]) => text.includes('"stopping":true')), 5_000, "the goodbye");
  const seen = new Set(said.map(([subject, text]) => declared(subject, text)));
  assert.deepEqual([...seen].sort(), Object.keys(SUBJECTS).sort(), "declared, and never seen");
});

test("SEALED-1: with a secret everything that a fleet says is sealed, and is, opened, what is declared", async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const stranger = await client(t, nats.url);
  const said: [subject: string, text: string][] = [];
  stranger.subscribe("acktor.v1.>", ({ subject, text }) => void said.push([subject, text]));
  const token = "a-token-of-this-test";
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, NATS_URL: nats.url, ACKTOR_API_TOKEN: token };
  const publisher = await testPublisher(t, common);
  const acker = await testAcker(t, common, { wait: false });
  await openEvents(t, publisher.url, { authorization: `Bearer ${token}` });
  const heard = (name: Name): boolean => said.some(([subject]) => patternOf(SUBJECTS[name].address).test(subject));
  const pause = "/v1/control/pause?service=acker&instance=acker-1";
  await until(async () => (await publisher.ask("POST", pause, {})).status === 200, 10_000, "the acker to be paused");
  const fleet = sealedBus(stranger, token);
  const id = await fleet.request("acktor.v1.enqueue", '{"topic":"data/1","content":"x"}', 5_000);
  assert.ok(id.ok, JSON.stringify(id));
  await publisher.ask("GET", `/v1/messages/${(JSON.parse(id.text) as { message_id: string }).message_id}/receipts`);
  const names = (Object.keys(SUBJECTS) as Name[]).filter((name) => name !== "busWake");
  await until(() => names.every(heard), 10_000, "all subjects");
  await acker.running.stop();
  for (const [subject, text] of said) {
    const opened = open(busKey(token), subject, text, Date.now());
    assert.ok(opened.ok, `${subject} ${text.slice(0, 300)}`);
    declared(subject, opened.body);
    assert.ok(!text.includes(token), subject);
  }
});

async function client(t: TestContext, url: string): Promise<NatsBus> {
  const clocks = { clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM };
  const service = { name: "test", version: "0.1.0", metadata: {} };
  const bus = new NatsBus({ url, name: "test", service, logger: keptLogger().logger, ...clocks });
  cleanUp(t, () => bus.stop());
  await until(() => bus.connected, 5_000, "the spy to be connected");
  return bus;
}
