/** Documentation of the routes of `http-server.ts`, which both services have. */
import { z } from "zod";
import type { RouteDocs } from "./openapi.ts";

const readiness = z.strictObject({
  status: z.enum(["ok", "degraded", "unavailable"]),
  checks: z.record(z.string(), z.string()).optional(),
});

export const HEALTH_DOCS: RouteDocs = {
  "GET /livez": {
    summary: "Whether the process is alive.",
    answers: { 200: { description: "It is alive.", schema: z.strictObject({ status: z.literal("ok") }) } },
  },
  "GET /readyz": {
    summary: "Whether the service can work.",
    query: z.strictObject({ verbose: z.string().describe("Includes the single checks.").optional() }),
    answers: {
      200: { description: "Ready; `degraded` where a dependency fails that is not essential.", schema: readiness },
      503: { description: "Not ready, with the single checks.", schema: readiness },
    },
  },
  "GET /version": {
    summary: "The running version.",
    answers: {
      200: {
        description: "Service, version, Node.",
        schema: z.strictObject({ service: z.string(), version: z.string(), node: z.string() }),
      },
    },
  },
  "GET /metrics": {
    summary: "Metrics for Prometheus.",
    answers: { 200: { description: "Text format 0.0.4.", schema: null, type: "text/plain" } },
  },
  "GET /openapi.json": {
    summary: "This document.",
    answers: {
      200: {
        description: "OpenAPI 3.1.",
        schema: z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) }),
      },
    },
  },
};
