/** Rows of an operator's statement as the result that every operator verb gives. */
import { type DbResult, pgArray } from "@acktor/shared/db/pool";
import type { MessageState, OperatorResult, Outcome } from "./outbox.ts";

export interface VerdictRow {
  readonly message_id: string;
  /** The state after the move; null when it was refused. */
  readonly state: MessageState | null;
  /** Null when the row is unknown. */
  readonly why: string | null;
}

export function toOperatorResult(answer: DbResult<VerdictRow>): Outcome<OperatorResult> {
  if (!answer.ok) return answer;
  const moved: { messageId: string; state: MessageState }[] = [];
  const refused: { messageId: string; why: string }[] = [];
  for (const { message_id: messageId, state, why } of answer.rows) {
    if (state === null) refused.push({ messageId, why: why ?? "unknown" });
    else moved.push({ messageId, state });
  }
  return { ok: true, value: { moved, refused } };
}

/** The answer of a look that finds nothing against any of them. */
export function allMoved(messageIds: readonly string[], state: MessageState): Outcome<OperatorResult> {
  return { ok: true, value: { moved: messageIds.map((messageId) => ({ messageId, state })), refused: [] } };
}

/** Ids without repetition, in order, as a parameter: every operator statement locks its rows in this order. */
export function idList(messageIds: readonly string[]): string {
  return pgArray([...new Set(messageIds)].sort());
}
