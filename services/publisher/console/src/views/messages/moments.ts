/** A message's timeline from the outbox, the inboxes and the journal. Pure. */
import type { MessageTimeline, Receipt } from "../../api/types.ts";
import type { Row } from "../../state/journal.ts";

export interface Moment {
  /** ISO 8601; null if the time was not recorded. */
  readonly at: string | null;
  readonly kind:
    | "created"
    | "scheduled"
    | "attempt"
    | "received"
    | "duplicate"
    | "processed"
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
  /** How often it arrived, if an inbox knows. */
  readonly times: number | null;
}

const NOTHING = {
  at: null,
  who: null,
  attempt: null,
  outcome: null,
  reasonCode: null,
  breaker: null,
  detail: null,
  times: null,
};

/** Oldest first; moments without a time come first. */
export function momentsOf(message: MessageTimeline, rows: readonly Row[], receipts: readonly Receipt[] = []): Moment[] {
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
  moments.push(...arrivals(heard(message.message_id, rows), receipts));
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

/** What ackers did with the message, as far as the journal reaches back. */
function heard(id: string, rows: readonly Row[]): Moment[] {
  return rows.flatMap(({ step, event }) => {
    if (step === null || step.message_id !== id || event.service !== "acker") return [];
    if (step.step !== "received" && step.step !== "duplicate" && step.step !== "refused") return [];
    const detail = step.detail === undefined ? null : String(step.detail);
    return [{ ...NOTHING, kind: step.step, at: new Date(step.ts).toISOString(), who: event.instance, detail }];
  });
}

/**
 * An inbox knows the first arrival and the number of arrivals. The journal knows each arrival while this page was open. An
 * arrival in both is listed once, with the acker's name.
 */
function arrivals(heard: readonly Moment[], receipts: readonly Receipt[]): Moment[] {
  const first = heard.find(({ kind }) => kind === "received");
  const times = receipts.reduce((sum, { deliveries }) => sum + deliveries, 0);
  if (times === 0) return [...heard];
  const later = heard.filter((moment) => moment !== first);
  const came = receipts.map((receipt): Moment => {
    const known = first !== undefined && receipts.length === 1 ? first : NOTHING;
    return { ...known, kind: "received", at: receipt.received_at, times: receipt.deliveries };
  });
  const done = receipts.flatMap(({ processed_at }): Moment[] =>
    processed_at === null ? [] : [{ ...NOTHING, kind: "processed", at: processed_at }],
  );
  return [...came, ...later, ...done];
}

function timeOf({ at }: Moment): number {
  return at === null ? 0 : Date.parse(at);
}
