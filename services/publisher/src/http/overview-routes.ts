/** `GET /v1/overview`, and the operator's routes for groups: dead letters by reason, cancel waiting messages. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/api-error";
import { IDS_BODY } from "@acktor/shared/runtime/body-limits";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { messageIds } from "../control/replay-by-filter.ts";
import { cancelWaiting } from "../outbox/cancel-waiting.ts";
import { countDeadLetters } from "../outbox/count-dead-letters.ts";
import { label, topicName } from "../outbox/storable-text.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { readFault } from "../principals/topic-faults.ts";
import { databaseFault, parseQuery } from "./faults.ts";
import type { Refusals } from "./refusals.ts";
import { askerOf } from "./who.ts";

export interface OverviewRoutes {
  readonly pool: Pool;
  readonly overview: OverviewSource;
  readonly refusals: Refusals;
}

export interface OverviewSource {
  read(): Promise<object>;
}

export const cancelBody = z.strictObject({
  topic: topicName.optional(),
  message_ids: messageIds,
  limit: z.int().min(1).max(100_000).default(1_000),
  dry_run: z.boolean().default(false),
  who: label.optional(),
});

export function addOverviewRoutes(app: FastifyInstance, { pool, overview, refusals }: OverviewRoutes): void {
  app.get("/v1/overview", () => overview.read());

  app.get("/v1/dead-letters", async (request, reply) => {
    const result = await countDeadLetters(pool, principalOf(request).read);
    return result.ok ? result.value : sendFault(reply, databaseFault(result.failure));
  });

  app.post("/v1/messages/cancel", { config: { body: IDS_BODY } }, async (request, reply) => {
    const body = parseQuery(cancelBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { topic = null, message_ids, limit, dry_run } = body.value;
    if ((topic === null) === (message_ids === undefined)) {
      const message = "topic is required, or message_ids; one of them";
      return sendFault(reply, { code: "invalid_field", field: "topic", message });
    }
    const ids = message_ids?.map((id) => id.toLowerCase()) ?? null;
    const asker = askerOf(request, body.value.who);
    if (!asker.ok) return sendFault(reply, asker.fault);
    const scope = principalOf(request);
    const foreign = readFault(scope, topic ?? undefined);
    if (foreign !== null) return refusals.send(request, reply, foreign);
    const filter = { topic, messageIds: ids, limit, dryRun: dry_run, scope };
    const result = await cancelWaiting(pool, filter, asker.value);
    return result.ok ? { dry_run, ...result.value } : sendFault(reply, databaseFault(result.failure));
  });
}
