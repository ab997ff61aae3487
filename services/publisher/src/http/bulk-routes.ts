/** `POST /v1/messages/states`, `POST /v1/dead-letters/discard`: requests of the `acktor` command for many messages. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/api-error";
import { IDS_BODY } from "@acktor/shared/runtime/body-limits";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { discardDeadLetters } from "../outbox/discard-dead-letters.ts";
import { readStates } from "../outbox/read-states.ts";
import { label, topicName } from "../outbox/storable-text.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { readFault } from "../principals/topic-faults.ts";
import { databaseFault, parseQuery } from "./faults.ts";
import type { Refusals } from "./refusals.ts";
import { askerOf } from "./who.ts";

const MOST_IDS = 1_000;

export const statesBody = z.strictObject({
  message_ids: z
    .array(z.uuid("is not a message id (a UUID)"))
    .min(1, "is empty")
    .max(MOST_IDS, `has more than ${MOST_IDS} ids`),
});

export const discardBody = z.strictObject({
  reason: label.optional(),
  topic: topicName.optional(),
  limit: z.int().min(1).max(100_000).default(1_000),
  dry_run: z.boolean().default(false),
  who: label.optional(),
});

export function addBulkRoutes(app: FastifyInstance, pool: Pool, refusals: Refusals): void {
  app.post("/v1/messages/states", { config: { body: IDS_BODY } }, async (request, reply) => {
    const body = parseQuery(statesBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const states = await readStates(pool, body.value.message_ids, principalOf(request).read);
    return states.ok ? { states: states.value } : sendFault(reply, databaseFault(states.failure));
  });

  app.post("/v1/dead-letters/discard", async (request, reply) => {
    const body = parseQuery(discardBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { reason, topic, limit, dry_run, who } = body.value;
    const asker = askerOf(request, who);
    if (!asker.ok) return sendFault(reply, asker.fault);
    const scope = principalOf(request);
    const foreign = readFault(scope, topic);
    if (foreign !== null) return refusals.send(request, reply, foreign);
    const filter = { reason: reason ?? null, topic: topic ?? null, limit, dryRun: dry_run, scope };
    const result = await discardDeadLetters(pool, filter, asker.value);
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    const { moved, ...counts } = result.value;
    return { dry_run, discarded: moved, ...counts };
  });
}
