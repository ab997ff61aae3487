/** What the acker shows over HTTP in addition to health and metrics: its status, and its actors. */
import type { FastifyInstance } from "fastify";
import type { AckerControl } from "./acker-control.ts";
import type { Counts } from "./counts.ts";
import type { AckerView } from "./view.ts";

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
  /** In the same form as the publisher's. */
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

/** One actor as people see it; contexts contain no payloads. */
export interface ActorView {
  readonly service: "acker";
  readonly instance: string;
  readonly actor: string;
  readonly machine: string;
  readonly value: unknown;
  readonly context: object;
}

export function addRoutes(app: FastifyInstance, view: AckerView, control: AckerControl): void {
  app.get("/v1/status", async () => view.status());
  app.get("/v1/machines", async (request) => {
    const { recent } = request.query as { readonly recent?: unknown };
    return control.machines(view.actors(), recent === "true");
  });
}
