/** The servers and services of the demonstration, in a temporary folder and on free ports. */
import path from "node:path";
import { startAcker } from "@acktor/acker/app";
import { startPublisher } from "@acktor/publisher/app";
import { createPool, type Param, type Pool } from "@acktor/shared/db/pool";
import type { Running, StartResult } from "@acktor/shared/runtime/main";
import { type EmbeddedBroker, startBroker } from "./broker.ts";
import { describeFailure, type Outcome } from "./failure.ts";
import { openLogFile } from "./log-file.ts";
import { freePort } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { SILENT } from "./progress.ts";
import type { Stack } from "./stack.ts";

/** Ends the demonstration. */
export class DemoFailure extends Error {
  override readonly name = "DemoFailure";
}

/** The parts of `/v1/status` that the tables show. */
export interface PublisherStatus {
  readonly connection: {
    readonly state: string;
    readonly breaker: string;
    readonly broker: string;
    readonly client_id: string;
    readonly uptime_seconds: number | null;
    readonly last_error: { readonly reason: string } | null;
    readonly retry_count: number;
    /** Null until the outbox was counted. */
    readonly buffer_size: number | null;
  };
  readonly statistics: {
    readonly connection_attempts: number;
    readonly successful_connections: number;
    readonly disconnections: number;
    readonly messages_sent: number;
    readonly messages_received: number;
    readonly errors_by_type: Readonly<Record<string, number>>;
  };
}

export class DemoStage {
  /** Ids of all messages that were answered with 201. */
  readonly accepted: string[] = [];
  readonly #stack: Stack;
  readonly #pool: Pool;
  readonly #env: Readonly<Record<string, string>>;
  readonly #log: { write(line: string): void };
  readonly #publisher: Running;
  #broker: EmbeddedBroker;
  #acker: Running | null = null;

  private constructor(parts: StageParts, publisher: Running) {
    this.#stack = parts.stack;
    this.#pool = parts.pool;
    this.#env = parts.env;
    this.#log = parts.log;
    this.#broker = parts.broker;
    this.#publisher = publisher;
    this.#stack.add({ name: "the broker", limitMs: 5_000, stop: () => this.#broker.stop() });
    this.#stack.add({ name: "the acker", limitMs: 6_000, stop: () => this.#acker?.stop() });
    this.#stack.add({ name: "the publisher", limitMs: 6_000, stop: () => publisher.stop() });
  }

  /** Starts everything, with its files in `folder`. `stack` stops it, also when this throws. */
  static async open(folder: string, stack: Stack, signal: AbortSignal): Promise<DemoStage> {
    const parts = await openParts(folder, stack, signal);
    const options = { logStream: parts.log };
    const publisher = await working("publisher", await startPublisher(parts.env, options));
    const stage = new DemoStage(parts, publisher);
    await stage.startAcker();
    return stage;
  }

  async startAcker(): Promise<void> {
    const env = { ...this.#env, ACKTOR_TOPICS: "demo/#" };
    const service = await startAcker(env, { logStream: this.#log });
    if (service.ok) this.#acker = service;
    await working("acker", service);
  }

  async stopAcker(): Promise<void> {
    await this.#acker?.stop();
    this.#acker = null;
  }

  async takeBrokerAway(): Promise<void> {
    await this.#broker.stop();
  }

  async bringBrokerBack(): Promise<void> {
    this.#broker = expect(await startBroker({ port: this.#broker.port, narrator: SILENT }));
  }

  /** Sends one message by HTTP; any answer but 201 ends the demonstration. */
  async send(topic: string, content: string): Promise<void> {
    const response = await fetch(`${this.#publisher.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ topic, content }),
    });
    const answer = (await response.json()) as { message_id?: string };
    if (response.status !== 201 || answer.message_id === undefined) {
      throw new DemoFailure(`POST /v1/messages answered ${response.status}: ${JSON.stringify(answer)}`);
    }
    this.accepted.push(answer.message_id);
  }

  async status(): Promise<PublisherStatus> {
    const response = await fetch(`${this.#publisher.url}/v1/status`);
    return (await response.json()) as PublisherStatus;
  }

  async sql<Row>(text: string, params: readonly Param[] = []): Promise<readonly Row[]> {
    const result = await this.#pool.run<Row>(text, params);
    if (!result.ok) throw new DemoFailure(`SQL failed: ${result.failure.message}`);
    return result.rows;
  }
}

interface StageParts {
  readonly stack: Stack;
  readonly pool: Pool;
  readonly env: Readonly<Record<string, string>>;
  readonly log: { write(line: string): void };
  readonly broker: EmbeddedBroker;
}

async function openParts(folder: string, stack: Stack, signal: AbortSignal): Promise<StageParts> {
  const log = openLogFile(path.join(folder, "acktor.log"));
  stack.add({ name: "the log", limitMs: 1_000, stop: () => log.close() });
  const dataDir = path.join(folder, "postgres");
  const postgres = expect(await startPostgres({ dataDir, port: await freePort(), narrator: SILENT, signal }));
  stack.add({ name: "PostgreSQL", limitMs: 20_000, stop: () => postgres.stop() });
  const pool = createPool({ url: postgres.url, size: 1, applicationName: "acktor-demo" });
  stack.add({ name: "the demo's connection", limitMs: 5_000, stop: () => pool.stop() });
  const broker = expect(await startBroker({ port: 0, narrator: SILENT }));
  const env = { DATABASE_URL: postgres.url, MQTT_URL: broker.url, HTTP_PORT: "0" };
  return { stack, pool, env, log, broker };
}

function expect<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new DemoFailure(describeFailure(outcome.failure));
}

async function working(name: string, service: StartResult): Promise<Running> {
  if (!service.ok) throw new DemoFailure(`the ${name} did not start: ${service.faults.join("; ")}`);
  const started = await service.started;
  if (!started.ok) throw new DemoFailure(`the ${name} cannot run: ${started.fault}`);
  return service;
}
