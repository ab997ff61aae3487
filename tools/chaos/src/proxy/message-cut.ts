/**
 * Cuts a line at its n-th message, on the connection that carries it. The other connections of the line stay. Everything
 * that passed before the cut arrives; nothing passes after it.
 *
 * Invariants:
 *  MESSAGE_CUT-1. A cut hits once.
 */
export type CutSide = "before" | "after";

/** What happens to a message. */
export type CutVerdict = "pass" | "cut before" | "cut after";

export class MessageCut {
  #nth = 0;
  #side: CutSide = "before";
  #seen = 0;
  #hit = false;

  /** Counts from now on, from 1. */
  arm(nth: number, side: CutSide): void {
    this.#nth = nth;
    this.#side = side;
    this.#seen = 0;
    this.#hit = false;
  }

  /** @returns whether the cut hit */
  disarm(): boolean {
    this.#nth = 0;
    return this.#hit;
  }

  /** Called for each message, in the order in which they pass. */
  take(): CutVerdict {
    if (this.#nth === 0 || this.#hit || ++this.#seen < this.#nth) return "pass";
    this.#hit = true; // MESSAGE_CUT-1
    return this.#side === "before" ? "cut before" : "cut after";
  }
}
