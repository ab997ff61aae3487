/** What is said of the routes that both services have from `http-server.ts`. */
import { z } from "zod";
import type { RouteDocs } from "./openapi.ts";

const readiness = z.strictObject({
  status: z.enum(["ok", "degraded", "unavailable"]),
  checks: z.record(z.string(), z.string()).optional(),
});

export const HEALTH_DOCS: RouteDocs = {
  "GET /livez": {
    summary: "The process works.",
    answers: { 200: { description: "It does.", schema: z.strictObject({ status: z.literal("ok") }) } },
  },
  "GET /readyz": {
    summary: "The service can do its work.",
    query: z.strictObject({ verbose: z.string().describe("With the single checks.").optional() }),
    answers: {
      200: { description: "Ready; `degraded` where something is away that it can do without.", schema: readiness },
      503: { description: "Not ready, with the single checks.", schema: readiness },
    },
  },
  "GET /version": {
    summary: "What runs.",
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
