/** What the acker shows over HTTP beside health and metrics: its status, and its actors. */
import type { MachinesView } from "@acktor/shared/inspect/wire";
import type { FastifyInstance } from "fastify";
import type { Counts } from "./counts.ts";

export interface AckerStatus {
  readonly service: "acker";
  readonly instance: string;
  readonly version: string;
  readonly state: string;
  readonly receiver: string;
  readonly handler: string;
  readonly topics: readonly string[];
  readonly group: string | null;
  readonly database: { readonly up: boolean; readonly fault: string | null };
  /** S8 and S7, as the publisher has them. */
  readonly connection: object;
  readonly statistics: object;
  readonly received: number;
  readonly messages: Counts["messages"];
  readonly handled: Counts["handler"];
  readonly acks: Counts["acks"];
  /** Messages, except `bytes`. */
  readonly queue: {
    readonly held: number;
    readonly bytes: number;
    readonly waiting: number;
    readonly handling: number;
    readonly acks: number;
  };
}

/** One actor as people see it; contexts carry no payloads. */
export interface ActorView {
  readonly service: "acker";
  readonly instance: string;
  readonly actor: string;
  readonly machine: string;
  readonly value: unknown;
  readonly context: object;
}

export interface RouteSource {
  readonly status: () => AckerStatus;
  /** @param recent with the newest events */
  readonly machines: (recent: boolean) => MachinesView;
}

export function addRoutes(app: FastifyInstance, source: RouteSource): void {
  app.get("/v1/status", async () => source.status());
  app.get("/v1/machines", async (request) => {
    return source.machines((request.query as { readonly recent?: unknown }).recent === "true");
  });
}
