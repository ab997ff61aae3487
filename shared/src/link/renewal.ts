/**
 * Watches the end of the token with which the live connection logged in, and asks for another connection before it.
 *
 * Invariants:
 *  RENEWAL-1. Another connection is asked for only with a token that ends later: another would end at the same time.
 *  RENEWAL-2. It looks between 5 % and 10 % of the token's time before its end (at least 1 s, at most 5 min; the jitter keeps a fleet
 *             apart), and then again, ten times as often, until there is a new one.
 *  RENEWAL-3. A clock that is ahead of the issuer's costs no reconnects: a token that had ended before its login is not watched,
 *             and a connection that did not hold for `leastMs` is not replaced.
 */
import type { Clock, Random } from "../runtime/clock.ts";
import { type CredentialSource, type Credentials, expiryOf } from "./credentials.ts";

const MOST_LEAD_MS = 300_000;
const LEAST_MS = 1_000;
/** Node fires a longer timer immediately. */
const MOST_TIMER_MS = 2 ** 31 - 1;

export interface RenewalParts {
  readonly source: CredentialSource;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds that a connection lasts at least. */
  readonly leastMs: number;
}

export interface RenewalOwner {
  /** There are new credentials: connect with them. */
  renew(): void;
}

export class Renewal {
  readonly #parts: RenewalParts;
  readonly #owner: RenewalOwner;
  /** The end of the token in use, milliseconds since 1970. */
  readonly #end: number;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(parts: RenewalParts, owner: RenewalOwner, used: Credentials) {
    this.#parts = parts;
    this.#owner = owner;
    this.#end = expiryOf(used) ?? Number.POSITIVE_INFINITY;
    const left = this.#end - parts.clock.wallClock();
    if (left <= 0 || left === Number.POSITIVE_INFINITY) return; // RENEWAL-3
    const lead = Math.min(MOST_LEAD_MS, left * (0.05 + 0.05 * parts.random.next()));
    this.#lookIn(Math.max(parts.leastMs, left - Math.max(LEAST_MS, lead)), Math.max(LEAST_MS, lead / 10));
  }

  /** May be called twice. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #lookIn(ms: number, everyMs: number): void {
    if (this.#isStopped) return;
    const wait = Math.max(LEAST_MS, ms);
    this.#timer = setTimeout(
      () => {
        if (wait > MOST_TIMER_MS) this.#lookIn(wait - MOST_TIMER_MS, everyMs);
        else void this.#look(everyMs);
      },
      Math.min(wait, MOST_TIMER_MS),
    );
    this.#timer.unref();
  }

  async #look(everyMs: number): Promise<void> {
    const read = await this.#parts.source.read();
    if (this.#isStopped) return;
    // RENEWAL-1
    if (read.ok && (expiryOf(read.credentials) ?? Number.POSITIVE_INFINITY) > this.#end) this.#owner.renew();
    else this.#lookIn(everyMs, everyMs); // RENEWAL-2
  }
}
