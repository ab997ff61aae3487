/**
 * What is refused to a caller because of who it is, or of where the request comes from.
 *
 * Invariant REFUSAL-1: a command that is answered with 401 or 403 is recorded, throttled by the auditor; sending and
 * looking are not.
 */
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { type ApiFault, ERROR_CODES, sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyReply, FastifyRequest } from "fastify";
import { heldPrincipal } from "../principals/principal-gate.ts";
import { COMMAND_ROUTES } from "./command-names.ts";

export interface RefusalsOptions {
  readonly instance: string;
  /** Never rejects. */
  readonly record: (record: AuditRecord) => Promise<void>;
}

export class Refusals {
  readonly #options: RefusalsOptions;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Records a refused command; what is no command, or was refused for another reason, is passed over. */
  async note(request: FastifyRequest, fault: ApiFault): Promise<void> {
    const record = refusedCommand(request, fault, this.#options.instance);
    if (record !== null) await this.#options.record(record);
  }

  /** Records and answers. */
  async send(request: FastifyRequest, reply: FastifyReply, fault: ApiFault): Promise<FastifyReply> {
    await this.note(request, fault);
    return sendFault(reply, fault);
  }
}

/** @returns null for what is not recorded */
export function refusedCommand(request: FastifyRequest, fault: ApiFault, instance: string): AuditRecord | null {
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
