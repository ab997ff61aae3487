/**
 * Checks the answers that callers got during faults (I9, docs/explanation/reliability.md). It reads the history alone (pure).
 *
 * Invariants:
 *  ANSWERS-1. While the publisher runs, an answer that takes longer than 2 s is reported, also a 503 without PostgreSQL.
 *  ANSWERS-2. While publisher and PostgreSQL run, a call without an accepting answer is reported. Faults of MQTT, NATS and
 *             the acker are no excuse.
 */
import type { Entry } from "../workload/history.ts";

export interface AnswerFindings {
  /** Number of 503s, and the slowest of them in milliseconds. Late ones are in `wrong`. */
  readonly unavailable: number;
  readonly slowestUnavailableMs: number;
  /** Calls that were accepted while broker, NATS, acker or a line to them was broken. */
  readonly acceptedMeanwhile: number;
  readonly wrong: readonly string[];
}

/** 503 comes in 2 s (docs/explanation/guarantees.md#time-limits); 500 ms are for the round trip on a busy machine. */
export const ANSWER_LIMIT_MS = 2_000 + 500;
/** A publisher that has just been started or thawed first processes its backlog. */
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
    // ANSWERS-1
    if (tookMs > ANSWER_LIMIT_MS) wrong.push(`message ${entry.n} was answered after ${tookMs} ms (${entry.kind})`);
    if (entry.kind === "unknown" && entry.status === 503) {
      unavailable++;
      slowestUnavailableMs = Math.max(slowestUnavailableMs, tookMs);
    }
    if (entry.kind === "ok" && meets(call, others)) acceptedMeanwhile++;
    // ANSWERS-2
    if (entry.kind === "unknown" && !meets(call, database)) {
      wrong.push(`message ${entry.n} was answered with ${entry.status} while publisher and PostgreSQL were running`);
    }
  }
  return { unavailable, slowestUnavailableMs, acceptedMeanwhile, wrong };
}

/** The periods in which faults of these names were active, each with `graceMs` added at the end. */
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
