/**
 * `GET /v1/me`, and the admins' routes for principals: `POST|GET /v1/principals`, `DELETE /v1/principals/:name`.
 *
 * Invariants:
 *  TOKEN-1. A token leaves this process once, in the answer to its creation.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { filterFault } from "@acktor/shared/protocol/topics";
import { sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { createPrincipal, listPrincipals, revokePrincipal } from "../principals/change-principals.ts";
import { type Principal, RESERVED_NAMES, SCOPES } from "../principals/principal.ts";
import type { PrincipalBook } from "../principals/principal-book.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { MOST_PRINCIPALS } from "../principals/read-principals.ts";
import { hashOf, makeToken } from "../principals/token.ts";
import { isWild, MOST_FILTER_LENGTH, MOST_FILTERS, MOST_WILD, MOST_WILD_LENGTH } from "../principals/topic-filters.ts";
import { databaseFault, parseQuery } from "./faults.ts";
import { askerOf } from "./who.ts";

const MOST_SECONDS = 3_650 * 86_400;
const MOST_QUOTA = 1_000_000;

const filter = z
  .string()
  .max(MOST_FILTER_LENGTH, `is longer than ${MOST_FILTER_LENGTH} characters`)
  .refine(
    (text) => !isWild(text) || text.length <= MOST_WILD_LENGTH,
    `has a wildcard before its end and is longer than ${MOST_WILD_LENGTH} characters`,
  )
  .superRefine((text, context) => {
    const why = filterFault(text);
    if (why !== null) context.addIssue({ code: "custom", message: why });
  });
const filters = z
  .array(filter)
  .max(MOST_FILTERS, `has more than ${MOST_FILTERS} filters`)
  .refine(
    (list) => list.filter(isWild).length <= MOST_WILD,
    `has more than ${MOST_WILD} filters with a wildcard before their end`,
  );
const quota = z.int().min(1, "must be at least 1").max(MOST_QUOTA, "must be at most 1,000,000").nullish();

export const principalBody = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is not 1 to 63 lower-case letters, digits, dots, dashes or underscores")
    .refine((name) => !RESERVED_NAMES.has(name), "is a name that acktor keeps for itself"),
  scopes: z
    .array(z.enum(SCOPES, "is not send, read, operate or admin"))
    .min(1, "is empty")
    .max(SCOPES.length, "names a scope twice"),
  topics: z
    .strictObject({ write: filters.optional(), read: filters.optional() })
    .optional()
    .describe("MQTT filters. None by default; for an admin every topic."),
  requests_per_second: quota,
  most_waiting: quota.describe("Messages of this principal that may be pending or sent."),
  expires_in_seconds: z.int().min(1, "must be at least 1").max(MOST_SECONDS, "is more than ten years").nullish(),
});

export interface PrincipalRoutes {
  readonly pool: Pool;
  readonly book: PrincipalBook;
}

export function addPrincipalRoutes(app: FastifyInstance, { pool, book }: PrincipalRoutes): void {
  app.get("/v1/me", async (request) => describe(principalOf(request)));

  app.get("/v1/principals", async (_request, reply) => {
    const principals = await listPrincipals(pool);
    return principals.ok ? { principals: principals.value } : sendFault(reply, databaseFault(principals.failure));
  });

  app.post("/v1/principals", async (request, reply) => {
    const body = parseQuery(principalBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const asker = askerOf(request);
    if (!asker.ok) return sendFault(reply, asker.fault);
    if (isHalfAdmin(body.value)) {
      const message = "topics of an admin can only be #: an admin reads the audit of all and makes tokens";
      const fix = 'Leave topics out, or give the scopes "send", "read", "operate" instead.';
      return sendFault(reply, { code: "invalid_field", field: "topics", message, fix });
    }
    const token = makeToken();
    const created = await createPrincipal(pool, toNew(body.value), hashOf(token), asker.value);
    if (!created.ok) return sendFault(reply, databaseFault(created.failure));
    if (created.value.kind === "taken") {
      const message = `the name ${body.value.name} has a token in force, or there are ${MOST_PRINCIPALS} of them`;
      const fix = "Revoke it first (acktor token revoke), or choose another name.";
      return sendFault(reply, { code: "conflict", field: "name", message, fix });
    }
    await book.refreshAfterwards();
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...created.value.principal, token }); // TOKEN-1
  });

  app.delete("/v1/principals/:name", async (request, reply) => {
    const { name } = request.params as { readonly name: string };
    const asker = askerOf(request);
    if (!asker.ok) return sendFault(reply, asker.fault);
    const known = principalBody.shape.name.safeParse(name).success;
    const revoked = known ? await revokePrincipal(pool, name, asker.value) : { ok: true as const, value: null };
    if (!revoked.ok) return sendFault(reply, databaseFault(revoked.failure));
    if (revoked.value === null) {
      const fix = "Look at GET /v1/principals. The holder of ACKTOR_API_TOKEN has no entry there: change that setting.";
      return sendFault(reply, { code: "not_found", message: "no active token has this name", fix });
    }
    await book.refreshAfterwards();
    return revoked.value;
  });
}

/** An admin whose topics are limited would read everything in the audit, and could give itself the rest. */
function isHalfAdmin({ scopes, topics }: z.output<typeof principalBody>): boolean {
  if (!scopes.includes("admin")) return false;
  return [topics?.write, topics?.read].some((list) => list !== undefined && list.join() !== "#");
}

function toNew(body: z.output<typeof principalBody>): Parameters<typeof createPrincipal>[1] {
  const all = body.scopes.includes("admin") ? ["#"] : [];
  return {
    name: body.name,
    scopes: SCOPES.filter((scope) => body.scopes.includes(scope)),
    write: body.topics?.write ?? all,
    read: body.topics?.read ?? all,
    requestsPerSecond: body.requests_per_second ?? null,
    mostWaiting: body.most_waiting ?? null,
    expiresInSeconds: body.expires_in_seconds ?? null,
  };
}

function describe(principal: Principal): object {
  const { name, scopes, write, read, requestsPerSecond, mostWaiting, expiresAt, authenticated } = principal;
  return {
    name,
    scopes: [...scopes],
    topics: { write: write.list, read: read.list },
    requests_per_second: requestsPerSecond,
    most_waiting: mostWaiting,
    expires_at: expiresAt,
    authenticated,
  };
}
