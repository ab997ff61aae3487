/** A message's timeline: what the outbox recorded, and what acker and publisher said of it in the journal. Pure. */
import type { MessageTimeline } from "../../api/types.ts";
import type { Row } from "../../state/journal.ts";

export interface Moment {
  /** ISO 8601; null where the time was not recorded. */
  readonly at: string | null;
  readonly kind:
    | "created"
    | "scheduled"
    | "attempt"
    | "received"
    | "duplicate"
    | "refused"
    | "acked"
    | "failed"
    | "expired"
    | "waiting";
  readonly who: string | null;
  readonly attempt: number | null;
  readonly outcome: string | null;
  readonly reasonCode: number | null;
  readonly breaker: string | null;
  readonly detail: string | null;
}

const NOTHING = { at: null, who: null, attempt: null, outcome: null, reasonCode: null, breaker: null, detail: null };

/** Oldest first; what has no time stands where it belongs by its kind. */
export function momentsOf(message: MessageTimeline, rows: readonly Row[]): Moment[] {
  const moments: Moment[] = [{ ...NOTHING, kind: "created", at: message.created_at }];
  if (message.deliver_at !== null) moments.push({ ...NOTHING, kind: "scheduled", at: message.deliver_at });
  for (const attempt of message.attempts) {
    moments.push({
      ...NOTHING,
      kind: "attempt",
      at: attempt.sent_at,
      who: attempt.client_id,
      attempt: attempt.attempt,
      outcome: attempt.outcome,
      reasonCode: attempt.reason_code,
      breaker: attempt.breaker,
      detail: attempt.detail,
    });
  }
  moments.push(...heard(message.message_id, rows));
  for (const ack of message.acks) {
    const detail = ack.late ? "late" : null;
    moments.push({
      ...NOTHING,
      kind: "acked",
      at: ack.acknowledged_at,
      who: ack.client_id,
      outcome: ack.level,
      detail,
    });
  }
  if (message.state === "failed")
    moments.push({ ...NOTHING, kind: "failed", at: message.updated_at, detail: message.reason });
  if (message.state === "expired") moments.push({ ...NOTHING, kind: "expired", at: message.updated_at });
  if (message.due_at !== null) moments.push({ ...NOTHING, kind: "waiting", at: message.due_at });
  return moments.sort((a, b) => timeOf(a) - timeOf(b));
}

/** What an acker did with it, as far as the journal reaches back. */
function heard(id: string, rows: readonly Row[]): Moment[] {
  return rows.flatMap(({ step, event }) => {
    if (step === null || step.message_id !== id || event.service !== "acker") return [];
    if (step.step !== "received" && step.step !== "duplicate" && step.step !== "refused") return [];
    const detail = step.detail === undefined ? null : String(step.detail);
    return [{ ...NOTHING, kind: step.step, at: new Date(step.ts).toISOString(), who: event.instance, detail }];
  });
}

function timeOf({ at }: Moment): number {
  return at === null ? 0 : Date.parse(at);
}
