/**
 * An adversary between a live pair: it reads every topic, writes every data topic and every ack topic, and has no key. The
 * acker must not sign for content that it did not receive, and the publishers must not act on altered acks.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createAcker, processed, rejected } from "@acktor/acker";
import { forge, type Json, OF_ACKS, OF_ENVELOPES } from "@acktor/chaos/campaign/forgeries";
import type { Pool } from "@acktor/shared/db/pool";
import { ackKeyPair } from "../support/ack-keys.ts";
import { sql, testBroker, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { idOf, objectOf, type Sighting, type Spy, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const SECRET = "the secret that both ends share";
const FORGERIES = 10_000;
/** The hostile ones; an envelope on a topic of the ack prefix is not counted. */
const FORGED_ACKS = Math.floor((FORGERIES * OF_ACKS.length) / (OF_ACKS.length + OF_ENVELOPES.length));
/** Messages for a device that is off, for a handler that asks for a retry, and for a handler that is still working. */
const ABSENT = 20;
const LATER = 5;
const WORKING = 5;

interface Scene {
  readonly publishers: readonly TestPublisher[];
  readonly pool: Pool;
  readonly stranger: Spy;
  /** What the stranger has read. */
  readonly envelopes: readonly Sighting[];
  readonly acks: readonly Sighting[];
  /** Messages whose rows must not change. */
  readonly ids: readonly string[];
}

interface Keys {
  readonly publisher: Readonly<Record<string, string>>;
  readonly acker: Readonly<Record<string, string>>;
}

function keysOf(algorithm: "HMAC" | "Ed25519"): Keys {
  if (algorithm === "HMAC") return { publisher: { ACKTOR_ACK_SECRET: SECRET }, acker: { ACKTOR_ACK_SECRET: SECRET } };
  const ackers = ackKeyPair();
  const publishers = ackKeyPair();
  return {
    publisher: { ACKTOR_ACK_PUBLIC_KEYS: ackers.publicPem, ACKTOR_ENVELOPE_PRIVATE_KEY: publishers.privatePem },
    acker: { ACKTOR_ACK_PRIVATE_KEY: ackers.privatePem, ACKTOR_ENVELOPE_PUBLIC_KEYS: publishers.publicPem },
  };
}

async function setScene(t: TestContext, algorithm: "HMAC" | "Ed25519", count: number): Promise<Scene> {
  const [database, inbox, broker] = await Promise.all([testDatabase(t), testDatabase(t), testBroker(t)]);
  const keys = keysOf(algorithm);
  const acker = await createAcker({
    databaseUrl: inbox.url,
    mqttUrl: broker.url,
    instance: "live",
    env: { ...keys.acker, LOG_LEVEL: "error" },
    handlers: {
      "data/later": () => rejected("later", { retryable: true, retryAfterMs: 60_000 }),
      "data/works": (_, { working }) => {
        working(2_000);
        return new Promise(() => undefined);
      },
      "data/+": () => processed,
    },
  });
  assert.ok(acker.ok, acker.ok ? "" : acker.faults.join("\n"));
  cleanUp(t, () => acker.stop());
  assert.deepEqual(await acker.started, { ok: true });
  const stranger = await startSpy(t, broker.url, ["#"]);
  // Some rows wait between two attempts, some are in flight: timeouts differ from one publisher to the other.
  const publishers: TestPublisher[] = [];
  for (let i = 0; i < count; i++) {
    publishers.push(
      await testPublisher(t, {
        ...{ DATABASE_URL: database.url, MQTT_URL: broker.url, ...keys.publisher },
        ...{ ACKTOR_INSTANCE: `publisher-${i}`, ACKTOR_RETRY_BASE: "30m", ACKTOR_RETRY_CAP: "30m", LOG_LEVEL: "error" },
        ...(i === 0 ? { ACKTOR_ACK_TIMEOUT_MIN: "1h", ACKTOR_ACK_TIMEOUT_MAX: "1h" } : {}),
        ...(i > 0 ? { ACKTOR_ACK_TIMEOUT_MIN: "200ms", ACKTOR_ACK_TIMEOUT_MAX: "300ms" } : {}),
      }),
    );
  }
  const send = (topic: string, many: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: many }, (_, i) => {
        const publisher = publishers[i % publishers.length];
        assert.ok(publisher !== undefined);
        // A destination that never answered has its own small window; each device is one destination.
        const body =
          i % 2 === 0 ? { content: `\ufffd ${i}` } : { content_base64: Buffer.from(`${i}`).toString("base64") };
        return publisher.send({ topic: topic.replace("?", String(i)), ...body });
      }),
    );
  const ids = [
    ...(await send("devices/?/cmd", ABSENT)),
    ...(await send("data/later", LATER)),
    ...(await send("data/works", WORKING)),
  ];
  const heard = (): readonly Sighting[] => stranger.seen.filter((one) => one.topic.startsWith("delivery/ack/"));
  const envelopes = await until(
    () => {
      const seen = stranger.seen.filter((one) => ids.includes(idOf(one) ?? "") && !one.topic.startsWith("delivery/"));
      return new Set(seen.map(idOf)).size === ids.length && seen;
    },
    20_000,
    "every envelope to be overheard",
  );
  const acks = await until(
    () => new Set(heard().map((one) => one.topic)).size >= LATER + WORKING && heard(),
    20_000,
    "the honest rejections and requests for patience to be overheard",
  );
  const pool = testPool(t, database.url);
  // An ack that was read is not yet recorded: the honest acks must be settled before the rows are compared.
  const recorded = async (): Promise<boolean> => {
    const rows = await sql(pool, "select from publisher.message_delivery where reason = 'rejected: later'");
    return rows.length === LATER;
  };
  await until(recorded, 10_000, "the honest rejections to be recorded");
  return { publishers, pool, stranger, envelopes, acks, ids };
}

/** The columns that no forgery may change. */
async function fingerprint({ pool }: Scene): Promise<string> {
  const rows = await sql(
    pool,
    // Sending is not an effect of a forgery.
    `select message_id, replace(state, 'sent', 'pending') state, reason, acked_by, ack_level, late, acknowledged_at, discarded_at,
       (select count(*) from publisher.delivery_acknowledgment a where a.message_id = m.message_id) acks,
       due_at is null or due_at < now() + interval '2 hours' as soon
     from publisher.message_delivery m order by 1`,
  );
  return JSON.stringify(rows);
}

async function attack({ stranger, envelopes, acks, ids }: Scene): Promise<void> {
  const pick = <T>(items: readonly T[], at: number): T => {
    const item = items[at % items.length];
    assert.ok(item !== undefined);
    return item;
  };
  const [heardEnvelopes, heardAcks] = [envelopes.map(objectOf), acks.map(objectOf)];
  for (let at = 0; at < FORGERIES; at++) {
    const { topic, payload } = forge(at, {
      envelope: pick(heardEnvelopes, at),
      ack: pick(heardAcks, at),
      id: pick(ids, at * 7),
      elsewhere: at % 3 === 0 ? "data/later" : "data/x",
      ackPrefix: "delivery/ack",
    });
    await stranger.publish(topic, JSON.stringify(payload), { qos: at % 50 === 0 ? 1 : 0 });
  }
}

for (const algorithm of ["HMAC", "Ed25519"] as const) {
  for (const publishers of [1, 2]) {
    test(`${FORGERIES} forgeries around a live acker move 0 rows: ${algorithm}, ${publishers} publisher(s)`, async (t) => {
      const scene = await setScene(t, algorithm, publishers);
      const { stranger, ids, publishers: all } = scene;
      const before = await fingerprint(scene);
      const known = stranger.seen.length;
      await attack(scene);
      // The broker keeps the order: a later message arrives after all forgeries.
      const [first] = all;
      assert.ok(first !== undefined);
      const honest = await first.send({ topic: "data/1", content: "honest" });
      await until(async () => (await first.state(honest)) === "acknowledged", 15_000, "the honest message to count");
      const received = async (): Promise<number> => (await first.acks())["received"] ?? 0;
      await until(async () => (await received()) >= FORGED_ACKS, 30_000, "the forged acks to be judged");
      const now = JSON.parse(await fingerprint(scene)) as Json[];
      assert.deepEqual(
        now.filter((row) => row["message_id"] !== honest),
        JSON.parse(before),
      );
      // The acker answered no forgery: all its acks since are about messages of the publishers.
      const absent = new Set(ids.slice(0, ABSENT).map((id) => `delivery/ack/${id}`));
      const said = stranger.seen.slice(known).filter((one) => absent.has(one.topic));
      const byAcker = said.filter(
        (one) => /^acktoracker/.test(String(objectOf(one)["client_id"])) && isFresh(one, scene),
      );
      assert.deepEqual(
        byAcker.map(({ text }) => text),
        [],
      );
    });
  }
}

/** Excludes the stranger's own acks, which are copies of acks that it has read. */
function isFresh(one: Sighting, { acks }: Scene): boolean {
  const signatures = new Set(acks.map((ack) => objectOf(ack)["signature"]));
  const { signature } = objectOf(one);
  return signature !== undefined && !signatures.has(signature);
}
