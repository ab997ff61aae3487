/**
 * When a connection is dead, by what it owes and for how long. Pure: times are handed in, in monotonic milliseconds.
 *
 * Invariants:
 *  1. Dead: no byte for `silenceMs` while a PUBLISH waits, none for 1.5 × keepalive at all, a SUBACK that does not come,
 *     or so many PUBACKs missing that the connection would come to a stop.
 *  2. A ping goes out early enough for its answer to come in time, and often enough for the broker's own 1.5 × keepalive.
 *
 * The driver's keepalive alone would take 90 s by its defaults, and sets a timer anew on every packet.
 */
import type { FailureInput } from "./failure-input.ts";

export interface LivenessPolicy {
  readonly silenceMs: number;
  readonly publishDeadlineMs: number;
  readonly subackMs: number;
}

/** What the broker owes. */
export interface Owed {
  /** PUBLISHes without an answer, also those whose deadline has passed. */
  readonly answers: number;
  /** When the oldest of them within its deadline was sent, or null. */
  readonly oldestSentAt: number | null;
  /** Those whose deadline has passed: their packet ids stay taken. */
  readonly overdueAnswers: number;
  /** How many may wait at all. */
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

  /** The last byte in or out. */
  get activeAt(): number {
    return Math.max(this.#receivedAt, this.#writtenAt);
  }

  /** The broker decided on another keepalive. */
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

  /** Why the connection is dead, or null. Silence comes before single deadlines: their publishes fell with it. */
  verdict(now: number, owed: Owed): FailureInput | null {
    const { silenceMs, publishDeadlineMs, subackMs } = this.#policy;
    if (owed.subscribedAt !== null && now - owed.subscribedAt >= subackMs) {
      return { kind: "deadline", of: "suback", afterMs: subackMs };
    }
    const silentSince = Math.max(this.#receivedAt, owed.oldestSentAt ?? this.#receivedAt);
    if (owed.answers > 0 && now - silentSince >= silenceMs) {
      return { kind: "deadline", of: "silence", afterMs: silenceMs };
    }
    // Before the connection is ready there is no quota, and nothing is owed.
    if (owed.overdueAnswers > 0 && owed.overdueAnswers >= Math.ceil(owed.quota / 2)) {
      return { kind: "deadline", of: "puback", afterMs: publishDeadlineMs };
    }
    const deadAfterMs = this.#keepaliveMs * 1.5;
    if (now - this.#receivedAt >= deadAfterMs) return { kind: "deadline", of: "keepalive", afterMs: deadAfterMs };
    return null;
  }

  wantsPing(now: number): boolean {
    const quietMs = now - Math.min(this.#receivedAt, this.#writtenAt);
    return quietMs >= this.#keepaliveMs && now - this.#pingedAt >= this.#keepaliveMs;
  }
}
