/** What the acker shows over HTTP in addition to health and metrics: its status, and its actors. */
import type { FastifyInstance } from "fastify";
import type { AckerControl } from "./acker-control.ts";
import type { AckerView } from "./view.ts";

export function addRoutes(app: FastifyInstance, view: AckerView, control: AckerControl): void {
  app.get("/v1/status", async () => view.status());
  app.get("/v1/machines", async (request) => {
    const { recent } = request.query as { readonly recent?: unknown };
    return control.machines(view.actors(), recent === "true");
  });
}
