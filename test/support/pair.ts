/**
 * A publisher and an acker as real processes with their own database: the stage of end-to-end tests.
 * SQL decides the result (the judge of tools/chaos).
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { installAudit } from "@acktor/chaos/check/audit";
import type { Expectation, FinalState } from "@acktor/chaos/check/judge";
import { createPool, type Param, type Pool } from "@acktor/shared/db/pool";
import type { BrokerCase, TestBroker } from "./brokers.ts";
import { assertDelivered } from "./checker.ts";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import { testDatabase } from "./postgres.ts";
import { type Environment, type Service, startService } from "./processes.ts";
import { until } from "./until.ts";

/** Shorter waits than in production: the logic is the same, and recovery takes seconds. */
export const QUICK: Environment = {
  ACKTOR_ACK_TIMEOUT_MIN: "500ms",
  ACKTOR_RETRY_BASE: "200ms",
  ACKTOR_RETRY_CAP: "1s",
  ACKTOR_BACKOFF_BASE: "100ms",
  ACKTOR_BACKOFF_CAP: "1s",
  ACKTOR_KEEPALIVE: "2s",
  ACKTOR_LEASE: "5s",
};

/** Log messages of internal errors. No external fault may make a service log one. */
const OWN_ERROR = /uncaught|unhandled|(Type|Reference|Range|Syntax)Error|ended by an error|a role ended/i;

export interface Stage {
  readonly databaseUrl: string;
  readonly broker: TestBroker;
  readonly pool: Pool;
  /** Starts a publisher and waits until it is ready and connected. `env` overrides the stage's. */
  publisher(env?: Environment): Promise<PublisherProcess>;
  /** Starts an acker of all topics below `e2e/` and waits until it is ready. */
  acker(env?: Environment): Promise<Service>;
  /** Rows of a statement that must succeed. */
  sql<Row = Record<string, unknown>>(text: string, params?: readonly Param[]): Promise<readonly Row[]>;
  /**
   * Waits until every row of the outbox is final, then judges; a row that stays live counts as lost. Earlier expectations
   * stay, so that several scenes can use one stage. Fails when a service logged an internal error.
   */
  assertDelivered(expected: Expectation, timeoutMs?: number): Promise<void>;
}

export interface StageOptions {
  readonly broker: BrokerCase;
  /** Settings of every service of the stage; they override QUICK. */
  readonly env?: Environment;
  /** The test's own server, which the test can kill. Default: a database on the shared server. */
  readonly databaseUrl?: string;
}

/** Sets the stage: database, both schemas, audit, broker. Everything ends with the test. */
export async function setStage(t: TestContext, options: StageOptions): Promise<Stage> {
  const databaseUrl = options.databaseUrl ?? (await testDatabase(t)).url;
  const pool = createPool({ url: databaseUrl, size: 3, applicationName: "acktor-checker", deadlineMs: 10_000 });
  cleanUp(t, () => pool.stop());
  await installAudit(pool);
  const broker = await options.broker.start(t);
  const common: Environment = {
    DATABASE_URL: databaseUrl,
    MQTT_URL: broker.url,
    ...QUICK,
    ...options.broker.env,
    ...options.env,
  };
  const sql = async <Row>(text: string, params: readonly Param[] = []): Promise<readonly Row[]> => {
    const result = await pool.run<Row>(text, params);
    if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
    return [...result.rows];
  };
  const services: Service[] = [];
  const started = <S extends Service>(service: S): S => {
    services.push(service);
    return service;
  };
  const sofar = { accepted: [] as string[], endsAs: new Map<string, FinalState>(), foreign: new Set<string>() };
  return {
    databaseUrl,
    broker,
    pool,
    sql,
    publisher: async (env = {}) => started(await startPublisher(t, { ...common, ...env })),
    async acker(env = {}) {
      const service = started(await startService(t, "acker", { ...common, ACKTOR_TOPICS: "e2e/#", ...env }));
      await service.ready();
      return service;
    },
    async assertDelivered({ accepted, endsAs = new Map(), foreign = new Set() }, timeoutMs = 30_000) {
      sofar.accepted.push(...accepted);
      for (const [id, state] of endsAs) sofar.endsAs.set(id, state);
      for (const id of foreign) sofar.foreign.add(id);
      await allEnded(sql, timeoutMs);
      await assertDelivered(pool, sofar);
      for (const service of services) assert.doesNotMatch(service.output(), OWN_ERROR);
    },
  };
}

/** Waits until no row is live. The verdict names rows that stay live. */
async function allEnded(sql: Stage["sql"], timeoutMs: number): Promise<void> {
  const live = "select count(*)::int4 live from publisher.message_delivery where due_at is not null";
  const end = performance.now() + timeoutMs;
  await until(
    async () => (await sql<{ live: number }>(live))[0]?.live === 0 || performance.now() > end,
    timeoutMs + 5_000,
    "every message to end",
  );
}

/** The outcome of one request: `unknown` is neither accepted nor refused. */
export type Answer =
  | { readonly kind: "accepted"; readonly status: number; readonly id: string; readonly state: string }
  | { readonly kind: "refused"; readonly status: number; readonly error: ErrorAnswer; readonly headers: Headers }
  | { readonly kind: "unknown"; readonly status: number | null; readonly why: string };

export interface ErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly fix: string;
}

export interface PublisherProcess extends Service {
  /** POST /v1/messages. */
  post(body: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** The same; any status but 201 fails the test. @returns the id */
  send(body: object): Promise<string>;
  /** POST to any route with any body. Pass text or bytes for a body that is not JSON. */
  request(
    route: string,
    body: object | string | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>;
  /** The state of a message in GET /v1/messages/:id. */
  state(id: string): Promise<string>;
}

export interface Reply {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** Pass HTTP_PORT in `env` to start a killed publisher again on its port, so that its callers reach it. */
async function startPublisher(t: TestContext, env: Environment): Promise<PublisherProcess> {
  const service = await startService(t, "publisher", { HTTP_PORT: String(await anyPort()), ...env });
  await service.ready();
  // A publisher is ready without a broker: it would miss an ack that a test sends too early.
  await until(async () => (await linkState(service)) === "CONNECTED", 30_000, "the publisher to be CONNECTED");
  return withClient(service);
}

function withClient(service: Service): PublisherProcess {
  const request: PublisherProcess["request"] = async (route, body, headers = {}) => {
    const raw = typeof body === "string" || Buffer.isBuffer(body);
    const response = await fetch(`${service.url}${route}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: raw ? (body as string | Buffer<ArrayBuffer>) : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    return {
      status: response.status,
      json: (await response.json()) as Record<string, unknown>,
      headers: response.headers,
    };
  };
  const post: PublisherProcess["post"] = async (body, headers = {}) => {
    try {
      return toAnswer(await request("/v1/messages", body, headers));
    } catch (error) {
      return { kind: "unknown", status: null, why: String(error) };
    }
  };
  return {
    ...service,
    request,
    post,
    async send(body) {
      const answer = await post(body);
      if (answer.kind === "accepted") return answer.id;
      throw new Error(`not accepted: ${JSON.stringify(answer)}\n${service.output()}`);
    },
    async state(id) {
      const response = await fetch(`${service.url}/v1/messages/${id}`);
      const row = (await response.json()) as { state?: string };
      return row.state ?? `HTTP ${response.status}`;
    },
  };
}

/** What a caller received, from the answer to POST /v1/messages. */
export function toAnswer({ status, json, headers }: Reply): Answer {
  if (status === 200 || status === 201) {
    return { kind: "accepted", status, id: String(json["message_id"]), state: String(json["state"]) };
  }
  const error = json["error"] as ErrorAnswer;
  if (status >= 400 && status < 500) return { kind: "refused", status, error, headers };
  return { kind: "unknown", status, why: JSON.stringify(json) };
}

/** State of a service's connection: both services report it on /v1/status. */
export async function linkState(service: Service): Promise<string> {
  const response = await fetch(`${service.url}/v1/status`);
  const { connection } = (await response.json()) as { connection?: { state: string } };
  return connection?.state ?? "unknown";
}

/** A topic below `e2e/` that no other test of the run has. */
export function anyTopic(): string {
  return `e2e/${randomBytes(4).toString("hex")}`;
}
