/**
 * Watches the end of the token with which the live connection logged in, and asks for another connection before it.
 *
 * Invariants:
 *  RENEWAL-1. Another connection is asked for only with credentials that differ: an old token would end at the same time.
 *  RENEWAL-2. It looks between 5 % and 10 % of the token's time before its end (at least 1 s, at most 5 min; the jitter keeps a fleet
 *             apart), and then again, ten times as often, until there is a new one.
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
}

export interface RenewalOwner {
  /** There are new credentials: connect with them. */
  renew(): void;
}

export class Renewal {
  readonly #parts: RenewalParts;
  readonly #owner: RenewalOwner;
  readonly #used: Credentials;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(parts: RenewalParts, owner: RenewalOwner, used: Credentials) {
    this.#parts = parts;
    this.#owner = owner;
    this.#used = used;
    const end = expiryOf(used);
    if (end === null) return;
    const left = end - parts.clock.wallClock();
    const lead = Math.min(MOST_LEAD_MS, left * (0.05 + 0.05 * parts.random.next()));
    this.#lookIn(left - Math.max(LEAST_MS, lead), Math.max(LEAST_MS, lead / 10));
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
    if (read.ok && tokenOf(read.credentials) !== tokenOf(this.#used)) this.#owner.renew();
    else this.#lookIn(everyMs, everyMs); // RENEWAL-2
  }
}

function tokenOf({ password, auth }: Credentials): string | null {
  return auth === null ? password : auth.data.toString();
}
