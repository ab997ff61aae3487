/**
 * Operator's commands to services: to this process, or with `?service=&instance=` to another instance on the bus, or to all
 * instances of a service; and `GET /v1/audit`.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import type { CommandTarget, FleetCommands } from "@acktor/shared/inspect/fleet-commands";
import type { CommandReply } from "@acktor/shared/inspect/wire";
import { sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { listActions } from "../outbox/list-actions.ts";
import { label } from "../outbox/storable-text.ts";
import { databaseFault, type Parsed, parseQuery } from "./faults.ts";
import type { AuditTrail } from "./refusals.ts";
import { askerOf } from "./who.ts";

export interface CommandRoutes {
  readonly pool: Pool;
  readonly commands: FleetCommands;
  readonly instance: string;
  readonly audit: AuditTrail;
}

export const targetQuery = z.strictObject({
  service: z.enum(["publisher", "acker"], "is not publisher or acker").optional(),
  instance: label.optional(),
});
export const commandBody = z.strictObject({ who: label.optional() });
export const auditQuery = z.strictObject({
  before: z
    .string()
    .regex(/^[1-9]\d{0,17}$/, "is not an action_id")
    .optional(),
  who: label.optional(),
  action: label.optional(),
  limit: z.coerce.number().pipe(z.int().min(1, "must be at least 1").max(1_000, "must be at most 1,000")).default(100),
});

const OTHER_SECRET =
  "Give every instance on the bus the same ACKTOR_NATS_SECRET (or ACKTOR_API_TOKEN), and set the clocks.";
const NOT_FROM_HERE = "Look at the states in GET /v1/machines: this command is not possible from them.";

export function addCommandRoutes(app: FastifyInstance, options: CommandRoutes): void {
  const { pool, commands } = options;
  for (const [route, command] of Object.entries(COMMAND_ROUTES)) {
    app.post(route, async (request, reply) => {
      const target = targetOf(request, options.instance);
      if (!target.ok) return sendFault(reply, target.fault);
      const body = parseQuery(commandBody, request.body);
      if (!body.ok) return sendFault(reply, body.fault);
      const asker = askerOf(request, body.value.who);
      if (!asker.ok) return sendFault(reply, asker.fault);
      const { who, said } = asker.value;
      const asked = { command, who, said, from: request.ip, args: {} };
      const replies = await commands.send(target.value, asked);
      if (target.value.instance === null) return answerAll(reply, replies);
      const [only] = replies;
      if (only !== undefined) return answerOne(reply, only);
      const { service, instance } = target.value;
      const message = `no ${service} ${instance} answers on the bus`;
      const detail = { reason: message };
      await options.audit.record({
        who,
        said,
        from: request.ip,
        service,
        instance,
        action: command,
        outcome: "unanswered",
        detail,
        messages: 0,
      });
      return sendFault(reply, { code: "no_answer", message });
    });
  }

  app.get("/v1/audit", async (request, reply) => {
    const query = parseQuery(auditQuery, request.query);
    if (!query.ok) return sendFault(reply, query.fault);
    const { before = null, who = null, action = null, limit } = query.value;
    const page = await listActions(pool, { before, who, action, limit });
    if (!page.ok) return sendFault(reply, databaseFault(page.failure));
    return { actions: page.value.actions, next_before: page.value.nextBefore };
  });
}

/** Without a target: this process. Half a target is a mistake that could stop the wrong instance. */
function targetOf(request: FastifyRequest, own: string): Parsed<CommandTarget> {
  const query = parseQuery(targetQuery, request.query);
  if (!query.ok) return query;
  const { service, instance } = query.value;
  if (instance === undefined) {
    if (service === undefined) return { ok: true, value: { service: "publisher", instance: own } };
    const message = "instance is required with service; all stands for every one of them";
    return { ok: false, fault: { code: "invalid_field", field: "instance", message } };
  }
  return { ok: true, value: { service: service ?? "publisher", instance: instance === "all" ? null : instance } };
}

function answerOne(reply: FastifyReply, answer: CommandReply): FastifyReply {
  const { ok, code, reason = "it refused", result } = answer;
  if (ok) return reply.send(result ?? {});
  if (code === 503) return sendFault(reply, { code: "database_unavailable", message: reason });
  // Its secret or its clock is not that of this process: a fault of the installation, not of the caller.
  const fix = code === 401 ? OTHER_SECRET : NOT_FROM_HERE;
  return sendFault(reply, { code: "conflict", message: reason, fix });
}

function answerAll(reply: FastifyReply, replies: readonly CommandReply[]): FastifyReply {
  if (replies.length === 0) return sendFault(reply, { code: "no_answer", message: "no instance answers on the bus" });
  return reply.send({ replies: replies.map(({ v: _, ...answer }) => answer) });
}
