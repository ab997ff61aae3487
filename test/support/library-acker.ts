/** The acker library in this process, a database with an application's tables, a broker, and a plain client. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type AckerOptions, createAcker, type RunningLibraryAcker } from "@acktor/acker";
import type { Pool } from "@acktor/shared/db/pool";
import { type PlainClient, plainClient, type Rows, sql, testBroker, testPool } from "./acker.ts";
import { cleanUp } from "./cleanup.ts";
import { testDatabase } from "./postgres.ts";
import { until } from "./until.ts";

export interface LibraryRig {
  readonly client: PlainClient;
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  readonly log: readonly Rows[];
  start(handlers: AckerOptions["handlers"], over?: Partial<AckerOptions>): Promise<RunningLibraryAcker>;
  ask(text: string): Promise<Rows[]>;
  /** Sends a message in the tutorial's envelope. */
  send(topic: string, id: string, content?: string, over?: Rows): Promise<void>;
  /** Waits for a message's ack, ignoring requests for patience. */
  answer(id: string, timeoutMs?: number): Promise<Rows>;
}

export async function libraryRig(t: TestContext): Promise<LibraryRig> {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const pool = testPool(t, database.url);
  await sql(pool, "create table effect (id text primary key, n int not null)");
  await sql(pool, "create table counter (name text primary key, n int not null)");
  await sql(pool, "insert into counter values ('all', 0)");
  const log: Rows[] = [];
  const client = await plainClient(t, broker.url);
  return {
    client,
    pool,
    databaseUrl: database.url,
    mqttUrl: broker.url,
    log,
    async start(handlers, over = {}) {
      const logStream = { write: (line: string) => void log.push(JSON.parse(line) as Rows) };
      const acker = await createAcker({
        databaseUrl: database.url,
        mqttUrl: broker.url,
        handlers,
        instance: "library",
        logStream,
        ...over,
      });
      assert.ok(acker.ok, acker.ok ? "" : acker.faults.join("\n"));
      cleanUp(t, () => acker.stop());
      assert.deepEqual(await acker.started, { ok: true });
      // The birth is retained, and is published after the subscriptions.
      await client.hears("delivery/acker/library", 1, 15_000);
      return acker;
    },
    ask: (text) => sql(pool, text),
    async send(topic, id, content = "1", over = {}) {
      await client.send(topic, { message_id: id, content, attempt_token: "1", ...over });
    },
    async answer(id, timeoutMs = 10_000) {
      const topic = `delivery/ack/${id}`;
      const heard = (): Rows[] => client.on(topic).map((sighting) => JSON.parse(sighting.payload.toString()) as Rows);
      return until(() => heard().find((ack) => ack["status"] !== "working"), timeoutMs, `an answer to ${id}`);
    },
  };
}
