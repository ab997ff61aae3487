/**
 * The caller of an operation, for the audit: the principal, and the name that the caller gave for itself, in the header
 * `X-Acktor-User` or in the body.
 */
import type { FastifyRequest } from "fastify";
import type { Asker } from "../outbox/asker.ts";
import { label } from "../outbox/storable-text.ts";
import { principalOf } from "../principals/principal-gate.ts";
import type { Parsed } from "./faults.ts";

/** @param inBody `who` of the body, where it has one */
export function askerOf(request: FastifyRequest, inBody?: string): Parsed<Asker> {
  const { name: who } = principalOf(request);
  const header = request.headers["x-acktor-user"];
  if (header === undefined) return { ok: true, value: { who, said: inBody ?? null, origin: request.ip } };
  const named = label.safeParse(header);
  if (named.success) return { ok: true, value: { who, said: named.data, origin: request.ip } };
  const message = `X-Acktor-User ${named.error.issues[0]?.message ?? "is not valid"}`;
  return { ok: false, fault: { code: "invalid_field", field: "X-Acktor-User", message } };
}
