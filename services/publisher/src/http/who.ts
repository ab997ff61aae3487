/** Who asks for an operation, for the audit: the header `X-Acktor-User`, or what the body says, or `http`. */
import type { FastifyRequest } from "fastify";
import { label } from "../outbox/storable-text.ts";
import type { Parsed } from "./faults.ts";

/** @param inBody `who` of the body, where it has one */
export function whoAsks(request: FastifyRequest, inBody: string | undefined): Parsed<string> {
  const header = request.headers["x-acktor-user"];
  if (header === undefined) return { ok: true, value: inBody ?? "http" };
  const named = label.safeParse(header);
  if (named.success) return { ok: true, value: named.data };
  const message = `X-Acktor-User ${named.error.issues[0]?.message ?? "is not valid"}`;
  return { ok: false, fault: { code: "invalid_field", field: "X-Acktor-User", message } };
}
