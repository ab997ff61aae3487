/** A message as the acker's steps hand it on: checked, with the id that the inbox keys by. */
import type { ContentEncoding } from "@acktor/shared/protocol/envelope";
import type { EnvelopeProof } from "@acktor/shared/protocol/envelope-proof";

/** Where and under which id the sender waits for the answer. */
export interface AnswerTo {
  readonly topic: string;
  /** As the sender wrote it: upper case and foreign ids included. */
  readonly id: string;
}

export interface InboxMessage {
  /** UUID in lower case: the sender's own, or the one that stands for a foreign id. */
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
  /** What its signature proves; null where none was asked for. */
  readonly proof?: EnvelopeProof | null;
  /** The sender's span, as it gave it. */
  readonly traceparent?: string | null;
}

/** What the sender is told about one message. */
export type Answer =
  | { readonly status: "processed" }
  | {
      readonly status: "rejected";
      readonly reason: string;
      readonly retryable: boolean;
      /** Not again before so many milliseconds. */
      readonly retryAfterMs?: number;
    }
  /** Not finished: no other answer is to be expected for so long. */
  | {
      readonly status: "working";
      readonly forMs: number;
      /** Since the attempt arrived. */
      readonly elapsedMs: number;
    };
