/**
 * The border: what others say on the bus, checked before anything believes it. What does not pass is counted and ignored.
 *
 * Invariants:
 *  1. A text beyond `MOST_TEXT` is not even parsed.
 *  2. What passes has the fields of the wire and no others.
 *  3. Who speaks for an instance speaks on its subject: a name that is not the subject's is refused.
 */
import { z } from "zod";
import type { Subjects } from "../bus/subjects.ts";
import { COMMANDS, MAX_STEPS } from "./wire.ts";

const MOST_TEXT = 1024 * 1024;
const MOST_LIST = 1_000;

const name = z.string().min(1).max(200);
const sentence = z.string().max(2_000);
const count = z.number().nonnegative();
const v = z.literal(1);
const service = z.enum(["publisher", "acker"]);
/** JSON by its origin; how deep it is nobody here needs to know. */
const json = z.unknown();
const value = z.union([name, z.record(z.string(), z.unknown())]);
const command = z.enum(COMMANDS);

const delay = z.object({ state: name, delay: name, startedAt: z.number(), endsAt: z.number() });

const stamp = { v, seq: count, ts: z.number(), service, instance: name, boot: name };

const actorState = {
  actor: name,
  machine: name,
  event: name.nullable(),
  edges: z.array(name).max(MOST_LIST),
  value,
  context: json,
  delays: z.array(delay).max(MOST_LIST),
  can: z.array(command).max(COMMANDS.length),
};

const actorEvent = z.object({
  ...stamp,
  kind: z.enum(["started", "transition", "context", "stopped"]),
  ...actorState,
});

const step = z.enum([
  "accepted",
  "published",
  "puback",
  "publish_failed",
  "ack_timeout",
  "acknowledged",
  "rejected",
  "received",
  "processed",
  "duplicate",
  "refused",
]);

const deliveriesEvent = z.object({
  ...stamp,
  kind: z.literal("deliveries"),
  counts: z.partialRecord(step, count),
  steps: z
    .array(
      z.object({
        step,
        message_id: name,
        ts: z.number(),
        topic: z.string().max(2_000),
        attempt: count.optional(),
        detail: z.union([sentence, z.number()]).optional(),
      }),
    )
    .max(MAX_STEPS),
});

export const inspectEvent = z.union([actorEvent, deliveriesEvent]);

const definition = z.object({
  id: name,
  states: z.array(z.record(z.string(), z.unknown())).max(MOST_LIST),
  edges: z.array(z.record(z.string(), z.unknown())).max(MOST_LIST),
});

export const instanceSnapshot = z.object({
  ...stamp,
  version: name,
  startedAt: z.number(),
  actors: z
    .array(
      z.object({
        ts: z.number(),
        service,
        instance: name,
        status: z.enum(["active", "done", "error"]),
        ...actorState,
      }),
    )
    .max(100),
  summary: z.record(z.string(), json),
  recent: z.array(inspectEvent).max(2_000).optional(),
  stopping: z.boolean().optional(),
  definitions: z.array(definition).max(50).optional(),
});

export const watchBeat = z.object({ v, viewer: name, leaves: z.boolean().optional() });

export const snapshotRequest = z.object({
  v,
  viewer: name,
  recentBytes: count.optional(),
  definitions: z.boolean().optional(),
});

export const commandRequest = z.object({
  v,
  who: name,
  said: name.optional(),
  token: z.string().max(1_000).optional(),
  args: z.record(z.string(), json).optional(),
  from: name.optional(),
  origin: name.optional(),
});

export const commandReply = z.object({
  v,
  service,
  instance: name,
  ok: z.boolean(),
  reason: sentence.optional(),
  code: z.union([z.literal(400), z.literal(401), z.literal(409), z.literal(503)]).optional(),
  result: json.optional(),
});

/** What a text holds, or null. */
export function readText<T>(schema: z.ZodType<T>, text: string): T | null {
  if (text.length > MOST_TEXT) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const result = schema.safeParse(parsed);
  return result.success ? result.data : null;
}

/** The same for what an instance says of itself, which must be on its own subject. */
export function readFrom<T extends { readonly service: string; readonly instance: string }>(
  schema: z.ZodType<T>,
  text: string,
  subject: string,
  subjects: Subjects,
): T | null {
  const said = readText(schema, text);
  const source = subjects.sourceOf(subject);
  return said?.service === source?.service && said?.instance === source?.instance ? said : null;
}
