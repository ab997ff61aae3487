/** Asks the ackers what their inboxes know of a message. */
import type { Bus } from "@acktor/shared/bus/bus";
import { type Receipt, type ReceiptReply, receiptReply } from "@acktor/shared/inspect/receipts";
import { WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { LIMITS, readText } from "@acktor/shared/inspect/wire-schemas";

const GATHER_MS = 500;

export interface Receipts {
  /** One for each inbox that has it; ackers of a group share one. */
  readonly receipts: readonly Receipt[];
  /** Ackers that are known, and those of them that answered in time. Fewer: the picture has a hole. */
  readonly ackers: { readonly known: number; readonly answered: number };
}

/**
 * @param known ackers on the bus; without any no question is sent
 * @returns within half a second
 */
export async function askReceipts(bus: Bus, subject: string, known: number, messageId: string): Promise<Receipts> {
  if (known === 0) return { receipts: [], ackers: { known: 0, answered: 0 } };
  const question = JSON.stringify({ v: WIRE_VERSION, message_id: messageId });
  const replies: ReceiptReply[] = [];
  // A reply that is not a receipt takes no receipt's place.
  const accept = (text: string): boolean => {
    const reply = readText(receiptReply, text, LIMITS.small);
    if (reply !== null) replies.push(reply);
    return reply !== null;
  };
  await bus.requestMany(subject, question, { forMs: GATHER_MS, most: known, accept });
  // One row gives one receipt, no matter which ackers read it.
  const distinct = new Map(
    replies.flatMap(({ receipt }) => (receipt === null ? [] : [[receipt.received_at, receipt]])),
  );
  return { receipts: [...distinct.values()], ackers: { known, answered: replies.length } };
}
