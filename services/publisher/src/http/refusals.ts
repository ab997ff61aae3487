/**
 * Records commands that a caller may not give: because of its token, its address, or the state of the message.
 *
 * Invariants:
 *  REFUSAL-1. A command that is answered with 401 or 403 is recorded, throttled by the auditor; sending and reading are not.
 */
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import { type ApiFault, ERROR_CODES, sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Asker } from "../outbox/asker.ts";
import { heldPrincipal } from "../principals/principal-gate.ts";

/** Where commands are recorded. */
export interface AuditTrail {
  /** Never rejects. */
  record(record: AuditRecord): Promise<void>;
}

export class Refusals {
  readonly #audit: AuditTrail;
  readonly #instance: string;

  constructor(audit: AuditTrail, instance: string) {
    this.#audit = audit;
    this.#instance = instance;
  }

  /** REFUSAL-1: records a refused command; other requests, and other reasons of a refusal, are not recorded. */
  async note(request: FastifyRequest, fault: ApiFault): Promise<void> {
    const record = refusedCommand(request, fault, this.#instance);
    if (record !== null) await this.#audit.record(record);
  }

  /** Records and answers. */
  async send(request: FastifyRequest, reply: FastifyReply, fault: ApiFault): Promise<FastifyReply> {
    await this.note(request, fault);
    return sendFault(reply, fault);
  }

  /** Records, before it is answered, an operation that the state of a message does not allow, and answers. */
  async sendConflict(reply: FastifyReply, { asker, action, messageId, reason }: Conflict): Promise<FastifyReply> {
    const { who, said, origin } = asker;
    const detail = { message_id: messageId, reason };
    const about = { service: "publisher", instance: this.#instance, outcome: "refused", messages: 0 } as const;
    await this.#audit.record({ ...about, who, said, from: origin ?? "", action, detail });
    return sendFault(reply, { code: "conflict", message: reason });
  }
}

interface Conflict {
  readonly asker: Asker;
  readonly action: string;
  readonly messageId: string;
  readonly reason: string;
}

/** @returns null for what is not recorded */
function refusedCommand(request: FastifyRequest, fault: ApiFault, instance: string): AuditRecord | null {
  const route = request.routeOptions.url;
  const { status } = ERROR_CODES[fault.code];
  const isCommand = (request.method === "POST" || request.method === "DELETE") && route !== undefined;
  if (!isCommand || (status !== 401 && status !== 403) || /^\/v1\/messages(\/(batch|states))?$/.test(route))
    return null;
  return {
    who: heldPrincipal(request)?.name ?? request.ip,
    from: request.ip,
    service: "publisher",
    instance,
    action: COMMAND_ROUTES[route] ?? route,
    outcome: status === 401 ? "unauthorized" : "forbidden",
    detail: { reason: fault.message },
    messages: 0,
  };
}
