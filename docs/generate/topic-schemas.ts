/** What travels on the topics, as schemas: the AsyncAPI document is made of them, and tests hold what is sent to them. */
import { z } from "zod";

export const envelopeSchema = z.strictObject({
  message_id: z
    .string()
    .describe("UUID of the publisher's; any text without / + # and white space of a foreign sender."),
  content: z.string().describe("Text, or base64 where content_encoding is base64."),
  timestamp: z.number().describe("Creation of the row, seconds since 1970."),
  requires_ack: z.boolean(),
  ack_topic: z.string().describe("Where the answer goes; its last level is the message_id."),
  retry_count: z.int().min(0).describe("PUBLISHes before this one."),
  checksum: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .describe("Over the content's bytes.")
    .optional(),
  content_encoding: z.enum(["utf8", "base64"]).optional(),
  content_type: z.string().optional(),
  ordering_key: z.string().optional(),
  attempt_token: z.string().describe("Changes with every claim; a rejection must return it.").optional(),
  expires_in: z.number().describe("Seconds of life left when sent.").optional(),
  traceparent: z.string().describe("W3C trace context.").optional(),
  topic: z.string().describe("The topic that it was sent to.").optional(),
  outbox: z.string().describe("Id of the outbox, where the envelope is signed.").optional(),
  signature: z
    .string()
    .describe("v2:hmac-sha256:<key id>:<hex> or v2:ed25519:<key id>:<base64url>, where the publisher has a key.")
    .optional(),
});

export const ackSchema = z.looseObject({
  message_id: z.string().describe("As in the topic.").optional(),
  client_id: z.string().nullable().describe("Who processed it.").optional(),
  status: z.enum(["processed", "rejected", "working"]).describe("processed where it is left out.").optional(),
  reason: z.string().describe("Of a rejection, and of nothing else.").optional(),
  retryable: z
    .boolean()
    .describe("Of a rejection: may the message be sent again? True where it is left out, and without a checksum.")
    .optional(),
  retry_after: z.number().min(0).max(86_400).describe("Of a rejection: not before so many seconds.").optional(),
  working_for: z
    .number()
    .min(0)
    .max(86_400)
    .describe("Of status working: no answer before so many seconds.")
    .optional(),
  elapsed: z.number().min(0).describe("Of status working: seconds since this attempt arrived.").optional(),
  attempt_token: z.string().describe("Of the envelope; a rejection needs it.").optional(),
  topic: z
    .string()
    .describe("Of the envelope, in signed acks; sha256:<hex> of a topic that is longer than 1,024 bytes.")
    .optional(),
  checksum: z.string().describe("Of the content that arrived.").optional(),
  signature: z.string().describe("v2:hmac-sha256:<key id>:<hex> or v2:ed25519:<key id>:<base64url>.").optional(),
});

export const presenceSchema = z.strictObject({
  instance: z.string().describe("As in the topic."),
  status: z.enum(["online", "lost"]),
  filters: z.array(z.string()).max(1_000).describe("What it has subscribed to."),
  since: z.number().describe("Seconds since 1970, by the acker's clock."),
});
