/**
 * Decides whether a publish may go, and what its outcome says about the broker. The hot path's half of the circuit
 * breaker: the machine receives trips and proofs only, never single messages.
 *
 * Invariants:
 *  GATE-1. OPEN admits nothing; HALF_OPEN admits `probes` publishes and not one more until they are judged.
 *  GATE-2. An outcome counts in the state in which its publish was sent, or not at all.
 *  GATE-3. An outcome that concerns one message (a refusal, QoS 0, a disconnect that an operator asked for) does not count
 *          in CLOSED. In HALF_OPEN a refusal is proof enough: the broker answers.
 *  GATE-4. A PUBLISH without answer does not count where a later one was answered: the broker leaves out some (a quota).
 *  GATE-5. Slow is what is slower than this line's deadline, not a fixed time: a slow line is no broken broker.
 */
import { isBrokerTrouble } from "./classify-failure.ts";
import { FailureWindow } from "./failure-window.ts";
import type { BreakerState, PublishOutcome } from "./link.ts";
import type { BreakerPolicy } from "./link-policy.ts";

export interface GateSignals {
  /** Too many failed: the breaker should open. */
  tripped(by: "connect" | "publish"): void;
  /** Every probe succeeded. */
  proved(): void;
  /** A probe failed. */
  relapsed(by: "connect" | "publish"): void;
}

/** What is late on this line. */
export interface LineDeadline {
  readonly deadlineMs: number;
}

type Verdict = "good" | "bad" | "neutral";

export class PublishGate {
  readonly #policy: BreakerPolicy;
  readonly #signals: GateSignals;
  readonly #window: FailureWindow;
  readonly #line: LineDeadline;
  #state: BreakerState = "CLOSED";
  #epoch = 0;
  #probesLeft = 0;
  #proofs = 0;

  constructor(policy: BreakerPolicy, signals: GateSignals, line: LineDeadline) {
    this.#line = line;
    this.#policy = policy;
    this.#signals = signals;
    this.#window = new FailureWindow(policy);
  }

  /** The machine moved its region `breaker`. */
  moved(state: BreakerState): void {
    this.#state = state;
    this.#epoch++;
    this.#window.clear();
    this.#probesLeft = state === "HALF_OPEN" ? this.#policy.probes : 0;
    this.#proofs = 0;
  }

  /** How many publishes may go now. GATE-1 */
  admits(): number {
    if (this.#state === "CLOSED") return Number.POSITIVE_INFINITY;
    return this.#probesLeft;
  }

  /** Passed to `settled` with the outcome of a publish that goes now. */
  get tag(): number {
    return this.#epoch;
  }

  /** A publish went. */
  take(): void {
    if (this.#state === "HALF_OPEN") this.#probesLeft--;
  }

  /**
   * A publish was settled.
   * @param at monotonic milliseconds
   * @param expected we ended the connection
   */
  settled(tag: number, qos: 0 | 1 | 2, outcome: PublishOutcome, sentAt: number, at: number, expected: boolean): void {
    if (tag !== this.#epoch) return; // GATE-2
    const verdict = judge(outcome, qos, expected);
    if (this.#state === "HALF_OPEN") this.#judgeProbe(verdict, outcome, at - sentAt);
    else if (verdict !== "neutral" && this.#state === "CLOSED") this.#count(verdict, outcome, at, at - sentAt);
  }

  #count(verdict: Verdict, outcome: PublishOutcome, at: number, elapsedMs: number): void {
    // GATE-3: if refusals were good, a flood of them would hide that everything else is lost.
    if (outcome.kind === "refused" && verdict === "good") return;
    this.#window.record(at, verdict === "bad", this.#isSlow(elapsedMs));
    if (this.#window.shouldOpen(at)) this.#signals.tripped(culprit(outcome));
  }

  /** GATE-5 */
  #isSlow(elapsedMs: number): boolean {
    return elapsedMs > Math.max(this.#policy.slowMs, this.#line.deadlineMs);
  }

  #judgeProbe(verdict: Verdict, outcome: PublishOutcome, elapsedMs: number): void {
    if (verdict === "neutral") this.#probesLeft++;
    else if (verdict === "bad" || this.#isSlow(elapsedMs)) this.#signals.relapsed(culprit(outcome));
    else if (++this.#proofs === this.#policy.probes) this.#signals.proved();
  }
}

function judge(outcome: PublishOutcome, qos: 0 | 1 | 2, expected: boolean): Verdict {
  if (qos === 0) return "neutral";
  switch (outcome.kind) {
    case "acked":
      return "good";
    case "refused":
      return isBrokerTrouble(outcome.reasonCode) ? "bad" : "good";
    case "lost":
      // GATE-4
      return expected || (outcome.why === "deadline" && outcome.overtaken === true) ? "neutral" : "bad";
    case "unsent":
      return "neutral";
  }
}

/** A publish that was lost with its connection says more about the connection, which is retried within seconds. */
function culprit(outcome: PublishOutcome): "connect" | "publish" {
  return outcome.kind === "lost" && outcome.why === "disconnected" ? "connect" : "publish";
}
