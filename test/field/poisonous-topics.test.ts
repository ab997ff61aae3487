/**
 * Topics at which a broker hangs up: everything else is delivered first, and the broker sees few connections.
 *
 * Quick: the dispatcher's parts against a scripted broker in simulated time. The real one, with both services and 60 s of
 * counting connections: ACKTOR_TRIALS=poisonous-topics.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import { MOSQUITTO_5, TEST_LIMIT_MS } from "../support/brokers.ts";
import { dispatcherRig, PUBACK, type Rig } from "../support/dispatcher-rig.ts";
import { startHangUpProxy } from "../support/hang-up-proxy.ts";
import { leased } from "../support/leased.ts";
import { setStage } from "../support/pair.ts";
import { until } from "../support/until.ts";

const GOOD = 800;
const POISONOUS = 20;

interface Shape {
  readonly name: string;
  /** One conviction tells of the others. */
  readonly areAlike: boolean;
  good(n: number): string;
  bad(n: number): string;
}

const SHAPES: readonly Shape[] = [
  { name: "under one parent", areAlike: true, good: (n) => `good/${n}`, bad: (n) => `bad/${n}` },
  { name: "more than seven slashes", areAlike: true, good: (n) => `good/${n}`, bad: (n) => `deep/${n}/c/d/e/f/g/h/i` },
  { name: "next to ten good topics", areAlike: false, good: (n) => `all/good${n % 10}`, bad: (n) => `all/bad${n}` },
];

for (const shape of SHAPES) {
  test(`${shape.name}: ${GOOD} good ones within 10 s, at most 8 connections a minute`, () => {
    const rig = dispatcherRig();
    const { ends, goodAt, failed } = play(rig, shape);
    assert.ok(goodAt <= 10_000, `${goodAt} ms`);
    for (const at of ends) assert.ok(ends.filter((end) => end >= at && end < at + 60_000).length <= 8, `${ends}`);
    if (shape.areAlike) assert.equal(failed, POISONOUS);
    assert.ok(failed >= POISONOUS / 2, `${failed} are found within eleven minutes`);
    assert.equal(rig.dispatcher.hangUps()?.topics.length, 5);
  });
}

interface Played {
  /** Ends of connections, when the last good one was answered, and how many were marked failed. */
  readonly ends: readonly number[];
  readonly goodAt: number;
  readonly failed: number;
}

const STEP_MS = 50;
/** Eleven minutes. */
const STEPS = 13_200;
const CONTROL = "control/1";

/**
 * A broker that answers in order, and hangs up at a bad topic; the outbox gives back what was released or lost. A good message
 * each second tells a hang-up from a network that drops every connection.
 */
function play(rig: Rig, shape: Shape): Played {
  const isBad = new Set(Array.from({ length: POISONOUS }, (_, n) => shape.bad(n)));
  const due = new Map<ReturnType<typeof leased>, number>();
  for (let n = 0; n < GOOD; n++) {
    due.set(leased({ topic: shape.good(n) }), 0);
    if (n % (GOOD / POISONOUS) === 20) due.set(leased({ topic: shape.bad(Math.floor(n / (GOOD / POISONOUS))) }), 0);
  }
  const byId = new Map([...due.keys()].map((message) => [message.messageId, message]));
  const startedAt = rig.now();
  const ends: number[] = [];
  let [answered, goodAt, handled, released] = [0, Number.POSITIVE_INFINITY, 0, 0];
  for (let step = 0; step < STEPS && (answered < GOOD || rig.told.failed.length < POISONOUS); step++) {
    const now = rig.now() - startedAt;
    if (step % 20 === 0) {
      const control = leased({ topic: CONTROL });
      byId.set(control.messageId, control);
      due.set(control, now);
    }
    const ready = [...due].filter(([, at]) => at <= now).map(([message]) => message);
    for (const message of ready) due.delete(message);
    if (ready.length > 0) rig.offer(...ready);
    for (; released < rig.told.released.length; released++) {
      const { messages, dueInMs } = rig.told.released[released] ?? { messages: [], dueInMs: 0 };
      for (const { messageId } of messages) due.set(again(byId, messageId, 0), now + dueInMs);
    }
    const flying = rig.link.published.slice(handled);
    handled = rig.link.published.length;
    const poison = flying.findIndex(({ message }) => isBad.has(message.topic));
    const cause: FailureInput = { kind: "closed", beforeConnack: false };
    if (poison >= 0) ends.push(now);
    if (poison >= 0) rig.dispatcher.setOpen(false);
    for (const [n, { message, settle }] of flying.entries()) {
      const id = (JSON.parse(String(message.payload)) as { message_id: string }).message_id;
      if (poison >= 0 && n >= poison) {
        settle({ kind: "lost", why: "disconnected", cause });
        due.set(again(byId, id, 1), now + 2_500);
        continue;
      }
      settle(PUBACK);
      rig.ack(id);
      if (isBad.has(message.topic) || message.topic === CONTROL) continue;
      answered++;
      if (answered === GOOD) goodAt = now;
    }
    for (const { message } of rig.told.failed)
      for (const one of due.keys()) if (one.messageId === message.messageId) due.delete(one);
    rig.pass(STEP_MS);
    rig.dispatcher.setOpen(true);
  }
  return { ends, goodAt, failed: new Set(rig.told.failed.map(({ message }) => message.messageId)).size };
}

function again(byId: Map<string, ReturnType<typeof leased>>, id: string, attempts: number): ReturnType<typeof leased> {
  const before = byId.get(id);
  assert.ok(before !== undefined);
  const message = {
    ...before,
    attempts: before.attempts + attempts,
    leaseToken: String(Number(before.leaseToken) + 1),
  };
  byId.set(id, message);
  return message;
}

const wanted = (process.env["ACKTOR_TRIALS"] ?? "").split(",");
if (wanted.includes("poisonous-topics")) {
  for (const shape of SHAPES) {
    test(`both services, ${shape.name}`, { timeout: TEST_LIMIT_MS }, async (t) => {
      const stage = await setStage(t, { broker: MOSQUITTO_5 });
      const proxy = await startHangUpProxy(t, stage.broker.port, (topic) => /(^|\/)bad|(\/[^/]*){8}/.test(topic));
      const publisher = await stage.publisher({ MQTT_URL: proxy.url });
      await stage.acker({ ACKTOR_TOPICS: "#" });
      const good: string[] = [];
      const startedAt = performance.now();
      for (let n = 0; n < GOOD; n += 40) {
        const batch = Array.from({ length: 40 }, (_, i) =>
          publisher.send({ topic: shape.good(n + i), content: "good" }),
        );
        await publisher.send({ topic: shape.bad(n / 40), content: "bad" });
        good.push(...(await Promise.all(batch)));
      }
      const sentAt = performance.now();
      const waiting =
        "select count(*)::int4 n from publisher.message_delivery where due_at is not null and topic !~ '(^|/)bad|(/[^/]*){8}'";
      await until(async () => (await stage.sql<{ n: number }>(waiting))[0]?.n === 0, 60_000, "the good ones");
      const doneAt = performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 60_000 - (performance.now() - startedAt))));
      t.diagnostic(
        JSON.stringify({ connects: proxy.connects(), sentMs: sentAt - startedAt, goodAfterMs: doneAt - sentAt }),
      );
    });
  }
}
