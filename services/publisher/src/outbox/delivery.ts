/**
 * The life of a message as a table (docs/reference/database.md). No actor runs it; the guard in SQL, the diagram and the tests
 * are compared with it.
 *
 * Invariants:
 *  DELIVERY-1. No message leaves `acknowledged`.
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

// DELIVERY-1: no move has `from: "acknowledged"`.
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
