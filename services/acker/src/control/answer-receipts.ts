/**
 * Answers requests for what became of a message in this inbox.
 *
 * Invariants:
 *  RECEIPTS-1. At most `MOST_UNDER_WAY` requests are with the database; a further one gets no answer.
 *  RECEIPTS-2. While the database is away a request gets no answer: no answer does not mean "never seen".
 */
import type { Bus, BusMessage } from "@acktor/shared/bus/bus";
import { type ReceiptReply, receiptRequest } from "@acktor/shared/inspect/receipts";
import { WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { LIMITS, readText, sealedBytes } from "@acktor/shared/inspect/wire-schemas";
import type { Inbox } from "../inbox/inbox.ts";

const MOST_UNDER_WAY = 8;

export interface ReceiptAnswersParts {
  readonly bus: Bus;
  readonly subject: string;
  readonly inbox: Pick<Inbox, "readReceipt">;
  readonly instance: string;
}

export class ReceiptAnswers {
  /** Requests that were not understood. */
  malformed = 0;
  readonly #parts: ReceiptAnswersParts;
  #underWay = 0;
  /** Ends the subscription. Written by `start` and `stop`. */
  #unsubscribe: (() => void) | null = null;

  constructor(parts: ReceiptAnswersParts) {
    this.#parts = parts;
  }

  start(): void {
    const { bus, subject } = this.#parts;
    const limits = { mostBytes: sealedBytes(LIMITS.small) };
    this.#unsubscribe ??= bus.subscribe(subject, (message) => this.#hear(message), limits);
  }

  /** May be called early and twice. */
  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  #hear({ text, respond }: BusMessage): Promise<void> | undefined {
    const request = readText(receiptRequest, text, LIMITS.small);
    if (request === null) this.malformed++;
    // RECEIPTS-1
    return request === null || this.#underWay >= MOST_UNDER_WAY ? undefined : this.#answer(request.message_id, respond);
  }

  async #answer(messageId: string, respond: BusMessage["respond"]): Promise<void> {
    const { inbox, instance } = this.#parts;
    this.#underWay++;
    try {
      const read = await inbox.readReceipt(messageId);
      // RECEIPTS-2
      if (!read.ok) return;
      const receipt = read.rows[0] ?? null;
      respond(JSON.stringify({ v: WIRE_VERSION, instance, receipt } satisfies ReceiptReply));
    } finally {
      this.#underWay--;
    }
  }
}
