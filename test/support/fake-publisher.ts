/**
 * The console's server without a publisher: it serves the built console under the publisher's headers, and gives the answers
 * that a test sets. For what a real pair does not do on demand: large fleets, floods of events, 401.
 */
import type { TestContext } from "node:test";
import { addConsoleRoutes } from "@acktor/publisher/http/console-routes";
import { ANNOUNCE_EVERY_MS, type InspectEvent, type StreamEvents } from "@acktor/shared/inspect/wire";
import { addressOf } from "@acktor/shared/runtime/http-server";
import Fastify, { type FastifyReply } from "fastify";
import { cleanUp } from "./cleanup.ts";
import { DEFINITIONS, type FakeInstance } from "./fake-fleet.ts";

const NOW = (): string => new Date().toISOString();

export interface FakePublisher {
  readonly url: string;
  send<K extends keyof StreamEvents>(type: K, data: StreamEvents[K]): void;
  inspect(event: InspectEvent): void;
  /** Ends every stream that is open. */
  hangUp(): void;
  /** Viewers of the stream. */
  viewers(): number;
  /** POSTs, as `path body`. */
  readonly posts: readonly string[];
  /** Requests that a restricted token may not make, and requests for the audit, in order of arrival. */
  readonly asked: readonly string[];
  /** Overrides the answer of GET /v1/overview; the default has no trouble. */
  overview: Record<string, unknown>;
}

export interface FakeOptions {
  readonly fleet: readonly FakeInstance[];
  /** The required bearer token, when one is set. */
  readonly token?: string;
  readonly messages?: readonly Record<string, unknown>[];
  /** The answer of GET /v1/me. Default: 404, as from a publisher without principals. */
  readonly me?: Record<string, unknown>;
  readonly audit?: readonly Record<string, unknown>[];
  readonly principals?: readonly Record<string, unknown>[];
}

export async function startFakePublisher(t: TestContext, options: FakeOptions): Promise<FakePublisher> {
  const { fleet, token, messages = [], me, audit = [], principals = [] } = options;
  const app = Fastify({ forceCloseConnections: true });
  const streams = new Set<FastifyReply>();
  const posts: string[] = [];
  const asked: string[] = [];
  const wanted = token === undefined ? undefined : `Bearer ${token}`;
  app.addHook("onRequest", async (request, reply) => {
    if (wanted === undefined || !request.url.startsWith("/v1") || request.headers.authorization === wanted) return;
    return reply.code(401).send({ error: { code: "unauthorized", message: "the token is wrong", fix: "" } });
  });
  app.addHook("preHandler", async ({ method, url, body, headers }) => {
    if (method === "POST" || method === "DELETE")
      posts.push(`${url} ${JSON.stringify(body)} ${headers["content-type"]}`);
    if (/^\/v1\/(overview|stats|status|machines|events)/.test(url)) asked.push(url);
  });
  const fake = {
    overview: {} as Record<string, unknown>,
    posts,
    asked,
    url: "",
    send: (type: string, data: unknown) => {
      for (const { raw } of streams) raw.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    inspect: (event: InspectEvent) => fake.send("inspect", event),
    hangUp: () => {
      for (const { raw } of streams) raw.destroy();
    },
    viewers: () => streams.size,
  };
  const view = () => {
    const bus = { kind: "local", connected: true, partial: false };
    return { actors: [], instances: fleet.map((one) => one.snapshot()), definitions: DEFINITIONS, bus };
  };
  addConsoleRoutes(app, {});
  app.get("/v1/machines", async () => view());
  app.get("/v1/events", (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { "content-type": "text/event-stream" });
    reply.raw.write(`event: snapshot\ndata: ${JSON.stringify(view())}\n\n`);
    streams.add(reply);
    reply.raw.on("close", () => streams.delete(reply));
  });
  if (me !== undefined) app.get("/v1/me", async () => me);
  const known = [...principals];
  app.get("/v1/principals", async () => ({ principals: known }));
  app.post("/v1/principals", async (request, reply) => {
    const body = request.body as Record<string, unknown>;
    if (body["name"] === "taken")
      return reply.code(409).send({ error: { code: "conflict", message: "the name is in force", fix: "Revoke it." } });
    const made = { topics: { write: [], read: [] }, expires_at: null, revoked_at: null, ...body };
    known.unshift({ ...made, created_at: NOW(), created_by: "ops" });
    return reply.code(201).send({ ...made, token: TOKEN });
  });
  app.delete("/v1/principals/:name", async (request) => {
    const { name } = request.params as { readonly name: string };
    const at = known.findIndex((one) => one["name"] === name);
    known[at] = { ...known[at], revoked_at: NOW() };
    return known[at];
  });
  app.get("/v1/audit", async (request) => {
    const { who, action, before, limit } = request.query as Record<string, string | undefined>;
    asked.push(request.url);
    const below = audit.filter((one) => before === undefined || Number(one["action_id"]) < Number(before));
    const found = below.filter(
      (one) => (who === undefined || one["who"] === who) && (action === undefined || one["action"] === action),
    );
    const actions = found.slice(0, Number(limit));
    return { actions, next_before: found.length > actions.length ? actions.at(-1)?.["action_id"] : null };
  });
  app.get("/v1/overview", async () => ({ ...CALM(), ...fake.overview }));
  app.get("/v1/stats", async () => STATS);
  app.get("/v1/messages", async () => ({ messages, next_before: null }));
  app.get("/v1/messages/:id", async (request, reply) => {
    const { id } = request.params as { readonly id: string };
    const found = messages.find((message) => message["message_id"] === id);
    return found ?? reply.code(404).send({ error: { code: "not_found", message: "there is none", fix: "" } });
  });
  app.get("/v1/messages/:id/receipts", async () => ({ receipts: [], ackers: { known: 0, answered: 0 } }));
  app.get("/v1/dead-letters", async () => ({ groups: DEAD, complete: true }));
  app.post("/v1/messages/batch", async () => ({ message_ids: Array.from({ length: 100 }, () => ID) }));
  app.post("/v1/messages/cancel", async () => ({ dry_run: true, matched: 3, cancelled: 0, refused: 0 }));
  app.post("/v1/dead-letters/replay", async () => ({
    dry_run: true,
    matched: 17,
    replayed: 0,
    refused: 0,
    refusals: [],
  }));
  app.post("/v1/link/:verb", async () => ({ state: "DISCONNECTED", breaker: "CLOSED" }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  cleanUp(t, () => app.close());
  const announcing = setInterval(() => {
    for (const one of fleet) fake.send("instance", one.snapshot());
  }, ANNOUNCE_EVERY_MS);
  cleanUp(t, () => clearInterval(announcing));
  fake.url = addressOf(app);
  return fake as FakePublisher;
}

/** The answer to the creation of a token. */
export const TOKEN = "acktor_4f9Qm2hZ8vXc1nB7tY5wK3rL6pD0sJgE";

export const ID = "019ab1b5-7a3c-7d10-8c55-0242ac120002";

/** A message that went through an outage. */
export const MESSAGE: Readonly<Record<string, unknown>> = {
  message_id: ID,
  topic: "plant/7/pressure",
  payload: '{"bar":4.2}',
  content_encoding: "utf8",
  content_type: "application/json",
  qos: 1,
  retain: false,
  requires_ack: true,
  state: "acknowledged",
  created_at: "2026-11-26T10:00:00.000Z",
  updated_at: "2026-11-26T10:00:09.120Z",
  retry_count: 1,
  max_retries: null,
  ttl_seconds: null,
  deliver_at: null,
  expires_at: null,
  checksum: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  reason: null,
  ordering_key: null,
  due_at: null,
  parked: false,
  lease_owner: null,
  sent_at: "2026-11-26T10:00:09.000Z",
  acknowledged_at: "2026-11-26T10:00:09.120Z",
  ack_level: "processed",
  late: false,
  attempts: [
    attempt(1, "lost", null, "2026-11-26T10:00:00.010Z", "CLOSED"),
    attempt(2, "acked", 0, "2026-11-26T10:00:09.000Z", "HALF_OPEN"),
  ],
  attempts_total: 2,
  acks_total: 1,
  acks: [{ client_id: "acker-1", acknowledged_at: "2026-11-26T10:00:09.120Z", late: false, level: "processed" }],
};

function attempt(number: number, outcome: string, code: number | null, sentAt: string, breaker: string): object {
  return { attempt: number, outcome, reason_code: code, breaker, sent_at: sentAt, client_id: null, detail: null };
}

const COUNTS = { pending: 12, sent: 3, acknowledged: 1_204_388, failed: 19, expired: 2 };
const STATS = {
  by_state: Object.fromEntries(Object.entries(COUNTS).map(([state, count]) => [state, { count, avg_retries: 0 }])),
  total_messages: 1_204_424,
  success_rate: 99.998,
  pending_count: 15,
};
const DEAD = [
  { reason: "max_retries", state: "failed", count: 17, oldest: NOW(), newest: NOW() },
  { reason: null, state: "expired", count: 2, oldest: NOW(), newest: NOW() },
];

const CALM = () => ({
  at: Date.now(),
  service: "publisher",
  instance: "publisher-1",
  version: "0.1.0",
  state: "RUNNING",
  counts: COUNTS,
  success_rate: 99.998,
  rates: { window_seconds: 10, accepted: 203 + 20 * Math.random(), published: 205, acknowledged: 198 },
  waiting: 15,
  high_water: 1_000_000,
  oldest_waiting_seconds: 1.4,
  end_to_end: { window_seconds: 300, samples: 60_000, p50_ms: 2.6, p95_ms: 8.4 },
  breaker: { state: "CLOSED", openings: 2 },
  dependencies: [
    { name: "postgres", status: "ok", state: null, detail: null },
    { name: "broker", status: "ok", state: "CONNECTED", detail: null, address: "mqtt://127.0.0.1:1883" },
    { name: "nats", status: "off", state: null, detail: null },
  ],
  ackers: [{ instance: "acker-1", filters: ["plant/#"], online: true, since: Date.now() - 60_000 }],
  destinations: [
    { name: "plant/9/valve", ...quiet(), waiting: 12, oldest_at: NOW(), parked: true, parked_at: NOW(), misses: 4 },
    { name: "plant/7/pressure", ...quiet(), unacked: 3, last_answer_at: NOW() },
  ],
  warnings: [],
  outage: null,
});

function quiet(): Record<string, unknown> {
  const times = { oldest_at: null, last_answer_at: null, parked_at: null, probe_at: null };
  return { waiting: 0, unacked: 0, ...times, parked: false, misses: 0 };
}
