/** `GET /v1/messages`, `GET /v1/messages/:id`, and the pages of its attempts and acks: their states and histories. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import type { Receipts } from "../control/ask-receipts.ts";
import { getMessage } from "../outbox/get-message.ts";
import { listMessages } from "../outbox/list-messages.ts";
import { FIRST_PAGE, listTimeline, MOST_OF_A_PAGE } from "../outbox/list-timeline.ts";
import { topicName } from "../outbox/storable-text.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { readFault } from "../principals/topic-faults.ts";
import { databaseFault, parseQuery } from "./faults.ts";
import { hiddenFault, unknownMessage } from "./foreign-message.ts";

const MOST_AFTER = 2_000_000_000;

const idParams = z.object({ id: z.uuid("is not a message id (a UUID)") });

export const listQuery = z.strictObject({
  state: z.enum(["pending", "sent", "acknowledged", "failed", "expired"], "is not a state").optional(),
  topic: topicName.optional(),
  before: z.uuid("is not a message id").optional(),
  limit: z.coerce.number().pipe(z.int().min(1, "must be at least 1").max(1_000, "must be at most 1,000")).default(50),
});

export const pageQuery = z.strictObject({
  after: z.coerce
    .number()
    .pipe(z.int().min(0, "must not be negative").max(MOST_AFTER, `must be at most ${MOST_AFTER}`))
    .default(0),
  limit: z.coerce
    .number()
    .pipe(z.int().min(1, "must be at least 1").max(MOST_OF_A_PAGE, `must be at most ${MOST_OF_A_PAGE}`))
    .default(FIRST_PAGE),
});

/** Asks the ackers for the records of a message. */
export type AskReceipts = (messageId: string) => Promise<Receipts>;

export function addMessageRoutes(app: FastifyInstance, pool: Pool, receipts: AskReceipts): void {
  app.get("/v1/messages/:id", async (request, reply) => {
    const params = idParams.safeParse(request.params);
    if (!params.success) return notFound(reply, "an unknown id");
    const result = await getMessage(pool, params.data.id);
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    const found = result.value;
    return found !== null && principalOf(request).read.has(found.topic) ? found : notFound(reply, params.data.id);
  });

  addTimelineRoutes(app, pool);

  app.get("/v1/messages/:id/receipts", async (request, reply) => {
    const params = idParams.safeParse(request.params);
    if (!params.success) return notFound(reply, "an unknown id");
    const hidden = await hiddenFault(request, pool, params.data.id);
    return hidden === null ? receipts(params.data.id) : sendFault(reply, hidden);
  });

  app.get("/v1/messages", async (request, reply) => {
    const query = parseQuery(listQuery, request.query);
    if (!query.ok) return sendFault(reply, query.fault);
    const { state, topic, before, limit } = query.value;
    const principal = principalOf(request);
    const foreign = readFault(principal, topic);
    if (foreign !== null) return sendFault(reply, foreign);
    const result = await listMessages(pool, {
      state: state ?? null,
      topic: topic ?? null,
      before: before ?? null,
      limit,
      read: principal.read,
    });
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    return { messages: result.value.messages, next_before: result.value.nextBefore };
  });
}

function addTimelineRoutes(app: FastifyInstance, pool: Pool): void {
  for (const what of ["attempts", "acks"] as const) {
    app.get(`/v1/messages/:id/${what}`, async (request, reply) => {
      const params = idParams.safeParse(request.params);
      if (!params.success) return notFound(reply, "an unknown id");
      const query = parseQuery(pageQuery, request.query);
      if (!query.ok) return sendFault(reply, query.fault);
      const hidden = await hiddenFault(request, pool, params.data.id);
      if (hidden !== null) return sendFault(reply, hidden);
      const result = await listTimeline(pool, what, params.data.id, query.value);
      if (!result.ok) return sendFault(reply, databaseFault(result.failure));
      if (result.value === null) return notFound(reply, params.data.id);
      const { items, total, nextAfter } = result.value;
      return { [what]: items, total, next_after: nextAfter };
    });
  }
}

function notFound(reply: FastifyReply, id: string): FastifyReply {
  return sendFault(reply, unknownMessage(id));
}
