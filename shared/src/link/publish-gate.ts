/**
 * Whether a publish may go, and what its outcome says about the broker. The hot path's half of the circuit breaker:
 * the machine hears of trips and proofs only, never of single messages.
 *
 * Invariants:
 *  1. OPEN admits nothing; HALF_OPEN admits `probes` publishes and not one more until they are judged.
 *  2. An outcome counts in the state in which its publish was sent, or not at all.
 *  3. What speaks of one message (a refusal, QoS 0, an end that a person asked for) counts for and against nobody.
 *     In HALF_OPEN a refusal is proof enough: the broker answers.
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

type Verdict = "good" | "bad" | "says_nothing";

export class PublishGate {
  readonly #policy: BreakerPolicy;
  readonly #signals: GateSignals;
  readonly #window: FailureWindow;
  #state: BreakerState = "CLOSED";
  #epoch = 0;
  #probesLeft = 0;
  #proofs = 0;

  constructor(policy: BreakerPolicy, signals: GateSignals) {
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

  /** How many publishes may go now. */
  admits(): number {
    if (this.#state === "CLOSED") return Number.POSITIVE_INFINITY;
    return this.#probesLeft;
  }

  /** To be given back with the outcome of a publish that goes now. */
  get tag(): number {
    return this.#epoch;
  }

  /** One went. */
  take(): void {
    if (this.#state === "HALF_OPEN") this.#probesLeft--;
  }

  /**
   * One ended.
   * @param at monotonic milliseconds
   * @param expected the connection was ended because somebody asked for it
   */
  settled(tag: number, qos: 0 | 1 | 2, outcome: PublishOutcome, sentAt: number, at: number, expected: boolean): void {
    if (tag !== this.#epoch) return;
    const verdict = judge(outcome, qos, expected);
    if (this.#state === "HALF_OPEN") this.#judgeProbe(verdict, outcome, at - sentAt);
    else if (verdict !== "says_nothing" && this.#state === "CLOSED") this.#count(verdict, outcome, at, at - sentAt);
  }

  #count(verdict: Verdict, outcome: PublishOutcome, at: number, elapsedMs: number): void {
    // A refusal says nothing here: were it good, a flood of them would hide that everything else is lost.
    if (outcome.kind === "refused" && verdict === "good") return;
    this.#window.record(at, verdict === "bad", elapsedMs);
    if (this.#window.shouldOpen(at)) this.#signals.tripped(culprit(outcome));
  }

  #judgeProbe(verdict: Verdict, outcome: PublishOutcome, elapsedMs: number): void {
    if (verdict === "says_nothing") this.#probesLeft++;
    else if (verdict === "bad" || elapsedMs > this.#policy.slowMs) this.#signals.relapsed(culprit(outcome));
    else if (++this.#proofs === this.#policy.probes) this.#signals.proved();
  }
}

function judge(outcome: PublishOutcome, qos: 0 | 1 | 2, expected: boolean): Verdict {
  if (qos === 0) return "says_nothing";
  switch (outcome.kind) {
    case "acked":
      return "good";
    case "refused":
      return isBrokerTrouble(outcome.reasonCode) ? "bad" : "good";
    case "lost":
      return expected ? "says_nothing" : "bad";
    case "unsent":
      return "says_nothing";
  }
}

/** A publish that went down with its connection says more of the connection, which is tried again within seconds. */
function culprit(outcome: PublishOutcome): "connect" | "publish" {
  return outcome.kind === "lost" && outcome.why === "disconnected" ? "connect" : "publish";
}
