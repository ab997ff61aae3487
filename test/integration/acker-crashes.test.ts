/** Handlers whose process dies, and handlers whose database connections die: what becomes of their messages. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { inTransaction } from "@acktor/acker";
import { cleanUp } from "../support/cleanup.ts";
import { libraryRig } from "../support/library-acker.ts";
import { until } from "../support/until.ts";

/** Backends killed under handlers' transactions. */
const KILLS = 300;

/** @param poison topic of the message that kills */
async function crashThrice(t: TestContext, poison: string): Promise<void> {
  const rig = await libraryRig(t);
  const fine = ["f1", "f2", "f3", "f4", "f5", "f6"];
  let running: ChildProcess | null = null;
  cleanUp(t, () => running?.kill("SIGKILL"));
  let exits = 0;
  const program = path.join(import.meta.dirname, "../support/crashing-acker.ts");
  const start = (): void => {
    running = spawn(process.execPath, ["--import", "tsx", "--conditions=source", program], {
      env: { ...process.env, DATABASE_URL: rig.databaseUrl, MQTT_URL: rig.mqttUrl },
      stdio: ["ignore", "inherit", "inherit"],
    });
    void once(running, "exit").then(() => {
      exits++;
    });
  };
  const answered = (id: string): Record<string, unknown> | undefined =>
    rig.client
      .on(`delivery/ack/${id}`)
      .map((sighting) => JSON.parse(sighting.payload.toString()) as Record<string, unknown>)
      .find((ack) => ack["status"] !== "working");
  let token = 0;
  /** As the outbox does: what has no answer is sent again. */
  const sendOpen = async (): Promise<void> => {
    token++;
    for (const id of ["poison", ...fine]) {
      if (answered(id) !== undefined) continue;
      const topic = id === "poison" ? poison : "t/fine";
      await rig.send(topic, id, "1", { attempt_token: String(token), retry_count: token - 1 });
    }
  };
  for (let life = 1; life <= 3; life++) {
    start();
    // A first attempt that reaches it: the row of a later one is written before its handler begins, for every handler.
    if (life === 1) await rig.client.hears("delivery/acker/crashing", 1, 15_000);
    await until(
      async () => {
        await sendOpen();
        return exits === life;
      },
      20_000,
      `the acker to be killed for the ${life}. time`,
    );
    // Not before: that the messages are done is not of interest, that they were tried is.
    assert.equal(answered("poison"), undefined);
  }
  start();
  await until(
    async () => {
      await sendOpen();
      return ["poison", ...fine].every((id) => answered(id) !== undefined);
    },
    20_000,
    "an answer to every message",
  );
  assert.equal(exits, 3);
  const ack = answered("poison");
  assert.deepEqual([ack?.["status"], ack?.["retryable"]], ["rejected", false]);
  assert.match(String(ack?.["reason"]), /crashed the acker 3 times/);
  for (const id of fine) assert.equal(answered(id)?.["status"], "processed");
}

test("killed in mid-handling: tried again; after three crashes rejected; what waited with it is processed", (t) =>
  crashThrice(t, "t/poison"));

// FIRST-1
test("killed by a handler immediately, before its message has a row: the same, with the same three crashes", (t) =>
  crashThrice(t, "t/poison-now"));

// EFFECTS-4
test(`${KILLS} backends killed under transactions of handlers: each effect once, nothing uncaught`, async (t) => {
  const rig = await libraryRig(t);
  let killed = 0;
  await rig.start({
    "t/#": (message) =>
      inTransaction(async (query) => {
        const [row] = await query<{ pid: number }>("select pg_backend_pid() as pid");
        await query("insert into effect values ($1, 1)", [message.id]);
        await query("update counter set n = n + 1");
        if (killed >= KILLS) return;
        killed++;
        const when = killed % 3;
        const kill = rig.ask(`select pg_terminate_backend(${row?.pid})`);
        if (when === 0) await kill;
        if (when === 1) await query("select pg_sleep(0.005)");
      }),
  });
  const ids = Array.from({ length: 60 }, (_, i) => `m${i}`);
  const isDone = (id: string): boolean =>
    rig.client.on(`delivery/ack/${id}`).some((s) => s.payload.includes('"status":"processed"'));
  let round = 0;
  await until(
    async () => {
      round++;
      const open = ids.filter((id) => !isDone(id));
      await Promise.all(
        open.map((id) => rig.send("t/x", id, "1", { attempt_token: String(round), retry_count: round - 1 })),
      );
      await new Promise((resolve) => setImmediate(resolve));
      return open.length === 0 && killed >= KILLS;
    },
    60_000,
    "every message to be processed",
  );
  assert.deepEqual(await rig.ask("select count(*)::int4 n from effect"), [{ n: ids.length }]);
  assert.deepEqual(await rig.ask("select n from counter"), [{ n: ids.length }]);
  assert.deepEqual(await rig.ask("select count(*)::int4 n from acker.inbox where status = 'processed'"), [
    { n: ids.length },
  ]);
});
