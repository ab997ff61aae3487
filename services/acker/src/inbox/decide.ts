/** What a receipt means for one delivery. Pure. */
import type { Answer, InboxMessage } from "./message.ts";
import type { Incoming, Receipt } from "./receive-messages.ts";

export type Decision =
  /** Taken on: the handler works on it, the answer follows. */
  | { readonly kind: "handle" }
  /** Its outcome is known: answer it, also when it was answered before. */
  | { readonly kind: "answer"; readonly answer: Answer }
  /** Another owner holds the lease, and answers. */
  | { readonly kind: "wait" }
  /** The id is known with other content. */
  | { readonly kind: "conflict"; readonly answer: Answer };

/** True when the row did not exist before the statement. */
export function isFirst(receipt: Receipt, item: Incoming): boolean {
  return receipt.checksum === item.message.checksum && receipt.deliveries <= item.deliveries;
}

export function decide(receipt: Receipt, message: InboxMessage): Decision {
  if (receipt.checksum !== message.checksum) {
    return { kind: "conflict", answer: { status: "rejected", reason: "same id, other content", retryable: false } };
  }
  switch (receipt.status) {
    case "processed":
      return { kind: "answer", answer: { status: "processed" } };
    case "rejected":
      return { kind: "answer", answer: { status: "rejected", reason: receipt.reason ?? "", retryable: false } };
    case "received":
      return receipt.mine ? { kind: "handle" } : { kind: "wait" };
  }
}
