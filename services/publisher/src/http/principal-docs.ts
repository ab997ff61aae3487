/** Descriptions of the routes about principals. */
import type { RouteDocs } from "@acktor/shared/runtime/openapi";
import { z } from "zod";
import { SCOPES } from "../principals/principal.ts";
import { principalBody } from "./principal-routes.ts";

const rights = z.strictObject({
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  topics: z.strictObject({ write: z.array(z.string()), read: z.array(z.string()) }).describe("MQTT filters."),
  requests_per_second: z.int().nullable(),
  most_waiting: z.int().nullable(),
  expires_at: z.string().nullable(),
});
const principal = rights.extend({
  created_at: z.string(),
  created_by: z.string(),
  revoked_at: z.string().nullable(),
});

export const PRINCIPAL_DOCS: RouteDocs = {
  "GET /v1/me": {
    summary: "Whose request this is, and what that principal may do.",
    answers: {
      200: {
        description: "`authenticated` is false for a caller without a token, where none is needed.",
        schema: rights.extend({ authenticated: z.boolean() }).strict(),
      },
    },
  },
  "GET /v1/principals": {
    summary: "Principals, those in force first; without their tokens.",
    answers: { 200: { description: "At most 2,000.", schema: z.strictObject({ principals: z.array(principal) }) } },
    faults: ["database_unavailable"],
  },
  "POST /v1/principals": {
    summary: "Make a principal with a token.",
    body: principalBody,
    headers: { "X-Acktor-User": "A name for the audit, kept as `said`." },
    answers: {
      201: { description: "The token is shown this once.", schema: principal.extend({ token: z.string() }).strict() },
    },
    faults: ["invalid_field", "unknown_field", "conflict", "database_unavailable"],
  },
  "DELETE /v1/principals/:name": {
    summary: "Revoke a principal's token.",
    headers: { "X-Acktor-User": "A name for the audit, kept as `said`." },
    answers: { 200: { description: "Every publisher refuses it within a second.", schema: principal } },
    faults: ["not_found", "invalid_field", "database_unavailable"],
  },
};
