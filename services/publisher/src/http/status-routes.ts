/** What people look at: `/v1/stats` (S22) and `/v1/status` (S7, S8). */
import type { Pool } from "@acktor/shared/db/pool";
import type { LinkInfo } from "@acktor/shared/link/link";
import { sendFault } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance } from "fastify";
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
  readonly status: () => object;
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
    "/v1/events",
    "/v1/audit",
    "/readyz?verbose",
    "/metrics",
    "/version",
  ],
};

export function addStatusRoutes(app: FastifyInstance, { pool, status }: StatusRoutes): void {
  const stats = new StatsCache(
    () => readStats(pool),
    () => performance.now(),
  );
  app.get("/v1/stats", async (_request, reply) => {
    const result = await stats.read();
    return result.ok ? result.value : sendFault(reply, databaseFault(result.failure));
  });
  app.get("/v1/status", async () => status());
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
