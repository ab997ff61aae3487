/**
 * Finds the message that a broker answers by closing the connection. A row that was in flight, without PUBACK, when the
 * connection ended soon after its PUBLISH is a suspect; from the second such end on it is sent alone, so that no innocent row
 * is suspected with it; three ends alone, in a row, convict it. A PUBACK clears it.
 *
 * Invariants:
 *  QUARANTINE-1. A row that was in flight at two ends is sent alone, so a conviction never hits another row.
 *  QUARANTINE-2. At most `MAX_SUSPECTS` are remembered.
 */

const ALONE_AFTER = 2;
const CONVICTED_AFTER = ALONE_AFTER + 3;
/** A broker that refuses a message closes the connection immediately; a later end is the network's. */
const PROMPT_MS = 1_000;
const MAX_SUSPECTS = 10_000;

/** The attempts in flight; SENT is one without PUBACK. */
interface UnderWay {
  values(): Iterable<{ readonly state: string; readonly message: { readonly messageId: string } }>;
}

export class Quarantine {
  /** Message id → ends of a connection that it was in flight at, in a row. */
  readonly #ends = new Map<string, number>();

  /** True when `id` may be sent next to what is in flight. */
  admits(id: string, inFlight: UnderWay): boolean {
    if (this.#ends.size === 0) return true;
    for (const { state, message } of inFlight.values()) {
      // QUARANTINE-1
      if (state === "SENT" && (this.#goesAlone(id) || this.#goesAlone(message.messageId))) return false;
    }
    return true;
  }

  /**
   * `id` was in flight when the connection ended.
   * @param sinceSentMs from its PUBLISH to that end
   * @returns true when it is convicted.
   */
  lost(id: string, sinceSentMs: number): boolean {
    if (sinceSentMs > PROMPT_MS) return false;
    const ends = (this.#ends.get(id) ?? 0) + 1;
    if (ends >= CONVICTED_AFTER) {
      this.#ends.delete(id);
      return true;
    }
    this.#ends.set(id, ends);
    // QUARANTINE-2
    if (this.#ends.size > MAX_SUSPECTS) this.#forgetOldest();
    return false;
  }

  /** The broker answered: the row is not the cause. */
  passed(id: string): void {
    if (this.#ends.size > 0) this.#ends.delete(id);
  }

  #goesAlone(id: string): boolean {
    return (this.#ends.get(id) ?? 0) >= ALONE_AFTER;
  }

  #forgetOldest(): void {
    const oldest = this.#ends.keys().next().value;
    if (oldest !== undefined) this.#ends.delete(oldest);
  }
}
