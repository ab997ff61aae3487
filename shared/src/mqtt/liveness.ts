/**
 * Decides when a connection is dead, by what the broker owes and for how long. Pure: callers pass the time, in monotonic
 * milliseconds. The driver's keepalive alone would take 90 s by its defaults, and resets a timer on every packet.
 *
 * Invariants:
 *  LIVENESS-1. Dead is: no byte for `silenceMs` while a PUBLISH waits, none for 1.5 × keepalive at all (longer on a slow
 *              line), a missing SUBACK, no PUBACK for two deadlines though pings are answered, or so many missing PUBACKs
 *              that the connection would come to a stop.
 *  LIVENESS-2. A ping is due early enough for its answer to arrive in time, and often enough for the broker's own limit of
 *              1.5 × keepalive, also when the line becomes slower by a keepalive between two pings.
 *  LIVENESS-3. Silence is a dead line, not a broker that leaves a PUBLISH unanswered: a ping asks before `silenceMs` is over.
 */
import type { FailureInput } from "./failure-input.ts";

/** Milliseconds; read again each time, because they are learned. */
export interface LivenessPolicy {
  readonly silenceMs: number;
  readonly publishDeadlineMs: number;
  readonly subackMs: number;
  readonly pingMs: number;
}

/** Fewer missing PUBACKs may be the messages' own fault. */
const STALLED_PUBLISHES = 3;

/** What the broker owes. */
export interface Owed {
  /** PUBLISHes without an answer, including those whose deadline has passed. */
  readonly answers: number;
  /** When the oldest of them within its deadline was sent, or null. */
  readonly oldestSentAt: number | null;
  /** PUBLISHes whose deadline has passed: their packet ids stay in use. */
  readonly overdueAnswers: number;
  /** When the first of the overdue ones was sent since the last PUBACK, or null. */
  readonly stalledSince: number | null;
  /** Most PUBLISHes that may wait. */
  readonly quota: number;
  /** When the oldest SUBSCRIBE without SUBACK was sent, or null. */
  readonly subscribedAt: number | null;
}

export class Liveness {
  readonly #policy: LivenessPolicy;
  #keepaliveMs: number;
  #receivedAt: number;
  #writtenAt: number;
  #pingedAt = Number.NEGATIVE_INFINITY;
  /** The first ping without an answer, or null. */
  #unansweredAt: number | null = null;

  constructor(policy: LivenessPolicy, keepaliveMs: number, now: number) {
    this.#policy = policy;
    this.#keepaliveMs = keepaliveMs;
    this.#receivedAt = now;
    this.#writtenAt = now;
  }

  /** When the last byte was received or written. */
  get activeAt(): number {
    return Math.max(this.#receivedAt, this.#writtenAt);
  }

  /** The broker chose another keepalive. */
  setKeepalive(keepaliveMs: number): void {
    this.#keepaliveMs = keepaliveMs;
  }

  received(at: number): void {
    this.#receivedAt = at;
  }

  written(at: number): void {
    this.#writtenAt = at;
  }

  pinged(at: number): void {
    this.#pingedAt = at;
    this.#unansweredAt ??= at;
  }

  /** Why the connection is dead, or null. Silence comes before single deadlines, which it explains. LIVENESS-1 */
  verdict(now: number, owed: Owed): FailureInput | null {
    const { silenceMs, publishDeadlineMs, subackMs, pingMs } = this.#policy;
    if (owed.subscribedAt !== null && now - owed.subscribedAt >= subackMs) {
      return { kind: "deadline", of: "suback", afterMs: subackMs };
    }
    if (owed.answers > 0 && now - this.#silentSince(owed) >= silenceMs) {
      return { kind: "deadline", of: "silence", afterMs: silenceMs };
    }
    // Before the connection is ready there is no quota, and no answer is due.
    const { overdueAnswers, stalledSince } = owed;
    const most = Math.ceil(owed.quota / 2);
    const isStalled = stalledSince !== null && now - stalledSince >= 2 * publishDeadlineMs;
    if (overdueAnswers > 0 && (overdueAnswers >= most || (isStalled && overdueAnswers >= STALLED_PUBLISHES))) {
      return { kind: "deadline", of: "puback", afterMs: publishDeadlineMs };
    }
    const deadAfterMs = this.#keepaliveMs + Math.max(this.#keepaliveMs / 2, pingMs);
    if (now - this.#receivedAt >= deadAfterMs) return { kind: "deadline", of: "keepalive", afterMs: deadAfterMs };
    return null;
  }

  wantsPing(now: number, owed: Owed): boolean {
    const silentSince = this.#silentSince(owed);
    // LIVENESS-3
    const asks = owed.answers > 0 && this.#pingedAt <= silentSince && now - silentSince >= this.#policy.silenceMs / 2;
    // LIVENESS-2
    const quietSince = Math.max(this.#pingedAt, Math.min(this.#receivedAt, this.#writtenAt));
    return asks || now - quietSince >= this.#keepaliveMs / 2;
  }

  /** A PINGRESP came. @returns the milliseconds since its ping, or null: some brokers send one that was not asked for */
  pingAnswered(now: number): number | null {
    const since = this.#unansweredAt;
    this.#unansweredAt = null;
    return since === null ? null : now - since;
  }

  #silentSince(owed: Owed): number {
    return Math.max(this.#receivedAt, owed.oldestSentAt ?? this.#receivedAt);
  }
}
