/** What happened to messages and acks since the start, as plain numbers. */

/** Every arrival ends in exactly one of these; after `first` and `duplicate` the outcome of a handler may follow. */
export const MESSAGE_OUTCOMES = [
  "first",
  "duplicate",
  "conflict",
  "malformed",
  "unauthenticated",
  "corrupt",
  "expired",
  "unusable",
  "ignored",
  "overflow",
  "abandoned",
] as const;

/** How handlers ended; where the row is the effect, all stay 0. */
export const HANDLER_OUTCOMES = ["processed", "rejected", "retryable", "fenced"] as const;

export const ACK_OUTCOMES = ["sent", "refused", "lost", "dropped", "withheld"] as const;

export interface Counts {
  received: number;
  readonly messages: Record<(typeof MESSAGE_OUTCOMES)[number], number>;
  readonly handler: Record<(typeof HANDLER_OUTCOMES)[number], number>;
  readonly acks: Record<(typeof ACK_OUTCOMES)[number], number>;
  /** Arrivals on another topic than the envelope's, by whether ACKTOR_TOPIC_MAP explains it. */
  readonly topics: { mapped: number; unexplained: number };
  /** Acks of status `working`, which ask an outbox for patience; `acks` counts them as well. */
  working: number;
}

export function createCounts(): Counts {
  return {
    received: 0,
    messages: zeros(MESSAGE_OUTCOMES),
    handler: zeros(HANDLER_OUTCOMES),
    acks: zeros(ACK_OUTCOMES),
    topics: { mapped: 0, unexplained: 0 },
    working: 0,
  };
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
