/** Descriptions of the routes about the service: status, machines, commands. */

import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import type { RouteDocs } from "@acktor/shared/runtime/openapi";
import { z } from "zod";
import { auditQuery, commandBody, targetQuery } from "./command-routes.ts";
import { machinesQuery } from "./machine-routes.ts";

const byState = z.looseObject({ count: z.number(), avg_retries: z.number() });

const stats = z.strictObject({
  by_state: z.record(z.string(), byState),
  total_messages: z.number(),
  success_rate: z.number().describe("Percent."),
  pending_count: z.number(),
});

const machines = z.looseObject({
  actors: z.array(z.looseObject({ actor: z.string(), machine: z.string() })),
  instances: z.array(z.looseObject({ instance: z.string(), boot: z.string() })),
  definitions: z.array(z.looseObject({ id: z.string() })),
  bus: z.looseObject({ kind: z.enum(["local", "nats"]), connected: z.boolean(), partial: z.boolean() }),
});

const audit = z.strictObject({
  actions: z.array(
    z.looseObject({
      at: z.string(),
      who: z.string().describe("The authenticated principal, or the address of a caller that was refused."),
      said: z.string().nullable().describe("The name that the caller gave for itself, unproven."),
      action: z.string(),
      outcome: z.string(),
    }),
  ),
  next_before: z.string().nullable(),
});

const command = (name: string): RouteDocs[string] => ({
  summary: `Operator's command: ${name}. Of this process, or with \`service\` and \`instance\` of another one.`,
  query: targetQuery,
  body: commandBody,
  headers: { "X-Acktor-User": "A name for the audit, next to the principal: kept as `said`." },
  answers: {
    200: {
      description: "Obeyed. With `instance=all` the answers of all of them, in `replies`.",
      schema: z.looseObject({}),
    },
  },
  faults: ["conflict", "invalid_field", "unknown_field", "database_unavailable", "no_answer"],
});

export const SERVICE_DOCS: RouteDocs = {
  "GET /": {
    summary: "Where to look: the console for browsers, an index for programs.",
    answers: { 200: { description: "Routes, or the page.", schema: z.looseObject({ service: z.string() }) } },
  },
  "GET /assets/:file": {
    summary: "A file of the console.",
    answers: {
      200: { description: "The file.", schema: null, type: "*/*" },
      304: { description: "It is the one that is known.", schema: null },
    },
    faults: ["not_found"],
  },
  "GET /v1/overview": {
    summary: "What the console's first page shows.",
    answers: { 200: { description: "Numbers of this publisher, and its warnings.", schema: z.looseObject({}) } },
  },
  "GET /v1/stats": {
    summary: "Messages by state.",
    answers: { 200: { description: "Counts, mean retries, success rate.", schema: stats } },
    faults: ["database_unavailable"],
  },
  "GET /v1/status": {
    summary: "This process: connection, counters, destinations.",
    answers: {
      200: {
        description: "As it is.",
        schema: z.looseObject({ service: z.literal("publisher"), connection: z.looseObject({ state: z.string() }) }),
      },
    },
  },
  "GET /v1/machines": {
    summary: "Every actor of every instance on the bus.",
    query: machinesQuery,
    answers: { 200: { description: "As they stand.", schema: machines } },
    faults: ["invalid_field", "unknown_field"],
  },
  "GET /v1/events": {
    summary: "What moves, as server-sent events: snapshot, inspect, instance, gone, bus.",
    answers: { 200: { description: "Until either side ends it.", schema: null, type: "text/event-stream" } },
    faults: ["too_many_viewers"],
  },
  "GET /v1/audit": {
    summary: "What operators asked, newest first.",
    query: auditQuery,
    answers: { 200: { description: "A page; `next_before` is null at the end.", schema: audit } },
    faults: ["invalid_field", "unknown_field", "database_unavailable"],
  },
  ...Object.fromEntries(Object.entries(COMMAND_ROUTES).map(([route, name]) => [`POST ${route}`, command(name)])),
};
