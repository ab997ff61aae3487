/**
 * When callers were answered while something was broken (I9), from the history alone (pure).
 *
 * Invariants:
 *  1. With a publisher that is there every answer comes in 2 s, also 503 while PostgreSQL is away.
 *  2. With publisher and PostgreSQL there, every call is accepted, whatever is broken otherwise: MQTT, NATS, acker.
 */
import type { Entry } from "../workload/history.ts";

export interface AnswerFindings {
  /** 503s, all in time unless `wrong` says otherwise, and the slowest of them in milliseconds. */
  readonly unavailable: number;
  readonly slowestUnavailableMs: number;
  /** Calls that were accepted while broker, NATS, acker or a line to them was broken. */
  readonly acceptedMeanwhile: number;
  readonly wrong: readonly string[];
}

/** 503 within 2 s (docs/explanation/guarantees.md#time-limits); the rest is the round trip on a machine that injects faults. */
export const ANSWER_LIMIT_MS = 2_000 + 500;
/** A publisher that has just been started or thawed works off what waited. */
const PUBLISHER_GRACE_MS = 1_000;
/** I9 gives the connections 10 s; the pool's own backoff is shorter. */
const DATABASE_GRACE_MS = 5_000;

const OF_PUBLISHER = /^(kill|stop|freeze) publisher$/;
const OF_DATABASE = /postgres|\.db\b|^end-backends$|^fill/;

interface Span {
  readonly from: number;
  readonly to: number;
}

export function judgeAnswers(entries: readonly Entry[]): AnswerFindings {
  const publisher = spansOf(entries, (name) => OF_PUBLISHER.test(name), PUBLISHER_GRACE_MS);
  const database = spansOf(entries, (name) => OF_DATABASE.test(name), DATABASE_GRACE_MS);
  const others = spansOf(entries, (name) => !OF_PUBLISHER.test(name) && !OF_DATABASE.test(name), 0);
  const sentAt = new Map<number, number>();
  const wrong: string[] = [];
  let unavailable = 0;
  let slowestUnavailableMs = 0;
  let acceptedMeanwhile = 0;
  for (const entry of entries) {
    if (entry.op === "send") sentAt.set(entry.n, entry.t);
    if (entry.op !== "answer") continue;
    const call = { from: sentAt.get(entry.n) ?? entry.t, to: entry.t };
    const tookMs = call.to - call.from;
    if (meets(call, publisher)) continue;
    if (tookMs > ANSWER_LIMIT_MS) wrong.push(`message ${entry.n} was answered after ${tookMs} ms (${entry.kind})`);
    if (entry.kind === "unknown" && entry.status === 503) {
      unavailable++;
      slowestUnavailableMs = Math.max(slowestUnavailableMs, tookMs);
    }
    if (entry.kind === "ok" && meets(call, others)) acceptedMeanwhile++;
    if (entry.kind === "unknown" && !meets(call, database)) {
      wrong.push(`message ${entry.n} was answered with ${entry.status} while publisher and PostgreSQL were there`);
    }
  }
  return { unavailable, slowestUnavailableMs, acceptedMeanwhile, wrong };
}

/** When faults of these names were on, and for `graceMs` afterwards. */
function spansOf(entries: readonly Entry[], is: (name: string) => boolean, graceMs: number): Span[] {
  const open = new Map<string, number[]>();
  const spans: Span[] = [];
  for (const entry of entries) {
    if (entry.op !== "fault" || !is(entry.name)) continue;
    if (entry.phase === "begin") open.set(entry.name, [...(open.get(entry.name) ?? []), entry.t]);
    else {
      const from = open.get(entry.name)?.shift();
      if (from !== undefined) spans.push({ from, to: entry.t + graceMs });
    }
  }
  for (const [, begun] of open) for (const from of begun) spans.push({ from, to: Number.POSITIVE_INFINITY });
  return spans;
}

function meets({ from, to }: Span, spans: readonly Span[]): boolean {
  return spans.some((span) => from <= span.to && to >= span.from);
}
