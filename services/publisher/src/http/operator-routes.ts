/** Operations on messages: replay, cancel, acknowledge; one, or every dead letter that matches. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/api-error";
import { IDS_BODY } from "@acktor/shared/runtime/body-limits";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { deadLettersBody, filterOf, messageIds, replayByFilter } from "../control/replay-by-filter.ts";
import type { Doorbell } from "../intake/intake.ts";
import { acknowledgeDeadLetters } from "../outbox/acknowledge-dead-letters.ts";
import { acknowledgeManually } from "../outbox/acknowledge-manually.ts";
import type { Asker } from "../outbox/asker.ts";
import { cancelMessages } from "../outbox/cancel-messages.ts";
import type { OperatorResult, Outcome } from "../outbox/outbox.ts";
import { replayMessages } from "../outbox/replay-messages.ts";
import { label, topicName } from "../outbox/storable-text.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { readFault } from "../principals/topic-faults.ts";
import { databaseFault, parseQuery } from "./faults.ts";
import { foreignFault, unknownMessage } from "./foreign-message.ts";
import type { Refusals } from "./refusals.ts";
import { askerOf } from "./who.ts";

export interface OperatorRoutes {
  readonly pool: Pool;
  readonly inboxWindowMs: number;
  /** Rung when a replay has made rows due. */
  readonly doorbell: Doorbell;
  readonly refusals: Refusals;
}

export const replayBody = z.strictObject({
  force: z.boolean().default(false),
  out_of_order: z.boolean().default(false),
  who: label.optional(),
});
export const cancelBody = z.strictObject({ who: label.optional() });
export const acknowledgeDeadBody = z.strictObject({
  message_ids: messageIds,
  reason: label.optional(),
  topic: topicName.optional(),
  limit: z.int().min(1).max(100_000).default(1_000),
  dry_run: z.boolean().default(false),
  who: label.optional(),
});
export const acknowledgeBody = z.strictObject({ client_id: label.optional(), who: label.optional() });

export function addOperatorRoutes(app: FastifyInstance, options: OperatorRoutes): void {
  const { pool, inboxWindowMs, doorbell } = options;
  app.post("/v1/messages/:id/replay", async (request, reply) => {
    const body = parseQuery(replayBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { force, out_of_order: outOfOrder } = body.value;
    return act(request, reply, { action: "replay", who: body.value.who, ...options }, async (id, asker) => {
      const result = await replayMessages(pool, [id], { inboxWindowMs, force, outOfOrder, ...asker });
      if (result.ok) doorbell.ring();
      return result;
    });
  });

  app.post("/v1/messages/:id/cancel", async (request, reply) => {
    const body = parseQuery(cancelBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    return act(request, reply, { action: "cancel", who: body.value.who, ...options }, (id, asker) =>
      cancelMessages(pool, [id], asker),
    );
  });

  app.post("/v1/messages/:id/acknowledge", async (request, reply) => {
    const body = parseQuery(acknowledgeBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { client_id, who } = body.value;
    return act(request, reply, { action: "acknowledge", who: who ?? client_id, ...options }, (id, asker) =>
      acknowledgeManually(pool, [id], asker),
    );
  });

  addDeadLetterRoutes(app, options);
}

function addDeadLetterRoutes(app: FastifyInstance, { pool, inboxWindowMs, doorbell, refusals }: OperatorRoutes): void {
  app.post("/v1/dead-letters/replay", { config: { body: IDS_BODY } }, async (request, reply) => {
    const body = parseQuery(deadLettersBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const asker = askerOf(request, body.value.who);
    if (!asker.ok) return sendFault(reply, asker.fault);
    const scope = principalOf(request);
    const foreign = readFault(scope, body.value.topic);
    if (foreign !== null) return refusals.send(request, reply, foreign);
    const result = await replayByFilter(pool, inboxWindowMs, body.value, asker.value, scope);
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    if (!result.value.dry_run) doorbell.ring();
    return result.value;
  });

  app.post("/v1/dead-letters/acknowledge", { config: { body: IDS_BODY } }, async (request, reply) => {
    const body = parseQuery(acknowledgeDeadBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const asker = askerOf(request, body.value.who);
    if (!asker.ok) return sendFault(reply, asker.fault);
    const scope = principalOf(request);
    const foreign = readFault(scope, body.value.topic);
    if (foreign !== null) return refusals.send(request, reply, foreign);
    const result = await acknowledgeDeadLetters(pool, filterOf(body.value, scope), asker.value);
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    const { moved, ...counts } = result.value;
    return { dry_run: body.value.dry_run, acknowledged: moved, ...counts };
  });
}

/** Moves one message: the new state, or why not. */
type Move = (id: string, asker: Asker) => Promise<Outcome<OperatorResult>>;

interface Asked {
  readonly action: string;
  /** As the body has it. */
  readonly who: string | undefined;
  readonly pool: Pool;
  readonly refusals: Refusals;
}

async function act(request: FastifyRequest, reply: FastifyReply, asked: Asked, move: Move): Promise<FastifyReply> {
  const id = z.uuid().safeParse((request.params as { id?: unknown }).id);
  if (!id.success) return sendFault(reply, { code: "not_found", message: "there is no message under this id" });
  const asker = askerOf(request, asked.who);
  if (!asker.ok) return sendFault(reply, asker.fault);
  const foreign = await foreignFault(request, asked.pool, id.data);
  if (foreign !== null) return asked.refusals.send(request, reply, foreign);
  const result = await move(id.data.toLowerCase(), asker.value);
  if (!result.ok) return sendFault(reply, databaseFault(result.failure));
  const [moved] = result.value.moved;
  if (moved !== undefined) return reply.send({ message_id: moved.messageId, state: moved.state });
  const reason = result.value.refused[0]?.why ?? "unknown";
  if (reason === "unknown") return sendFault(reply, unknownMessage(id.data));
  // What the state allows is recorded with the move itself.
  const conflict = { asker: asker.value, action: asked.action, messageId: id.data, reason };
  return asked.refusals.sendConflict(reply, conflict);
}
