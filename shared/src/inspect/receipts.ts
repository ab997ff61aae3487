/**
 * What the inbox of an acker knows of one message, asked for over the bus: the part of a message's timeline that the
 * outbox cannot know. Ackers of one group share an inbox, so several may give the same answer.
 */
import { z } from "zod";
import { WIRE_VERSION } from "./wire.ts";

const v = z.literal(WIRE_VERSION);
const time = z.iso.datetime({ offset: true });

export const receiptRequest = z.object({ v, message_id: z.uuid() });

export const receipt = z.object({
  /** ISO 8601, microseconds, UTC, by the clock of the inbox's database. */
  received_at: time,
  /** How often it arrived; all but the first are duplicates, and had no effect. */
  deliveries: z.int().min(1),
  status: z.enum(["received", "processed", "rejected"]),
  reason: z.string().max(2_000).nullable(),
  processed_at: time.nullable(),
});

/** `receipt` null: the inbox has not seen it, or has forgotten it. */
export const receiptReply = z.object({ v, instance: z.string().min(1).max(200), receipt: receipt.nullable() });

export type Receipt = z.infer<typeof receipt>;
export type ReceiptReply = z.infer<typeof receiptReply>;
