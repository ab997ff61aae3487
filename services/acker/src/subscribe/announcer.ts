/**
 * Announces an acker in the form that its broker takes. Presence is optional: it must never end the connection.
 *
 * Invariants:
 *  ANNOUNCER-1. Retained where the broker has retained messages; else a birth reaches only the publishers that listen now.
 *  ANNOUNCER-2. A broker that closes `CLOSES_BELIEVED` connections in a row at a birth gets it without retain, then none, for
 *               `LESS_MS`. Some 3.1.1 brokers and AWS IoT refuse a PUBLISH so. One close may have had another cause.
 *  ANNOUNCER-3. A birth that is refused is not repeated on this connection.
 */
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import { announcePresence, clearPresence, type PresenceForm, type PresenceParts } from "./presence.ts";

const CLOSES_BELIEVED = 2;
const LESS_MS = 3_600_000;
const FORMS = ["retained", "live", "none"] as const;

export interface AnnouncerParts {
  readonly link: Link;
  readonly presence: PresenceParts;
  /** ACKTOR_PRESENCE. */
  readonly isOn: boolean;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

export class Announcer {
  readonly #parts: AnnouncerParts;
  /** Index of the form that the broker takes. Written by `#lessen` and `#form`, as `#lessUntil` is. */
  #less = 0;
  #lessUntil = 0;
  #closes = 0;
  #isWarned = false;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  /** Publishes the birth. @param onOutcome true when nothing is left to do on this connection */
  announce(onOutcome: (isDone: boolean) => void): void {
    const form = this.#form();
    if (form === null) onOutcome(true);
    else announcePresence(this.#parts.link, this.#parts.presence, form, (outcome) => onOutcome(this.#judge(outcome)));
  }

  /** Clears the presence. Resolves when the broker has it, or after `timeoutMs`. */
  async withdraw(timeoutMs: number): Promise<void> {
    const form = this.#form();
    if (form !== null) await clearPresence(this.#parts.link, this.#parts.presence, form, timeoutMs);
  }

  #form(): PresenceForm | null {
    const { link, isOn, clock } = this.#parts;
    if (this.#less > 0 && clock.now() >= this.#lessUntil) this.#less = 0;
    const form = FORMS[this.#less];
    if (!isOn || form === "none") return null;
    const { retainAvailable = true, maximumQos = 1 } = link.info().limits ?? {};
    return { retain: form === "retained" && retainAvailable, qos: maximumQos === 0 ? 0 : 1 }; // ANNOUNCER-1
  }

  #judge(outcome: PublishOutcome): boolean {
    switch (outcome.kind) {
      case "acked":
        this.#closes = 0;
        return true;
      case "refused":
        this.#warn(`the broker refused it: 0x${outcome.reasonCode.toString(16)}`);
        return true; // ANNOUNCER-3
      case "unsent":
        return outcome.why === "too_large";
      case "lost":
        if (outcome.why === "deadline") return false;
        if (++this.#closes >= CLOSES_BELIEVED) this.#lessen();
        return true; // The next connection announces it in any case.
    }
  }

  /** ANNOUNCER-2 */
  #lessen(): void {
    this.#closes = 0;
    this.#less = Math.min(this.#less + 1, FORMS.length - 1);
    this.#lessUntil = this.#parts.clock.now() + LESS_MS;
    this.#warn("the broker closes the connection at it");
  }

  #warn(why: string): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    const { presence, logger } = this.#parts;
    logger.warn(
      { topic: presence.prefix, why },
      "the announcement of this acker failed; allow publishing under this topic prefix, or set ACKTOR_PRESENCE=off",
    );
  }
}
