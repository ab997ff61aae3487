/** Descriptions of the routes about messages: sending, looking, operating. */
import { receipt } from "@acktor/shared/inspect/receipts";
import type { RouteDocs } from "@acktor/shared/runtime/openapi";
import { z } from "zod";
import { deadLettersBody } from "../control/replay-by-filter.ts";
import { discardBody, statesBody } from "./bulk-routes.ts";
import { listQuery, pageQuery } from "./message-routes.ts";
import { acknowledgeBody, acknowledgeDeadBody, cancelBody, replayBody } from "./operator-routes.ts";
import { cancelBody as cancelWaitingBody } from "./overview-routes.ts";

const state = z.enum(["pending", "sent", "acknowledged", "failed", "expired"]);
const stored = z.strictObject({ message_id: z.uuid(), state });
const time = z.string().describe("ISO 8601, microseconds, UTC.");

const row = z.looseObject({
  message_id: z.uuid(),
  topic: z.string(),
  payload: z.string(),
  content_encoding: z.enum(["utf8", "base64"]),
  state,
  qos: z.int(),
  retain: z.boolean(),
  created_at: time,
  updated_at: time,
  retry_count: z.int(),
  max_retries: z.int().nullable(),
  expires_at: time.nullable(),
  checksum: z.string(),
  reason: z.string().nullable(),
  held_until: time
    .nullable()
    .describe("The broker holds a copy for its receiver's session; the next one is sent then."),
});

const attempt = z.looseObject({ attempt: z.int(), outcome: z.enum(["acked", "lost", "refused", "rejected"]) });
const ack = z.looseObject({ client_id: z.string(), acknowledged_at: time, late: z.boolean(), level: z.string() });
const timeline = row.extend({
  attempts: z.array(attempt).describe("The first 100."),
  attempts_total: z.int(),
  acks: z.array(ack).describe("The first 100."),
  acks_total: z.int(),
});
const page = {
  total: z.int(),
  next_after: z.int().nullable().describe("For `after` of the next page; null at the end."),
};

/** The bodies of the intake, as `intake/validate-message.ts` has them. */
export interface IntakeSchemas {
  readonly message: z.ZodType;
  readonly batchItem: z.ZodType;
}

const CALLER = {
  traceparent: "W3C trace context; goes with the message.",
  tracestate: "The vendors' part of it; goes with the message, too.",
};
const REFUSED = ["not_found", "conflict", "invalid_field", "unknown_field", "database_unavailable"] as const;
const QUERY = ["invalid_field", "unknown_field", "database_unavailable"] as const;
const group = z.looseObject({ dry_run: z.boolean() });
const swept = z.object({
  dry_run: z.boolean(),
  matched: z.int(),
  refused: z.int().describe("In a dry run: what would be refused."),
  refusals: z
    .array(z.strictObject({ why: z.string(), count: z.int(), message_id: z.uuid() }))
    .describe("Each reason once, with the oldest message that it is about."),
});
const INTAKE = [
  "invalid_field",
  "unknown_field",
  "invalid_topic",
  "reserved_topic",
  "idempotency_conflict",
  "high_water",
  "over_quota",
  "database_unavailable",
  "lane_locked",
  "stopping",
] as const;

const MOVED = { 200: { description: "It is in this state now.", schema: stored } };

const READING: RouteDocs = {
  "GET /v1/messages": {
    summary: "Messages, newest first.",
    query: listQuery,
    answers: {
      200: {
        description: "A page; `next_before` is null at the end.",
        schema: z.strictObject({ messages: z.array(row), next_before: z.uuid().nullable() }),
      },
    },
    faults: QUERY,
  },
  "GET /v1/messages/:id": {
    summary: "A message and its timeline.",
    answers: {
      200: {
        description: "The row, the first 100 of its attempts and of its acks, and how many there are.",
        schema: timeline,
      },
    },
    faults: ["not_found", "database_unavailable"],
  },
  "GET /v1/messages/:id/attempts": {
    summary: "The attempts of a message, in the order in which they were made.",
    query: pageQuery,
    answers: {
      200: { description: "A page.", schema: z.strictObject({ attempts: z.array(attempt), ...page }) },
    },
    faults: ["not_found", ...QUERY],
  },
  "GET /v1/messages/:id/acks": {
    summary: "The acks of a message, oldest first.",
    query: pageQuery,
    answers: { 200: { description: "A page.", schema: z.strictObject({ acks: z.array(ack), ...page }) } },
    faults: ["not_found", ...QUERY],
  },
  "GET /v1/messages/:id/receipts": {
    summary: "What the ackers' inboxes know of a message: when it came, how often, its outcome.",
    answers: {
      200: {
        description: "One for each inbox that has it. Asked over the control plane; without it none answers.",
        schema: z.strictObject({
          receipts: z.array(receipt),
          ackers: z.strictObject({ known: z.int(), answered: z.int() }),
        }),
      },
    },
    faults: ["not_found"],
  },
};

const OPERATING: RouteDocs = {
  "POST /v1/messages/:id/replay": {
    summary: "Send a failed or expired message again.",
    body: replayBody,
    answers: MOVED,
    faults: REFUSED,
  },
  "POST /v1/messages/:id/cancel": {
    summary: "End a waiting message.",
    body: cancelBody,
    answers: MOVED,
    faults: REFUSED,
  },
  "POST /v1/messages/:id/acknowledge": {
    summary: "Acknowledge a message by hand.",
    body: acknowledgeBody,
    answers: MOVED,
    faults: REFUSED,
  },
  "POST /v1/messages/states": {
    summary: "States of up to 1,000 messages.",
    body: statesBody,
    answers: {
      200: { description: "Of those that are there.", schema: z.strictObject({ states: z.unknown() }) },
    },
    faults: QUERY,
  },
  "POST /v1/messages/cancel": {
    summary: "End what waits for a topic.",
    body: cancelWaitingBody,
    answers: { 200: { description: "How many there were.", schema: group } },
    faults: QUERY,
  },
  "GET /v1/dead-letters": {
    summary: "Failed and expired messages by reason.",
    answers: { 200: { description: "Counts.", schema: z.looseObject({}) } },
    faults: ["database_unavailable"],
  },
  "POST /v1/dead-letters/acknowledge": {
    summary: "Acknowledge what a person knows to be processed.",
    body: acknowledgeDeadBody,
    answers: {
      200: {
        description: "How many there were, and how many are acknowledged now.",
        schema: swept.extend({ acknowledged: z.int() }).strict(),
      },
    },
    faults: QUERY,
  },
  "POST /v1/dead-letters/discard": {
    summary: "Remove failed and expired messages.",
    body: discardBody,
    answers: {
      200: { description: "How many there were.", schema: swept.extend({ discarded: z.int() }).strict() },
    },
    faults: QUERY,
  },
  "POST /v1/dead-letters/replay": {
    summary: "Send failed and expired messages again.",
    body: deadLettersBody,
    answers: {
      200: {
        description: "How many there were, and how many are sent again.",
        schema: swept.extend({ replayed: z.int() }).strict(),
      },
    },
    faults: QUERY,
  },
};

export function messageDocs({ message, batchItem }: IntakeSchemas): RouteDocs {
  return {
    "POST /v1/messages": {
      summary: "Store a message, to be sent until it is acknowledged.",
      body: message,
      headers: {
        ...CALLER,
        "Idempotency-Key": "The same key and body give the same message; another body is refused.",
      },
      answers: {
        201: { description: "Committed. It is not delivered yet.", schema: stored },
        200: { description: "Stored before, under the same key.", schema: stored },
      },
      faults: INTAKE,
    },
    "POST /v1/messages/batch": {
      summary: "Store up to 10,000 messages, all or none.",
      body: z.strictObject({ messages: z.array(batchItem).min(1).max(10_000) }),
      headers: CALLER,
      answers: {
        201: { description: "Committed, in this order.", schema: z.strictObject({ message_ids: z.array(z.uuid()) }) },
      },
      faults: INTAKE,
    },
    ...READING,
    ...OPERATING,
  };
}
