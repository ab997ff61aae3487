/** The pair behind PgBouncer in transaction mode, as processes: every message is processed once, also when both are killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AEDES } from "../support/brokers.ts";
import { anyTopic, setStage } from "../support/pair.ts";
import { startPgBouncer } from "../support/pgbouncer.ts";
import { testDatabase } from "../support/postgres.ts";

test("PgBouncer in transaction mode: plain, keyed, ordered and retained messages, and a crash of both", async (t) => {
  const { url } = await testDatabase(t);
  const bouncer = await startPgBouncer(t, url, { mode: "transaction" });
  if (bouncer === null) return;
  const stage = await setStage(t, { broker: AEDES, databaseUrl: url, env: { DATABASE_URL: bouncer.url } });
  const [publisher, acker] = await Promise.all([stage.publisher(), stage.acker()]);
  const topic = anyTopic();
  const send = (n: number) => {
    const over = [{}, { ordering_key: `k${n % 3}` }, { retain: true }][n % 3];
    return publisher.post(
      { topic: `${topic}/${n}`, content: `${n}`, ...over },
      n % 2 === 0 ? { "idempotency-key": `${n}` } : {},
    );
  };
  const first = await Promise.all(Array.from({ length: 60 }, (_, n) => send(n)));
  const answers = [...first, ...(await Promise.all([send(0), send(2)]))];
  assert.ok(answers.every(({ kind }) => kind === "accepted"));
  const accepted = answers.flatMap((answer) => (answer.kind === "accepted" ? [answer.id] : []));
  assert.equal(new Set(accepted).size, 60, "a key is one message");
  await Promise.all([publisher.kill(), acker.kill()]);
  await Promise.all([stage.publisher(), stage.acker()]);
  await stage.assertDelivered({ accepted: [...new Set(accepted)] });
});
