/** `GET /v1/stats` and `GET /v1/status`. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/api-error";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import type { FastifyInstance } from "fastify";
import { readStats } from "../outbox/read-stats.ts";
import { StatsCache } from "../outbox/stats-cache.ts";
import { databaseFault } from "./faults.ts";

/** One actor as `/v1/machines` shows it; contexts contain no payloads and no secrets. */
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
  readonly service: StatusSource;
}

export interface StatusSource {
  status(): object;
}

/** The answer to `GET /` for programs. */
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

export function addStatusRoutes(app: FastifyInstance, { pool, service }: StatusRoutes): void {
  const stats = new StatsCache(() => readStats(pool), SYSTEM_CLOCK);
  app.get("/v1/stats", async (_request, reply) => {
    const result = await stats.read();
    return result.ok ? result.value : sendFault(reply, databaseFault(result.failure));
  });
  app.get("/v1/status", async () => service.status());
}
