/**
 * The brokers that end-to-end tests run against: aedes everywhere, mosquitto with MQTT 5 and with 3.1.1 where it is
 * installed. Where it is not, the test is skipped; with ACKTOR_REQUIRE=mosquitto its absence is a failure.
 *
 * Each can be killed and started again on its port. None keeps state across a kill: every session, retained message and
 * queue is lost.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { startBroker } from "@acktor/embedded/broker";
import { SILENT } from "@acktor/embedded/progress";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import { type Environment, type Running, run } from "./processes.ts";
import { findServer, isRequired } from "./programs.ts";
import { until } from "./until.ts";

export interface TestBroker {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  /** Ends it immediately, with all its state (SIGKILL; aedes runs in this process: every socket is destroyed). */
  kill(): Promise<void>;
  /** A clean stop. */
  stop(): Promise<void>;
  /** Starts it again on its port, empty. */
  start(): Promise<void>;
}

export interface BrokerCase {
  readonly label: string;
  /** Settings of the services in this case. */
  readonly env: Environment;
  /** Why the broker cannot run on this machine, or null. */
  readonly missing: string | null;
  start(t: TestContext): Promise<TestBroker>;
}

export const AEDES: BrokerCase = { label: "aedes", env: {}, missing: null, start: startAedes };
export const MOSQUITTO_5: BrokerCase = mosquittoCase("mosquitto, MQTT 5", "5");
export const MOSQUITTO_311: BrokerCase = mosquittoCase("mosquitto, MQTT 3.1.1", "3.1.1");
export const ALL_BROKERS: readonly BrokerCase[] = [AEDES, MOSQUITTO_5, MOSQUITTO_311];

/** A hanging test must fail, a slow one on a busy machine must not. Tests usually take 3 to 15 s. */
export const TEST_LIMIT_MS = 200_000;

/** Registers a test for each of `brokers`. A broker that is not installed is reported as skipped. */
export function testWithBrokers(
  name: string,
  brokers: readonly BrokerCase[],
  body: (t: TestContext, broker: BrokerCase) => Promise<void>,
): void {
  for (const broker of brokers) {
    const options = { timeout: TEST_LIMIT_MS, ...(broker.missing === null ? {} : { skip: broker.missing }) };
    test(`${name} (${broker.label})`, options, (t) => body(t, broker));
  }
}

function mosquittoCase(label: string, version: "5" | "3.1.1"): BrokerCase {
  const program = findServer("mosquitto");
  if (program === null && isRequired("mosquitto")) throw new Error("ACKTOR_REQUIRE names mosquitto: not installed");
  const missing = program === null ? "mosquitto is not installed" : null;
  const start = (t: TestContext): Promise<TestBroker> => startMosquitto(t, program ?? "mosquitto");
  return { label, env: { ACKTOR_MQTT_VERSION: version }, missing, start };
}

async function startAedes(t: TestContext): Promise<TestBroker> {
  const open = async (port: number) => {
    const started = await startBroker({ port, narrator: SILENT });
    if (!started.ok) throw new Error(started.failure.message);
    return started.value;
  };
  const port = await anyPort();
  let broker = await open(port);
  cleanUp(t, () => broker.stop());
  const stop = (): Promise<void> => broker.stop();
  return {
    url: broker.url,
    port,
    kill: stop,
    stop,
    async start() {
      broker = await open(port);
    },
  };
}

async function startMosquitto(t: TestContext, program: string): Promise<TestBroker> {
  const port = await anyPort();
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-mosquitto-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const config = path.join(folder, "mosquitto.conf");
  await writeFile(config, MOSQUITTO_SETTINGS(port));
  let running: Running | null = null;
  const start = async (): Promise<void> => {
    const process = run(t, program, ["-c", config]);
    running = process;
    await until(() => accepts(port), 10_000, "mosquitto to listen").catch((error: Error) => {
      throw new Error(`${error.message}\n${process.output()}`);
    });
  };
  await start();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    start,
    async kill() {
      await running?.kill();
    },
    async stop() {
      await running?.stop();
    },
  };
}

/** As documented for production: without them mosquitto stalls at 20 messages in flight and drops after 1,000. */
const MOSQUITTO_SETTINGS = (port: number): string => `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 2000
max_queued_messages 100000
log_dest stdout
`;

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
