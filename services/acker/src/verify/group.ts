/** What the verification hands on: messages of a batch of arrivals, grouped by id. */
import type { InboxMessage } from "../inbox/message.ts";
import type { Incoming } from "../inbox/receive-messages.ts";
import type { Held } from "../subscribe/places.ts";

/** One arrival that is a message. */
export interface Delivery {
  readonly message: InboxMessage;
  readonly held: Held;
}

/** All arrivals of one id in a batch (overlapping filters, impatient outboxes); the first one represents them. */
export interface Group extends Incoming {
  /** Arrivals with the content of the first one. Written by the verifier alone. */
  deliveries: number;
  readonly all: Delivery[];
}
