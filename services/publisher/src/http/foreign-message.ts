/**
 * Messages of other principals, asked for by their ids.
 *
 * Invariant FOREIGN-1: a message whose topic the principal may not read is answered exactly as one that is not there. The
 * topic of a message never changes, so it is looked at before the operation.
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

/** Why the principal may not see a message; null where it may, and where it may see every one: nothing is asked then. */
export async function hiddenFault(request: FastifyRequest, pool: Pool, id: string): Promise<ApiFault | null> {
  const { read } = principalOf(request);
  if (read.all) return null;
  const topic = await readTopic(pool, id);
  if (!topic.ok) return databaseFault(topic.failure);
  return topic.value !== null && read.has(topic.value) ? null : unknownMessage(id);
}

/** Why the principal may not operate on a message; null where it may, and where it may on every one. */
export async function foreignFault(request: FastifyRequest, pool: Pool, id: string): Promise<ApiFault | null> {
  const principal = principalOf(request);
  if (principal.read.all && principal.write.all) return null;
  const topic = await readTopic(pool, id);
  if (!topic.ok) return databaseFault(topic.failure);
  if (topic.value === null || !principal.read.has(topic.value)) return unknownMessage(id);
  return writeFault(principal, topic.value, "topic");
}
