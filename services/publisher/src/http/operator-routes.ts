/** What operators do to messages (SPEC 4): replay, cancel, acknowledge; one, or every dead letter that matches. */
import type { Pool } from "@acktor/shared/db/pool";
import { sendFault } from "@acktor/shared/runtime/http-server";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { deadLettersBody, filterOf, messageIds, replayByFilter } from "../control/replay-by-filter.ts";
import { acknowledgeDeadLetters } from "../outbox/acknowledge-dead-letters.ts";
import { acknowledgeManually } from "../outbox/acknowledge-manually.ts";
import { cancelMessages } from "../outbox/cancel-messages.ts";
import type { OperatorResult, Outcome } from "../outbox/outbox.ts";
import { replayMessages } from "../outbox/replay-messages.ts";
import { label, topicName } from "../outbox/storable-text.ts";
import { databaseFault, parseQuery } from "./faults.ts";

export interface OperatorRoutes {
  readonly pool: Pool;
  readonly inboxWindowMs: number;
  /** Rows are due that nobody announced. */
  readonly wake: () => void;
}

const replayBody = z.strictObject({
  force: z.boolean().default(false),
  out_of_order: z.boolean().default(false),
  who: label.optional(),
});
const cancelBody = z.strictObject({ who: label.optional() });
const acknowledgeDeadBody = z.strictObject({
  message_ids: messageIds,
  reason: label.optional(),
  topic: topicName.optional(),
  limit: z.int().min(1).max(100_000).default(1_000),
  dry_run: z.boolean().default(false),
  who: label.optional(),
});
const acknowledgeBody = z.strictObject({ client_id: label.optional(), who: label.optional() });

export function addOperatorRoutes(app: FastifyInstance, { pool, inboxWindowMs, wake }: OperatorRoutes): void {
  app.post("/v1/messages/:id/replay", async (request, reply) => {
    const body = parseQuery(replayBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { force, out_of_order, who } = body.value;
    return act(request, reply, async (id) => {
      const options = { inboxWindowMs, force, outOfOrder: out_of_order, who: who ?? "http" };
      const result = await replayMessages(pool, [id], options);
      if (result.ok) wake();
      return result;
    });
  });

  app.post("/v1/messages/:id/cancel", async (request, reply) => {
    const body = parseQuery(cancelBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    return act(request, reply, (id) => cancelMessages(pool, [id], { who: body.value.who ?? "http" }));
  });

  app.post("/v1/messages/:id/acknowledge", async (request, reply) => {
    const body = parseQuery(acknowledgeBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const { client_id, who } = body.value;
    return act(request, reply, (id) => acknowledgeManually(pool, [id], { who: who ?? client_id ?? "http" }));
  });

  app.post("/v1/dead-letters/replay", async (request, reply) => {
    const body = parseQuery(deadLettersBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const result = await replayByFilter(pool, inboxWindowMs, body.value, body.value.who ?? "http");
    if (!result.ok) return sendFault(reply, databaseFault(result.failure));
    if (!result.value.dry_run) wake();
    return result.value;
  });

  app.post("/v1/dead-letters/acknowledge", async (request, reply) => {
    const body = parseQuery(acknowledgeDeadBody, request.body);
    if (!body.ok) return sendFault(reply, body.fault);
    const who = body.value.who ?? "http";
    const result = await acknowledgeDeadLetters(pool, filterOf(body.value), { who });
    return result.ok
      ? { dry_run: body.value.dry_run, ...result.value }
      : sendFault(reply, databaseFault(result.failure));
  });
}

/** What a move of one message gave: the new state, or why not. */
type Move = (id: string) => Promise<Outcome<OperatorResult>>;

async function act(request: FastifyRequest, reply: FastifyReply, move: Move): Promise<FastifyReply> {
  const id = z.uuid().safeParse((request.params as { id?: unknown }).id);
  if (!id.success) return sendFault(reply, { code: "not_found", message: "there is no message under this id" });
  const result = await move(id.data.toLowerCase());
  if (!result.ok) return sendFault(reply, databaseFault(result.failure));
  const [moved] = result.value.moved;
  if (moved !== undefined) return reply.send({ message_id: moved.messageId, state: moved.state });
  const why = result.value.refused[0]?.why ?? "unknown";
  if (why === "unknown") return sendFault(reply, { code: "not_found", message: `there is no message ${id.data}` });
  return sendFault(reply, { code: "conflict", message: why });
}
