/** What happened to messages and acks since the start, as plain numbers: raised on the hot path, read by people. */

/** Every arrival ends in exactly one of these, except that `first` and `duplicate` may be followed by a handler's. */
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

/** How the handler's work ended; `row` mode counts none of them. */
export const HANDLER_OUTCOMES = ["processed", "rejected", "retryable", "fenced"] as const;

export const ACK_OUTCOMES = ["sent", "refused", "lost", "dropped", "withheld"] as const;

export interface Counts {
  received: number;
  readonly messages: Record<(typeof MESSAGE_OUTCOMES)[number], number>;
  readonly handler: Record<(typeof HANDLER_OUTCOMES)[number], number>;
  readonly acks: Record<(typeof ACK_OUTCOMES)[number], number>;
  /** How often an outbox was asked for patience: acks of status `working`, which are among `acks` as well. */
  working: number;
}

export function createCounts(): Counts {
  return {
    received: 0,
    messages: zeros(MESSAGE_OUTCOMES),
    handler: zeros(HANDLER_OUTCOMES),
    acks: zeros(ACK_OUTCOMES),
    working: 0,
  };
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
