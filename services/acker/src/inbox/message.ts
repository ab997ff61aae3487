/** A message after its verification, with its key in the inbox. */
import type { ContentEncoding } from "@acktor/shared/protocol/envelope";
import type { EnvelopeProof } from "@acktor/shared/protocol/envelope-proof";

/** Where, and under which id, the sender expects the answer. */
export interface AnswerTo {
  readonly topic: string;
  /** As the sender wrote it: it may be upper case, or no UUID. */
  readonly id: string;
}

export interface InboxMessage {
  /** UUID in lower case: the sender's own, or one that is derived from an id that is no UUID. */
  readonly messageId: string;
  /** The sender's id where it is no UUID. */
  readonly externalId: string | null;
  readonly topic: string;
  readonly content: string;
  readonly contentEncoding: ContentEncoding;
  readonly contentType: string | null;
  /** `sha256:<hex>` over the content's bytes; computed when the sender gave none. */
  readonly checksum: string;
  readonly attemptToken: string | null;
  /** PUBLISHes before this one, as the sender counts. */
  readonly retryCount: number;
  /** Monotonic milliseconds. */
  readonly arrivedAt?: number;
  /** Monotonic milliseconds after which it must have no effect; null = no end. */
  readonly expiresAt: number | null;
  /** Null when no ack is wanted. */
  readonly answerTo: AnswerTo | null;
  /** What its signature proves; null where the acker requires none. */
  readonly proof?: EnvelopeProof | null;
  /** The sender's span. */
  readonly traceparent?: string | null;
}

/** Whether an attempt is not older than another one. One that is proven is newer than one that is not. */
export function isNewerAttempt(one: InboxMessage, other: InboxMessage): boolean {
  const [proven, known] = [(one.proof ?? null) !== null, (other.proof ?? null) !== null];
  return proven === known ? one.retryCount >= other.retryCount : proven;
}

/** The answer to the sender of one message. */
export type Answer =
  | { readonly status: "processed" }
  | {
      readonly status: "rejected";
      readonly reason: string;
      readonly retryable: boolean;
      /** The sender retries after so many milliseconds at the earliest. */
      readonly retryAfterMs?: number;
    }
  /** The handler still works: the sender should wait for so long. */
  | {
      readonly status: "working";
      readonly forMs: number;
      /** Milliseconds since the attempt arrived. */
      readonly elapsedMs: number;
    };
