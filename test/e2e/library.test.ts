/** Publisher and library together: a slow handler is waited for, a bad one's reason is in the timeline, a replay does nothing twice. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { createAcker, sql as effect, processed, rejected } from "@acktor/acker";
import { createPublisher, type DeliveryError } from "@acktor/publisher";
import { createClient } from "@acktor/shared/client";
import { sql, testBroker, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { QUICK } from "../support/pair.ts";
import { testDatabase } from "../support/postgres.ts";

interface Timeline {
  readonly retry_count: number;
  readonly state: string;
  readonly attempts: readonly { readonly outcome: string; readonly detail: string | null }[];
}

test("a slow handler is waited for; reasons are in the timeline; a replay has no second effect", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const wrong: DeliveryError[] = [];
  const publisher = await createPublisher({
    databaseUrl: database.url,
    mqttUrl: broker.url,
    httpPort: 0,
    // Long enough for an acker on a busy machine to ask for patience in time.
    env: { ...QUICK, ACKTOR_ACK_TIMEOUT_MIN: "1500ms", LOG_LEVEL: "warn" },
    policy: (error) => {
      wrong.push(error);
      return { kind: "default" };
    },
  });
  if (!publisher.ok) throw new Error(publisher.faults.join("\n"));
  cleanUp(t, () => publisher.stop());
  await publisher.started;
  const pool = testPool(t, database.url);
  await sql(pool, "create table effect (id text primary key)");
  let failures = 0;
  const acker = await createAcker({
    databaseUrl: database.url,
    mqttUrl: broker.url,
    env: { LOG_LEVEL: "warn" },
    handlers: {
      "t/slow": () => new Promise((resolve) => setTimeout(() => resolve(processed), 4_000)),
      "t/flaky": ({ id }) => {
        if (++failures === 1) throw new Error("the first time it throws");
        return effect`insert into effect values (${id})`;
      },
      "t/never": () => rejected("not for me", { retryable: false }),
    },
  });
  if (!acker.ok) throw new Error(acker.faults.join("\n"));
  cleanUp(t, () => acker.stop());
  const client = createClient({ url: publisher.url });
  const send = async (topic: string) => {
    const sent = await client.send({ topic, content: "x" });
    assert.ok(sent.ok);
    return sent.handle;
  };
  const timeline = async (id: string): Promise<Timeline> =>
    (await (await fetch(`${publisher.url}/v1/messages/${id}`)).json()) as Timeline;
  // The first message may have been published before the acker was there.
  await (await send("t/slow")).acknowledged();

  const slow = await send("t/slow");
  assert.equal((await slow.acknowledged({ timeoutMs: 20_000 })).kind, "acknowledged");
  assert.equal((await timeline(slow.messageId)).retry_count, 0, "two ack timeouts passed, and it was sent once");

  const flaky = await send("t/flaky");
  assert.equal((await flaky.acknowledged({ timeoutMs: 20_000 })).kind, "acknowledged");
  const { attempts } = await timeline(flaky.messageId);
  assert.match(attempts.find(({ outcome }) => outcome === "rejected")?.detail ?? "", /the first time it throws/);

  assert.ok(
    wrong.some(({ on, topic }) => on === "rejected" && topic === "t/flaky"),
    "the policy was asked",
  );

  const never = await send("t/never");
  const outcome = await never.acknowledged({ timeoutMs: 20_000 });
  assert.deepEqual(outcome, { kind: "failed", reason: "rejected: not for me" });

  // As if its ack had been lost: the replay keeps the id, and the inbox knows it.
  await sql(pool, "alter table publisher.message_delivery disable trigger user");
  const lost =
    "update publisher.message_delivery set state = 'failed', reason = 'lost', due_at = null where message_id = $1";
  await sql(pool, lost, [flaky.messageId]);
  await sql(pool, "alter table publisher.message_delivery enable trigger user");
  const replay = await fetch(`${publisher.url}/v1/dead-letters/replay`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ reason: "lost", who: "ana" }),
  });
  assert.equal(((await replay.json()) as { replayed: number }).replayed, 1);
  assert.equal((await flaky.acknowledged({ timeoutMs: 20_000 })).kind, "acknowledged");
  assert.deepEqual(await sql(pool, "select id from effect"), [{ id: flaky.messageId }]);
});

test("a handler that throws, hangs, returns nonsense or blocks for five seconds: the reason is in the timeline, others flow", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const servers = { databaseUrl: database.url, mqttUrl: broker.url };
  const publisher = await createPublisher({ ...servers, httpPort: 0, env: { ...QUICK, LOG_LEVEL: "warn" } });
  assert.ok(publisher.ok);
  cleanUp(t, () => publisher.stop());
  await publisher.started;
  const program = path.join(import.meta.dirname, "../support/bad-acker.ts");
  const acker = spawn(process.execPath, ["--import", "tsx", "--conditions=source", program], {
    env: { PATH: process.env["PATH"], DATABASE_URL: database.url, MQTT_URL: broker.url },
    stdio: ["ignore", "inherit", "inherit"],
  });
  cleanUp(t, () => acker.kill("SIGKILL"));
  const client = createClient({ url: publisher.url });
  const send = async (topic: string) => {
    const sent = await client.send({ topic, content: "x" });
    assert.ok(sent.ok);
    return sent.handle;
  };
  await (await send("t/fine")).acknowledged();
  const bad = {
    throws: /on purpose/,
    hangs: /did not answer within 0.4 s/,
    nonsense: /neither processed/,
    blocks: /kept the process busy for 5/,
  };
  for (const [kind, reason] of Object.entries(bad)) {
    const handle = await send(`t/${kind}`);
    const others = await Promise.all(Array.from({ length: 20 }, () => send("t/fine")));
    for (const other of others) {
      assert.equal((await other.acknowledged({ timeoutMs: 20_000 })).kind, "acknowledged", `next to ${kind}`);
    }
    assert.equal((await handle.acknowledged({ timeoutMs: 30_000 })).kind, "acknowledged", kind);
    const { attempts } = (await (await fetch(`${publisher.url}/v1/messages/${handle.messageId}`)).json()) as Timeline;
    const details = attempts.filter(({ outcome }) => outcome === "rejected").map(({ detail }) => detail ?? "");
    assert.ok(
      details.some((detail) => reason.test(detail)),
      `${kind}: ${JSON.stringify(attempts)}`,
    );
  }
});
