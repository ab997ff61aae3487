/**
 * Decides when a connection is dead, by what the broker owes and for how long. Pure: callers pass the time, in monotonic
 * milliseconds. The driver's keepalive alone would take 90 s by its defaults, and resets a timer on every packet.
 *
 * Invariants:
 *  LIVENESS-1. Dead is: no byte for `silenceMs` while a PUBLISH waits, none for 1.5 × keepalive at all, a missing SUBACK, or
 *              so many missing PUBACKs that the connection would come to a stop.
 *  LIVENESS-2. A ping is due early enough for its answer to arrive in time, and often enough for the broker's own limit of
 *              1.5 × keepalive.
 */
import type { FailureInput } from "./failure-input.ts";

export interface LivenessPolicy {
  readonly silenceMs: number;
  readonly publishDeadlineMs: number;
  readonly subackMs: number;
}

/** What the broker owes. */
export interface Owed {
  /** PUBLISHes without an answer, including those whose deadline has passed. */
  readonly answers: number;
  /** When the oldest of them within its deadline was sent, or null. */
  readonly oldestSentAt: number | null;
  /** PUBLISHes whose deadline has passed: their packet ids stay in use. */
  readonly overdueAnswers: number;
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
  }

  /** Why the connection is dead, or null. Silence comes before single deadlines, which it explains. LIVENESS-1 */
  verdict(now: number, owed: Owed): FailureInput | null {
    const { silenceMs, publishDeadlineMs, subackMs } = this.#policy;
    if (owed.subscribedAt !== null && now - owed.subscribedAt >= subackMs) {
      return { kind: "deadline", of: "suback", afterMs: subackMs };
    }
    const silentSince = Math.max(this.#receivedAt, owed.oldestSentAt ?? this.#receivedAt);
    if (owed.answers > 0 && now - silentSince >= silenceMs) {
      return { kind: "deadline", of: "silence", afterMs: silenceMs };
    }
    // Before the connection is ready there is no quota, and no answer is due.
    if (owed.overdueAnswers > 0 && owed.overdueAnswers >= Math.ceil(owed.quota / 2)) {
      return { kind: "deadline", of: "puback", afterMs: publishDeadlineMs };
    }
    const deadAfterMs = this.#keepaliveMs * 1.5;
    if (now - this.#receivedAt >= deadAfterMs) return { kind: "deadline", of: "keepalive", afterMs: deadAfterMs };
    return null;
  }

  /** LIVENESS-2 */
  wantsPing(now: number): boolean {
    const quietMs = now - Math.min(this.#receivedAt, this.#writtenAt);
    return quietMs >= this.#keepaliveMs && now - this.#pingedAt >= this.#keepaliveMs;
  }
}
