/**
 * Answers who asks what became of a message here.
 *
 * Invariants:
 *  1. At most `MOST_UNDER_WAY` questions are with the database; one more is not answered, as if it had been lost.
 *  2. A database that is away gives no answer: silence is not "never seen".
 */
import type { Bus, BusMessage } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import { type ReceiptReply, receiptRequest } from "@acktor/shared/inspect/receipts";
import { WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { LIMITS, readText, sealedBytes } from "@acktor/shared/inspect/wire-schemas";
import { readReceipt } from "../inbox/read-receipt.ts";

const MOST_UNDER_WAY = 8;

export interface AnswerOptions {
  readonly bus: Bus;
  readonly subject: string;
  readonly pool: Pool;
  readonly instance: string;
  /** Somebody asked what is no question. */
  readonly onMalformed: () => void;
}

/** @returns what ends it; twice is fine */
export function answerReceipts({ bus, subject, pool, instance, onMalformed }: AnswerOptions): () => void {
  let underWay = 0;
  const answer = async (messageId: string, respond: (text: string) => void): Promise<void> => {
    underWay++;
    try {
      const read = await readReceipt(pool, messageId);
      if (read.ok) respond(JSON.stringify({ v: WIRE_VERSION, instance, receipt: read.receipt } satisfies ReceiptReply));
    } finally {
      underWay--;
    }
  };
  const hear = ({ text, respond }: BusMessage): Promise<void> | undefined => {
    const request = readText(receiptRequest, text, LIMITS.small);
    if (request === null) onMalformed();
    return request === null || underWay >= MOST_UNDER_WAY ? undefined : answer(request.message_id, respond);
  };
  return bus.subscribe(subject, hear, { mostBytes: sealedBytes(LIMITS.small) });
}
