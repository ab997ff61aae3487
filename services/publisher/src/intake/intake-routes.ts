/** `POST /v1/messages`, `POST /v1/messages/batch`: the way in (SPEC 4). */

import { readTraceparent } from "@acktor/shared/protocol/traceparent";
import { readTracestate } from "@acktor/shared/protocol/tracestate";
import { BATCH_BODY, MESSAGE_BODY } from "@acktor/shared/runtime/body-limits";
import { sendFault } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { CallerTrace, Intake } from "./intake.ts";
import { type IntakeLimits, validateBatch, validateMessage } from "./validate-message.ts";

export function addIntakeRoutes(app: FastifyInstance, intake: Intake, limits: IntakeLimits): void {
  app.post("/v1/messages", { config: { body: MESSAGE_BODY } }, async (request, reply) => {
    const header = request.headers["idempotency-key"];
    const key = header === undefined ? null : String(header);
    const validated = validateMessage(request.body, key, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const result = await intake.submit([validated.value], undefined, traceOf(request));
    if (!result.ok) return sendFault(reply, result.fault);
    const [message] = result.messages;
    if (message === undefined) return sendFault(reply, { code: "internal", message: "the outbox gave no answer" });
    return reply.code(message.fresh ? 201 : 200).send({ message_id: message.messageId, state: message.state });
  });

  app.post("/v1/messages/batch", { config: { body: BATCH_BODY } }, async (request, reply) => {
    const validated = validateBatch(request.body, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const keyField = (index: number): string => `messages[${index}].idempotency_key`;
    const result = await intake.submit(validated.value, keyField, traceOf(request));
    if (!result.ok) return sendFault(reply, result.fault);
    return reply.code(201).send({ message_ids: result.messages.map((m) => m.messageId) });
  });
}

/** The caller's trace goes with the message, traced here or not; what is no traceparent is as if it were not there. */
function traceOf({ headers }: FastifyRequest): CallerTrace {
  const given = headers["traceparent"];
  const traceparent = typeof given === "string" && readTraceparent(given) !== null ? given : null;
  // Several headers are one list; Node joins them.
  const state = headers["tracestate"];
  return {
    traceparent,
    tracestate: traceparent === null || state === undefined ? null : readTracestate(String(state)),
  };
}
