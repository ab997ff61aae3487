/** What people look at: `/v1/stats` (S22), `/v1/status` (S7, S8), `/v1/machines`; and the operator's link commands. */
import type { Pool } from "@acktor/shared/db/pool";
import type { CommandResult, Link, LinkInfo } from "@acktor/shared/link/link";
import { sendFault } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance, FastifyReply } from "fastify";
import { readStats } from "../outbox/read-stats.ts";
import { StatsCache } from "../outbox/stats-cache.ts";
import { databaseFault } from "./faults.ts";

/** One actor as `/v1/machines` shows it; contexts hold no payloads and no secrets. */
export interface MachineView {
  readonly service: string;
  readonly instance: string;
  readonly actor: string;
  readonly machine: string;
  readonly value: unknown;
  readonly context: unknown;
}

export interface StatusRoutes {
  readonly pool: Pool;
  readonly link: Link;
  readonly status: () => object;
  readonly machines: () => readonly MachineView[];
}

/** Where to look: what a program that asks for `/` gets. */
export const INDEX = {
  service: "acktor publisher",
  look: [
    "/v1/overview",
    "/v1/status",
    "/v1/stats",
    "/v1/messages",
    "/v1/machines",
    "/readyz?verbose",
    "/metrics",
    "/version",
  ],
};

export function addStatusRoutes(app: FastifyInstance, { pool, link, status, machines }: StatusRoutes): void {
  const stats = new StatsCache(
    () => readStats(pool),
    () => performance.now(),
  );
  app.get("/v1/stats", async (_request, reply) => {
    const result = await stats.read();
    return result.ok ? result.value : sendFault(reply, databaseFault(result.failure));
  });
  app.get("/v1/status", async () => status());
  app.get("/v1/machines", async () => ({ actors: machines() }));

  app.post("/v1/link/connect", async (_request, reply) => answer(reply, await link.connect(), link));
  app.post("/v1/link/disconnect", async (_request, reply) => answer(reply, await link.disconnect(), link));
  app.post("/v1/link/reset", async (_request, reply) => answer(reply, link.reset(), link));
  app.post("/v1/breaker/open", async (_request, reply) => answer(reply, link.openBreaker(), link));
  app.post("/v1/breaker/close", async (_request, reply) => answer(reply, link.closeBreaker(), link));
}

function answer(reply: FastifyReply, result: CommandResult, link: Link): FastifyReply {
  if (!result.ok) {
    const fix = "Look at the states in GET /v1/status: this command is not possible from them.";
    return sendFault(reply, { code: "conflict", message: result.reason, fix });
  }
  const { state, breaker } = link.info();
  return reply.send({ state, breaker });
}

/** S8 under the tutorial's names, more beside them. */
export function connectionInfo(info: LinkInfo): object {
  return {
    state: info.state,
    breaker: info.breaker,
    broker: info.broker,
    client_id: info.clientId,
    protocol_version: info.protocolVersion,
    uptime_seconds: info.uptimeMs === null ? null : info.uptimeMs / 1_000,
    connected_at: isoOrNull(info.connectedAt),
    disconnected_at: isoOrNull(info.disconnectedAt),
    last_activity_at: isoOrNull(info.lastActivityAt),
    last_error: info.lastError === null ? null : { ...info.lastError, at: isoOrNull(info.lastError.at) },
    retry_count: info.retryCount,
    next_attempt_at: isoOrNull(info.nextAttemptAt),
    in_flight: info.inFlight,
    limits: info.limits,
  };
}

/** S7 under the tutorial's names. */
export function linkStatistics({ stats }: LinkInfo): object {
  return {
    connection_attempts: stats.connectionAttempts,
    successful_connections: stats.successfulConnections,
    disconnections: stats.disconnections,
    messages_sent: stats.messagesSent,
    messages_received: stats.messagesReceived,
    breaker_openings: stats.breakerOpenings,
    errors_by_type: stats.errorsByType,
  };
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
