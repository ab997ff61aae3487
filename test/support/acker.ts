/** An acker in this process with the test's broker and database, and a plain MQTT client that talks to it. */
import type { TestContext } from "node:test";
import { type RunningAcker, type StartOptions, startAcker } from "@acktor/acker/app";
import { type EmbeddedBroker, startBroker } from "@acktor/embedded/broker";
import { SILENT } from "@acktor/embedded/progress";
import { createPool, type Param, type Pool } from "@acktor/shared/db/pool";
import { cleanUp } from "./cleanup.ts";
import { objectOf, type Sighting, startSpy } from "./spy.ts";
import { until } from "./until.ts";

export type Rows = Record<string, unknown>;

/** A broker of this test. */
export async function testBroker(t: TestContext, port = 0): Promise<EmbeddedBroker> {
  const started = await startBroker({ port, narrator: SILENT });
  if (!started.ok) throw new Error(started.failure.message);
  cleanUp(t, () => started.value.stop());
  return started.value;
}

export interface TestAcker {
  readonly running: RunningAcker;
  readonly log: readonly Rows[];
  status(): Promise<Rows & { messages: Record<string, number>; acks: Record<string, number>; queue: Rows }>;
}

/** Starts an acker of `data/#`. It is ready when this resolves, unless `wait` is false, and is stopped after the test. */
export async function testAcker(
  t: TestContext,
  env: Record<string, string>,
  options: StartOptions & { readonly wait?: boolean } = {},
): Promise<TestAcker> {
  const log: Rows[] = [];
  const logStream = { write: (line: string) => void log.push(JSON.parse(line) as Rows) };
  const running = await startAcker(
    { ACKTOR_TOPICS: "data/#", HTTP_PORT: "0", ACKTOR_INSTANCE: "acker-1", ...env },
    { logStream, ...options },
  );
  if (!running.ok) throw new Error(running.faults.join("\n"));
  cleanUp(t, () => running.stop());
  if (options.wait !== false) await ready(running.url);
  return {
    running,
    log,
    status: async () =>
      (await (await fetch(`${running.url}/v1/status`)).json()) as Awaited<ReturnType<TestAcker["status"]>>,
  };
}

/** Waits until `/readyz` answers 200. */
export async function ready(url: string): Promise<void> {
  await until(async () => (await fetch(`${url}/readyz`)).ok, 15_000, `${url}/readyz`);
}

/** One statement, or a throw with its SQLSTATE. */
export async function sql(pool: Pool, text: string, params: readonly Param[] = []): Promise<Rows[]> {
  const answer = await pool.run<Rows>(text, params);
  if (!answer.ok) throw Object.assign(new Error(answer.failure.message), { code: answer.failure.code });
  return [...answer.rows];
}

export function testPool(t: TestContext, url: string): Pool {
  const pool = createPool({ url, size: 4, applicationName: "acktor-test" });
  cleanUp(t, () => pool.stop());
  return pool;
}

export interface PlainClient {
  /** Publishes an object as JSON, or text as it is; QoS 1, resolves with PUBACK. */
  send(topic: string, payload: object | string | Buffer, retain?: boolean): Promise<void>;
  /** Waits for the n-th message (from 1) on a topic, as JSON. */
  hears(topic: string, n?: number, timeoutMs?: number): Promise<Rows>;
  on(topic: string): Sighting[];
}

/** A client without acktor's code, like the tutorial's sender. It subscribes to everything by default. */
export async function plainClient(t: TestContext, url: string, filters: string[] = ["#"]): Promise<PlainClient> {
  const spy = await startSpy(t, url, filters);
  const byTopic = new Map<string, Sighting[]>();
  let indexed = 0;
  const on = (topic: string): Sighting[] => {
    for (; indexed < spy.seen.length; indexed++) {
      const sighting = spy.seen[indexed];
      if (sighting === undefined) break;
      const known = byTopic.get(sighting.topic);
      if (known === undefined) byTopic.set(sighting.topic, [sighting]);
      else known.push(sighting);
    }
    return byTopic.get(topic) ?? [];
  };
  return {
    on,
    async send(topic, payload, retain = false) {
      const bytes = typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
      await spy.publish(topic, bytes, { retain });
    },
    async hears(topic, n = 1, timeoutMs = 5_000) {
      return objectOf(await until(() => on(topic)[n - 1], timeoutMs, `message ${n} on ${topic}`));
    },
  };
}
