/**
 * The life of a message as a table (S15; SPEC 5): never run per message, but what the guard in SQL, the diagram and the
 * tests are held against.
 *
 * Invariant: nothing leaves `acknowledged`.
 */
import type { MessageState } from "./outbox.ts";

export const STATES = [
  "pending",
  "sent",
  "acknowledged",
  "failed",
  "expired",
] as const satisfies readonly MessageState[];

export interface Move {
  readonly from: MessageState;
  readonly event: "sent" | "retried" | "acknowledged" | "acknowledged late" | "failed" | "expired" | "replayed";
  readonly to: MessageState;
}

export const MOVES: readonly Move[] = [
  { from: "pending", event: "sent", to: "sent" },
  { from: "pending", event: "acknowledged", to: "acknowledged" },
  { from: "pending", event: "failed", to: "failed" },
  { from: "pending", event: "expired", to: "expired" },
  { from: "sent", event: "retried", to: "sent" },
  { from: "sent", event: "acknowledged", to: "acknowledged" },
  { from: "sent", event: "failed", to: "failed" },
  { from: "sent", event: "expired", to: "expired" },
  { from: "failed", event: "replayed", to: "pending" },
  { from: "failed", event: "acknowledged late", to: "acknowledged" },
  { from: "expired", event: "replayed", to: "pending" },
  { from: "expired", event: "acknowledged late", to: "acknowledged" },
];

/** True when a row may go from one state to another; staying is no move and always possible. */
export function isLegalMove(from: MessageState, to: MessageState): boolean {
  return from === to || MOVES.some((move) => move.from === from && move.to === to);
}
