/**
 * Decides which acks are authentic.
 *
 * Invariants:
 *  AUTH-1. With trust configured an ack counts only with a valid signature; verifying Ed25519 takes a bounded
 * share of a core, and an ack beyond that is dropped unverified: its message is sent again, and answered again.
 */
import type { Ack } from "@acktor/shared/protocol/ack";
import type { AckTrust } from "@acktor/shared/protocol/ack-proof";
import { VerifyBudget } from "@acktor/shared/protocol/verify-budget";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { OutboxIdentity } from "../outbox/outbox-identity.ts";

export class AckAuthenticator {
  readonly #trust: AckTrust | null;
  readonly #outbox: OutboxIdentity;
  readonly #budget: VerifyBudget;

  /**
   * @param trust null: every well-formed ack is trusted
   */
  constructor(trust: AckTrust | null, outbox: OutboxIdentity, clock: Clock) {
    this.#trust = trust;
    this.#outbox = outbox;
    this.#budget = new VerifyBudget(() => clock.now());
  }

  /** True where only signed acks are trusted. */
  get isStrict(): boolean {
    return this.#trust !== null;
  }

  /** @param isInFlight whether this process awaits an answer for the message */
  judge(ack: Ack, isInFlight: boolean): "trusted" | "unsigned" | "unverified" {
    if (this.#trust === null) return "trusted";
    const judged = this.#trust.judge(ack, this.#outbox.id);
    if (judged.kind === "signed") return "trusted";
    if (judged.kind === "unsigned") return "unsigned";
    const holds = this.#budget.check(judged.verify, isInFlight);
    // AUTH-1
    if (holds === null) return "unverified";
    return holds ? "trusted" : "unsigned";
  }
}
