/** The acker's routes in `/openapi.json`. */

import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import { HEALTH_DOCS } from "@acktor/shared/runtime/health-docs";
import type { RouteDocs } from "@acktor/shared/runtime/openapi";
import { z } from "zod";
import { commandBody, targetQuery } from "./command-routes.ts";

const command = (name: string): RouteDocs[string] => ({
  summary: `Command ${name} to this acker.`,
  query: targetQuery,
  body: commandBody,
  answers: { 200: { description: "Obeyed.", schema: z.looseObject({}) } },
  faults: ["conflict", "invalid_field", "unknown_field", "stopping", "no_answer"],
});

export const ACKER_DOCS: RouteDocs = {
  ...HEALTH_DOCS,
  "GET /v1/status": {
    summary: "This process: connection, counters, queue.",
    answers: {
      200: {
        description: "As it is.",
        schema: z.looseObject({ service: z.literal("acker"), connection: z.looseObject({ state: z.string() }) }),
      },
    },
  },
  "GET /v1/machines": {
    summary: "Every actor of this process.",
    query: z.strictObject({ recent: z.enum(["true", "false"]).optional() }),
    answers: {
      200: {
        description: "As they stand; with `recent=true` the newest events too.",
        schema: z.looseObject({ actors: z.array(z.looseObject({ actor: z.string(), machine: z.string() })) }),
      },
    },
  },
  ...Object.fromEntries(Object.entries(COMMAND_ROUTES).map(([route, name]) => [`POST ${route}`, command(name)])),
};
