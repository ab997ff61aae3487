/**
 * Messages of other principals, requested by their ids.
 *
 * Invariants:
 *  FOREIGN-1. The answer for a message whose topic the principal may not read is exactly that for an unknown id. The topic of
 *             a message never changes, so it is read before the operation.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { FastifyRequest } from "fastify";
import { readTopic } from "../outbox/read-topic.ts";
import { principalOf } from "../principals/principal-gate.ts";
import { writeFault } from "../principals/topic-faults.ts";
import { databaseFault } from "./faults.ts";

export function unknownMessage(id: string): ApiFault {
  return { code: "not_found", message: `there is no message ${id}` };
}

/** Why the principal may not see a message; null where it may. Runs no statement where it may see every message. */
export async function hiddenFault(request: FastifyRequest, pool: Pool, id: string): Promise<ApiFault | null> {
  const { read } = principalOf(request);
  if (read.all) return null;
  const topic = await readTopic(pool, id);
  if (!topic.ok) return databaseFault(topic.failure);
  // FOREIGN-1
  return topic.value !== null && read.has(topic.value) ? null : unknownMessage(id);
}

/** Why the principal may not operate on a message; null where it may. */
export async function foreignFault(request: FastifyRequest, pool: Pool, id: string): Promise<ApiFault | null> {
  const principal = principalOf(request);
  if (principal.read.all && principal.write.all) return null;
  const topic = await readTopic(pool, id);
  if (!topic.ok) return databaseFault(topic.failure);
  if (topic.value === null || !principal.read.has(topic.value)) return unknownMessage(id);
  return writeFault(principal, topic.value, "topic");
}
