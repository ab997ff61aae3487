/**
 * `POST /v1/messages`, `POST /v1/messages/batch`: the way in.
 *
 * Invariants:
 *  INTAKE_ROUTES-1. A message is stored only under a topic that its principal may write to, and within its quota; it is
 *                   stored with the principal's name and under its own idempotency keys.
 */
import { readTraceparent } from "@acktor/shared/protocol/traceparent";
import { readTracestate } from "@acktor/shared/protocol/tracestate";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import { sendFault } from "@acktor/shared/runtime/api-error";
import { BATCH_BODY, MESSAGE_BODY } from "@acktor/shared/runtime/body-limits";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Principal } from "../principals/principal.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { writeFault } from "../principals/topic-faults.ts";
import type { WaitingQuota } from "../principals/waiting-quota.ts";
import type { Intake } from "./intake.ts";
import { type CallerTrace, type FieldNames, IN_BATCH, type IntakeResult, SINGLE } from "./request.ts";
import { type AcceptedMessage, type IntakeLimits, validateBatch, validateMessage } from "./validate-message.ts";

export function addIntakeRoutes(app: FastifyInstance, intake: Intake, limits: IntakeLimits, quota: WaitingQuota): void {
  const submit = async (
    request: FastifyRequest,
    accepted: readonly AcceptedMessage[],
    names: FieldNames,
  ): Promise<IntakeResult> => {
    // INTAKE_ROUTES-1
    const principal = principalOf(request);
    const foreign = foreignTopic(principal, accepted, names);
    if (foreign !== null) return { ok: false, fault: foreign };
    // Most principals have none: nothing is awaited for them.
    const place = principal.mostWaiting === null ? undefined : await quota.enter(principal, accepted.length);
    if (place === null) return { ok: false, fault: quotaFault(principal) };
    const result = await intake.submit(accepted, names, traceOf(request), principal);
    place?.(result.ok ? result.messages.filter(({ fresh }) => fresh).length : 0);
    return result;
  };

  app.post("/v1/messages", { config: { body: MESSAGE_BODY } }, async (request, reply) => {
    const header = request.headers["idempotency-key"];
    const key = header === undefined ? null : String(header);
    const validated = validateMessage(request.body, key, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const result = await submit(request, [validated.value], SINGLE);
    if (!result.ok) return sendFault(reply, result.fault);
    const [message] = result.messages;
    if (message === undefined) return sendFault(reply, { code: "internal", message: "the outbox gave no answer" });
    return reply.code(message.fresh ? 201 : 200).send({ message_id: message.messageId, state: message.state });
  });

  app.post("/v1/messages/batch", { config: { body: BATCH_BODY } }, async (request, reply) => {
    const validated = validateBatch(request.body, limits);
    if (!validated.ok) return sendFault(reply, validated.fault);
    const result = await submit(request, validated.value, IN_BATCH);
    if (!result.ok) return sendFault(reply, result.fault);
    return reply.code(201).send({ message_ids: result.messages.map((m) => m.messageId) });
  });
}

function foreignTopic(principal: Principal, accepted: readonly AcceptedMessage[], names: FieldNames): ApiFault | null {
  if (principal.write.all) return null;
  for (const [i, { topic }] of accepted.entries()) {
    const fault = writeFault(principal, topic, names.nameOf("topic", i));
    if (fault !== null) return fault;
  }
  return null;
}

function quotaFault({ name, mostWaiting }: Principal): ApiFault {
  const message = `more than ${mostWaiting} messages of ${name} would wait`;
  return { code: "over_quota", message, retryAfterSeconds: 1 };
}

/** The caller's trace goes with the message, traced here or not. A header that is no traceparent counts as absent. */
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
