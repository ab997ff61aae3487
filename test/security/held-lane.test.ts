/**
 * An application's transaction has written to an ordering key and does not end: only callers of that key are affected.
 *
 * Runs alone: it compares how long calls take with and without a held lane.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createPool } from "@acktor/shared/db/pool";
import { testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestAnswer, testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

test("LANES-1: a held ordering key: its callers receive the holder's name, 200 others are not delayed", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const publisher = await testPublisher(t, { DATABASE_URL: database.url, MQTT_URL: broker.url });
  const holder = createPool({ url: database.url, size: 1, applicationName: "the-holder", deadlineMs: 60_000 });
  cleanUp(t, () => holder.stop());
  const watcher = createPool({ url: database.url, size: 1, applicationName: "acktor-test" });
  cleanUp(t, () => watcher.stop());
  const held = holder.run(
    "begin; select publisher.enqueue('orders/9', 'x', ordering_key => 'held'); select pg_sleep(60); commit",
    [],
    { simple: true },
  );
  const pid = await until(
    async () => {
      const found = await watcher.run<{ pid: number }>(
        "select pid from pg_stat_activity where application_name = 'the-holder' and wait_event = 'PgSleep'",
      );
      return found.ok && found.rows[0]?.pid;
    },
    10_000,
    "the key to be held",
  );

  cleanUp(t, () => watcher.run("select pg_terminate_backend($1::int4)", [pid || 0]));
  const send = (over: object): Promise<TestAnswer & { readonly tookMs: number }> => {
    const startedAt = performance.now();
    return publisher
      .ask("POST", "/v1/messages", { topic: "orders/1", content: "x", ...over })
      .then((answer) => ({ ...answer, tookMs: performance.now() - startedAt }));
  };
  const calm = await Promise.all(Array.from({ length: 264 }, () => send({})));
  const blocked = Array.from({ length: 64 }, () => send({ ordering_key: "held" }));
  const others = Array.from({ length: 200 }, (_, at) => send(at % 4 === 0 ? { ordering_key: `free ${at}` } : {}));
  for (const { status, text, json } of await Promise.all(blocked)) {
    assert.equal(status, 503, text);
    const { code, message, fix } = json["error"] as Record<string, string>;
    assert.equal(code, "lane_locked");
    assert.match(
      message ?? "",
      new RegExp(`ordering_key "held" is locked by pid ${pid} \\(user .+, application the-holder\\)`),
    );
    assert.match(fix ?? "", /end the transaction/);
  }
  const answers = await Promise.all(others);
  assert.deepEqual(
    answers.filter(({ status }) => status !== 201).map(({ text }) => text),
    [],
  );
  const slowest = (of: readonly { readonly tookMs: number }[]): number => Math.max(...of.map(({ tookMs }) => tookMs));
  const plain = slowest(answers.filter((_, at) => at % 4 !== 0));
  t.diagnostic(
    `slowest call without a key ${plain.toFixed()} ms, of as many while no key is held ${slowest(calm).toFixed()} ms`,
  );
  assert.ok(plain < slowest(calm) + 400, "no call without a key waits for the held one");
  await watcher.run("select pg_terminate_backend($1::int4)", [pid || 0]);
  assert.equal((await held).ok, false);
  await until(async () => (await send({ ordering_key: "held" })).status === 201, 10_000, "the key to be free");
});
