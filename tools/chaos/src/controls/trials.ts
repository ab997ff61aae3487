/**
 * Trials: each injects one kind of fault and returns the findings. On the unchanged build it must find nothing: a trial that
 * always fails would catch every bug.
 */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { createLink } from "@acktor/shared/link/create-link";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import { makePacketRule, type PacketFault } from "../proxy/packet-rules.ts";
import { LabFailure } from "../world/lab-failure.ts";
import { becomesTrue } from "../world/until.ts";
import type { Bench } from "./bench.ts";

export type Trial = (bench: Bench) => Promise<string[]>;

const SOON_MS = 3_000;

/** A message that is answered with 201 while PostgreSQL is unreachable is lost when the publisher dies. */
export const publisherLosesDatabase: Trial = async (bench) => {
  const { lines, units } = bench.world;
  await bench.traffic(50);
  lines["publisher.db"].cut("silent");
  await bench.traffic(50, { limitMs: 1_000 });
  await units.publisher.kill();
  lines["publisher.db"].drop();
  lines["publisher.db"].heal();
  await units.publisher.start();
  await bench.drained();
  return bench.findings();
};

/** A message that is acked while PostgreSQL is unreachable has no effect after the death of the acker. */
export const ackerLosesDatabase: Trial = async (bench) => {
  const { lines, units } = bench.world;
  await bench.traffic(50);
  await bench.drained();
  lines["acker.db"].cut("silent");
  await bench.traffic(50, { limitMs: 1_500 });
  await units.acker.kill();
  lines["acker.db"].drop();
  return bench.findings(false);
};

export const everythingTwice: Trial = async (bench) => {
  breakPackets(bench, "acker.mqtt", [{ packet: "publish", direction: "to_client", fate: "double" }]);
  await bench.traffic(100);
  await bench.drained();
  return bench.findings();
};

/** Acks arrive at about the time when `sent` is written, and the writes overtake each other. */
export const acksComeLate: Trial = async (bench) => {
  const { lines } = bench.world;
  lines["acker.mqtt"].setLine({ delayMs: 40, jitterMs: 60 });
  lines["publisher.db"].setLine({ jitterMs: 80 });
  await bench.traffic(800, { rate: 150, limitMs: 12_000 });
  lines["publisher.db"].setLine({});
  await bench.drained();
  return bench.findings();
};

/** I6: no attempt is counted without a connection. */
export const brokerAway: Trial = async (bench) => {
  await bench.traffic(20);
  await bench.drained();
  await bench.world.units.broker.kill();
  await becomesTrue(async () => (await bench.world.units.publisher.connection()) !== "CONNECTED", SOON_MS);
  const [before] = await bench.rows<{ now: string }>("select clock_timestamp()::text now");
  await bench.traffic(100, { limitMs: 3_000 });
  const burnt = await bench.rows<{ message_id: string; attempts: number }>(
    `select message_id, attempts from publisher.message_delivery
     where created_at > '${before?.now}'::timestamptz and attempts > 0`,
  );
  await bench.world.units.broker.start();
  return burnt.map((row) => `${row.message_id} has ${row.attempts} attempts without a connection`);
};

/** I6: retries of messages that were sent together are spread over the step of the backoff. */
export const acksLost: Trial = async (bench) => {
  breakPackets(bench, "acker.mqtt", [
    { packet: "publish", direction: "to_server", topicUnder: DEFAULT_ACK_PREFIX, fate: "lose" },
  ]);
  await bench.traffic(60, { limitMs: 2_000 });
  const spread = async () => {
    const [row] = await bench.rows<{ rows: number; deviation: number | null }>(
      `select count(*)::int4 as rows, stddev(extract(epoch from due_at - sent_at) * 1000)::float8 deviation
       from publisher.message_delivery where attempts = 1 and sent_at is not null and lease_owner is null and not parked`,
    );
    return row ?? { rows: 0, deviation: null };
  };
  await becomesTrue(async () => (await spread()).rows >= 10, SOON_MS);
  const { rows, deviation } = await spread();
  if (deviation === null || rows < 10) throw new LabFailure(`only ${rows} messages wait for their first retry`);
  // U(0, 400 ms) deviates by 115 ms.
  return deviation < 30 ? [`first retries of ${rows} messages deviate by ${deviation.toFixed(1)} ms only`] : [];
};

interface Gate {
  moved(state: string): void;
  admits(): number;
  take(): void;
}

/** HALF_OPEN admits its probes and no more. The trial uses the built gate itself. */
export const halfOpenBreaker: Trial = async ({ root }) => {
  const gates = (await load(root, "shared/dist/link/publish-gate.js")) as {
    PublishGate: new (policy: object, signals: object) => Gate;
  };
  const policies = (await load(root, "shared/dist/link/link-policy.js")) as { DEFAULT_BREAKER: { probes: number } };
  const { probes } = policies.DEFAULT_BREAKER;
  const gate = new gates.PublishGate(policies.DEFAULT_BREAKER, {});
  gate.moved("OPEN");
  const whileOpen = gate.admits();
  gate.moved("HALF_OPEN");
  let admitted = 0;
  for (; gate.admits() > 0 && admitted < 100; admitted++) gate.take();
  const wrong = whileOpen > 0 ? [`OPEN admits ${whileOpen}`] : [];
  return admitted > probes ? [...wrong, `HALF_OPEN admits ${admitted}, ${probes} are allowed`] : wrong;
};

/** Durations do not depend on the wall clock. The trial uses the link's own clock, which the breaker uses. */
export const clockJumps: Trial = async ({ root }) => {
  const options = (await load(root, "shared/dist/link/link-options.js")) as {
    resolveLinkOptions: (options: { url: string }) => { clock: { now(): number } };
  };
  const { clock } = options.resolveLinkOptions({ url: "mqtt://127.0.0.1" });
  const realNow = Date.now;
  const wrong: string[] = [];
  for (const hours of [1, -1]) {
    const before = clock.now();
    Date.now = () => realNow() + hours * 3_600_000;
    const moved = clock.now() - before;
    Date.now = realNow;
    if (Math.abs(moved) > 1_000) wrong.push(`a clock set ${hours} h moves the breaker by ${Math.round(moved)} ms`);
  }
  return wrong;
};

/** A stranger sends acks while no acker runs. */
export const acksForged: Trial = async (bench) => {
  const { units } = bench.world;
  await units.acker.kill();
  await bench.traffic(30);
  const link = createLink({ url: `mqtt://127.0.0.1:${units.broker.port}`, name: "forger" });
  await link.connect({ waitMs: SOON_MS });
  let reached = 0;
  for (const id of bench.accepted) {
    const payload = JSON.stringify({ client_id: "forger", signature: randomUUID() });
    link.publish({ topic: `${DEFAULT_ACK_PREFIX}/${id}`, payload, qos: 1, retain: false }, () => reached++);
  }
  await becomesTrue(() => reached >= bench.accepted.length, SOON_MS);
  await link.stop();
  await becomesTrue(async () => (await bench.findings(false)).length > 0, 1_000);
  return bench.findings(false);
};

/** Half of the messages arrive with one flipped bit. */
export const messagesAltered: Trial = async (bench) => {
  breakPackets(bench, "acker.mqtt", [{ packet: "publish", direction: "to_client", ratio: 0.5, fate: "corrupt" }]);
  await bench.traffic(60);
  bench.world.lines["acker.mqtt"].setRule(null);
  await bench.drained();
  return bench.findings();
};

/** I7: un-acked messages stay within the window. */
export const noAcks: Trial = async (bench) => {
  const window = 64;
  breakPackets(bench, "acker.mqtt", [
    { packet: "publish", direction: "to_server", topicUnder: DEFAULT_ACK_PREFIX, fate: "lose" },
  ]);
  let most = 0;
  const look = async (): Promise<boolean> => {
    const status = await bench.world.units.publisher.status();
    most = Math.max(most, status?.dispatcher?.unacked ?? 0);
    return most > window;
  };
  const [, tooMany] = await Promise.all([bench.sendAtOnce(300, 30), becomesTrue(look, SOON_MS)]);
  return tooMany ? [`${most} messages un-acked, the window is ${window}`] : [];
};

/** Messages that were answered with 201 exist after each kill. */
export const postgresKilled: Trial = async (bench) => {
  const { postgres } = bench.world.units;
  // The tables of the audit must survive the kill.
  await bench.rows("checkpoint");
  for (let kill = 0; kill < 2; kill++) {
    const sending = bench.traffic(300, { rate: 300, limitMs: 3_000 });
    await becomesTrue(async () => ((await bench.world.units.publisher.status())?.outbox?.accepted ?? 0) > 100, SOON_MS);
    await postgres.kill();
    await postgres.start();
    await sending;
    const found = await bench.findings(false);
    if (found.length > 0) return found;
  }
  await bench.drained();
  return bench.findings();
};

function breakPackets(bench: Bench, line: "publisher.mqtt" | "acker.mqtt", faults: readonly PacketFault[]): void {
  bench.world.lines[line].setRule(makePacketRule(faults, bench.random));
}

/** Imports a module of the build under test, without the module cache. */
function load(root: string, file: string): Promise<unknown> {
  const url = pathToFileURL(path.join(root, file));
  url.searchParams.set("edit", randomUUID());
  return import(url.href);
}
