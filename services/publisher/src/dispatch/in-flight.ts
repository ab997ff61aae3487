/** What the dispatcher holds in memory of a row: leased and waiting to be sent, or published and waiting for its ack. */
import type { OpenSpan } from "@acktor/shared/runtime/tracing";
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { Destination } from "./destination.ts";

/** Leased, not yet published. Times are monotonic milliseconds. */
export interface QueuedMessage {
  readonly message: LeasedMessage;
  /** The lease ends then, measured from before the claim was sent, so we are never later than the database. */
  readonly leaseEndsAt: number;
  /** Its life ends then; null = no TTL. */
  readonly expiresAt: number | null;
  /** A single PUBLISH that finds out whether a parked destination answers again. */
  readonly probe: boolean;
}

/** Published, not yet acked. */
export interface InFlight {
  readonly message: LeasedMessage;
  readonly destination: Destination;
  /** 1 for the first PUBLISH. */
  readonly attempt: number;
  readonly sentAt: number;
  /** No ack by then: the destination was silent. */
  readonly timesOutAt: number;
  /** The row is due again then. */
  retryAt: number;
  readonly probe: boolean;
  /** Reason code of PUBACK; null until it comes. */
  puback: number | null;
  pubackAt: number;
  /** `writing` while the `sent` write is under way. */
  record: "none" | "writing" | "written";
  /** `retryAt` was brought forward while the record was under way, so it is written once more. */
  hurried: boolean;
  /** Of this PUBLISH, where tracing is on. */
  readonly span?: OpenSpan | null;
  /** The ack came; whatever still happens to the PUBLISH does not matter. */
  done: boolean;
}
