/** `POST /v1/messages`, `POST /v1/messages/batch`: the way in. `GET`: what became of it (SPEC 4). */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import type { Intake } from "../intake/intake.ts";
import { type IntakeLimits, validateBatch, validateMessage } from "../intake/validate-message.ts";
import { getMessage } from "../outbox/get-message.ts";
import { listMessages } from "../outbox/list-messages.ts";
import { databaseFault, parseQuery, topicName } from "./faults.ts";

export interface MessageRoutes {
  readonly pool: Pool;
  readonly intake: Intake;
  readonly limits: IntakeLimits;
}

const idParams = z.object({ id: z.uuid("is not a message id (a UUID)") });

const listQuery = z.strictObject({
  state: z.enum(["pending", "sent", "acknowledged", "failed", "expired"], "is not a state").optional(),
  topic: topicName.optional(),
  before: z.uuid("is not a message id").optional(),
  limit: z.coerce.number().pipe(z.int().min(1, "must be at least 1").max(1_000, "must be at most 1,000")).default(50),
});

export function addMessageRoutes(app: FastifyInstance, { pool, intake, limits }: MessageRoutes): void {
  app.post("/v1/messages", async (request, reply) => {
    const header = request.headers["idempotency-key"];
    const key = header === undefined ? null : String(header);
    const validated = validateMessage(request.body, key, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const result = await intake.submit([validated.value]);
    if (!result.ok) return sendFault(reply, result.fault);
    const [message] = result.messages;
    if (message === undefined) return sendFault(reply, { code: "internal", message: "the outbox gave no answer" });
    return reply.code(message.fresh ? 201 : 200).send({ message_id: message.messageId, state: message.state });
  });

  app.post("/v1/messages/batch", async (request, reply) => {
    const validated = validateBatch(request.body, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const result = await intake.submit(validated.value, (index) => `messages[${index}].idempotency_key`);
    if (!result.ok) return sendFault(reply, result.fault);
    return reply.code(201).send({ message_ids: result.messages.map((m) => m.messageId) });
  });

  app.get("/v1/messages/:id", async (request, reply) => {
    const params = idParams.safeParse(request.params);
    if (!params.success) return notFound(reply, "an unknown id");
    const result = await getMessage(pool, params.data.id);
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    return result.value ?? notFound(reply, params.data.id);
  });

  app.get("/v1/messages", async (request, reply) => {
    const query = parseQuery(listQuery, request.query);
    if (!query.ok) return sendFault(reply, query.fault);
    const { state, topic, before, limit } = query.value;
    const result = await listMessages(pool, {
      state: state ?? null,
      topic: topic ?? null,
      before: before ?? null,
      limit,
    });
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    return { messages: result.value.messages, next_before: result.value.nextBefore };
  });
}

function notFound(reply: FastifyReply, id: string): FastifyReply {
  return sendFault(reply, { code: "not_found", message: `there is no message ${id}` });
}
