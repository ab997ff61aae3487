/** What travels on the bus, as schemas: the AsyncAPI document is made of them, and a test holds what is said to them. */
import { batchItemSchema } from "@acktor/publisher/intake/validate-message";
import { COMMANDS, WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { SEAL_VERSION } from "@acktor/shared/seal/seal";
import { z } from "zod";

const v = z.literal(WIRE_VERSION);

/** What every message but `wake` is in where the bus has a key: docs/reference/control-plane.md#signed-messages. */
export const sealedSchema = z.strictObject({
  v: z.literal(SEAL_VERSION),
  time: z.int().min(0).describe("Milliseconds since 1970, by the sender's clock; 30 s either way."),
  nonce: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,64}$/)
    .describe("Used once; of an answer: that of its request."),
  mac: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe("HMAC-SHA256 over kind, subject, time, nonce and body."),
  body: z.string().describe("The message that is declared for the subject, as text."),
});
const service = z.enum(["publisher", "acker"]);
const ms = z.number().describe("Milliseconds since 1970, by the instance's clock.");
const boot = z.string().describe("Differs with every start of the process.");
const stamp = { v, seq: z.int().min(1), ts: ms, service, instance: z.string(), boot };
const stateValue = z.unknown().describe("As in XState: a state's key, or the keys of the regions with their states.");

const actor = {
  actor: z.string().describe("Name of the role: link, dispatcher, …"),
  machine: z.string(),
  event: z.string().nullable(),
  edges: z.array(z.string()),
  value: stateValue,
  context: z.unknown(),
  delays: z.array(z.looseObject({ state: z.string(), delay: z.string(), startedAt: ms, endsAt: ms })),
  can: z.array(z.enum(COMMANDS)),
};

export const actorEventSchema = z.strictObject({
  ...stamp,
  kind: z.enum(["started", "transition", "context", "stopped"]),
  ...actor,
});

export const deliveriesEventSchema = z.strictObject({
  ...stamp,
  kind: z.literal("deliveries"),
  counts: z.record(z.string(), z.int()).describe("How often each step was taken; complete."),
  steps: z.array(z.looseObject({ step: z.string(), message_id: z.string(), ts: ms, topic: z.string() })),
});

export const inspectSchema = z.union([actorEventSchema, deliveriesEventSchema]);

export const instanceSchema = z.strictObject({
  v,
  service,
  instance: z.string(),
  boot,
  version: z.string(),
  seq: z.int().describe("Of the last event before it was taken."),
  ts: ms,
  startedAt: ms,
  actors: z.array(z.looseObject({ actor: z.string(), value: stateValue })),
  summary: z.record(z.string(), z.unknown()),
  recent: z.array(z.looseObject({ kind: z.string() })).optional(),
  stopping: z.boolean().optional(),
  definitions: z.array(z.looseObject({ id: z.string() })).optional(),
});

export const watchSchema = z.strictObject({ v, viewer: boot, leaves: z.boolean().optional() });

export const snapshotRequestSchema = z.strictObject({
  v,
  viewer: boot,
  recentBytes: z.int().describe("Of `recent` that the answer may have; left out, it has none.").optional(),
  definitions: z.boolean().optional(),
});

export const commandSchema = z.strictObject({
  v,
  who: z.string().describe("Recorded in the audit; by HTTP, the authenticated principal."),
  said: z.string().describe("The name that the caller gave for itself; recorded in the audit.").optional(),
  args: z.record(z.string(), z.unknown()).describe("Of `replay`: the body of POST /v1/dead-letters/replay.").optional(),
  from: z.string().optional(),
  origin: boot.optional(),
});

export const commandReplySchema = z.strictObject({
  v,
  service,
  instance: z.string(),
  ok: z.boolean(),
  reason: z.string().optional(),
  code: z.union([z.literal(400), z.literal(401), z.literal(409), z.literal(503)]).optional(),
  result: z.unknown().optional(),
});

export const enqueueSchema = batchItemSchema;

export const enqueueReplySchema = z.union([
  z.strictObject({ message_id: z.uuid(), state: z.string() }),
  z.strictObject({ error: z.looseObject({ code: z.string(), message: z.string() }) }),
]);

export const wakeSchema = z.string().describe("Its text is not read.");

export const auditSchema = z.strictObject({
  record: z.strictObject({
    who: z.string(),
    said: z.string().nullable().optional(),
    from: z.string(),
    service: z.literal("acker"),
    instance: z.string(),
    action: z.string(),
    outcome: z.enum(["done", "refused", "unauthorized", "forbidden", "unanswered"]),
    detail: z.record(z.string(), z.unknown()),
    messages: z.literal(0),
  }),
});

export const auditReplySchema = z.strictObject({ ok: z.boolean() });
