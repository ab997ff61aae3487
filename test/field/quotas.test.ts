/**
 * Brokers that answer so many PUBLISHes a second and leave the rest unanswered, or refuse it by 0x97: the link finds the
 * rate, uses it, and sends little twice.
 *
 * Quick: one quota of 500/s for a few seconds. ACKTOR_TRIALS=quotas runs 20/s, 100/s, bursts, 0x97 and a quota that is lifted.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Packet } from "mqtt-packet";
import { type FakeConnection, startFakeBroker } from "../support/fake-broker.ts";
import { testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

interface Quota {
  readonly name: string;
  readonly perSecond: number;
  /** Taken immediately, before the rate holds. Default: what is taken in a second. */
  readonly burst?: number;
  readonly how?: "silent" | "0x97";
  readonly messages: number;
  /** Most PUBLISHes a message. */
  readonly most: number;
}

const WINDOW = 512;
const TRIALS: readonly Quota[] = [
  { name: "100/s", perSecond: 100, messages: 3_000, most: 1.2 },
  { name: "100/s, no burst", perSecond: 100, burst: 5, messages: 3_000, most: 1.2 },
  { name: "100/s, burst of 500", perSecond: 100, burst: 500, messages: 3_000, most: 1.5 },
  { name: "20/s", perSecond: 20, messages: 600, most: 1.2 },
  { name: "500/s", perSecond: 500, messages: 10_000, most: 1.2 },
  { name: "100/s by 0x97", perSecond: 100, how: "0x97", messages: 2_000, most: 1.2 },
];

function bucket({
  perSecond,
  burst = perSecond,
  how = "silent",
}: Quota): (packet: Packet, from: FakeConnection) => boolean {
  let tokens = burst;
  let filledAt = performance.now();
  return (packet, from) => {
    if (packet.cmd !== "publish" || packet.qos === 0) return false;
    const now = performance.now();
    tokens = Math.min(burst, tokens + ((now - filledAt) * perSecond) / 1_000);
    filledAt = now;
    if (tokens >= 1) {
      tokens--;
      return false;
    }
    if (how === "0x97") from.send({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0x97 });
    return true;
  };
}

interface Used {
  readonly seconds: number;
  readonly publishes: number;
  readonly quotas: readonly number[];
  readonly connects: number;
  readonly openings: number;
}

/** Publishes as the dispatcher does: a window, and what was lost comes again some time later. */
async function use(t: TestContext, quota: Quota): Promise<Used> {
  const broker = await startFakeBroker(t, bucket(quota));
  const { link, reaches } = testLink(t, { url: broker.url });
  await link.connect();
  await reaches("CONNECTED");
  const quotas: number[] = [];
  link.on("link.quota", ({ perSecond }) => quotas.push(perSecond));
  const startedAt = performance.now();
  let [queued, flying, acked, publishes] = [quota.messages, 0, 0, 0];
  const pump = (): void => {
    while (queued > 0 && flying < WINDOW && link.capacity() > 0) {
      queued--;
      flying++;
      publishes++;
      link.publish({ topic: "a", payload: "x", qos: 1, retain: false }, (outcome) => {
        flying--;
        if (outcome.kind === "acked") acked++;
        else setTimeout(() => void queued++, 500 + Math.random() * 1_000);
      });
    }
  };
  link.on("link.writable", pump);
  const ticking = setInterval(pump, 50);
  await until(() => acked === quota.messages, 120_000, "every message");
  clearInterval(ticking);
  const { connectionAttempts: connects, breakerOpenings: openings } = link.info().stats;
  return { seconds: (performance.now() - startedAt) / 1_000, publishes, quotas, connects, openings };
}

function judge(t: TestContext, quota: Quota, used: Used): void {
  const { perSecond, burst = perSecond, messages } = quota;
  const share = (messages - burst) / perSecond / used.seconds;
  t.diagnostic(JSON.stringify({ ...used, share, perMessage: used.publishes / messages }));
  assert.ok(used.publishes <= messages * quota.most, `${used.publishes} PUBLISHes`);
  assert.deepEqual([used.connects, used.openings], [1, 0]);
  assert.ok(used.quotas.length <= 1);
}

test("a quota of 500/s is found, and little is sent twice", async (t) => {
  const quota: Quota = { name: "500/s", perSecond: 500, burst: 50, messages: 2_000, most: 1.3 };
  judge(t, quota, await use(t, quota));
});

const wanted = (process.env["ACKTOR_TRIALS"] ?? "").split(",");
if (wanted.includes("quotas")) {
  for (const quota of TRIALS) {
    test(quota.name, { timeout: 200_000 }, async (t) => {
      const used = await use(t, quota);
      judge(t, quota, used);
      const share = (quota.messages - (quota.burst ?? quota.perSecond)) / quota.perSecond / used.seconds;
      assert.ok(share >= 0.85, `${share} of the quota`);
      assert.equal(used.quotas.length, 1);
    });
  }
}
