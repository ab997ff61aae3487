/**
 * A cut at the n-th message that passes a line, whichever of its connections carries it.
 *
 * Invariants:
 *  1. It hits once: the connection of that message ends, the others of the line stay.
 *  2. Whatever passed before it arrives; after it nothing does.
 */
export type CutSide = "before" | "after";

/** What becomes of a message. */
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

  /** @returns whether it hit */
  disarm(): boolean {
    this.#nth = 0;
    return this.#hit;
  }

  /** Asked for each message, in the order in which they pass. */
  take(): CutVerdict {
    if (this.#nth === 0 || this.#hit || ++this.#seen < this.#nth) return "pass";
    this.#hit = true;
    return this.#side === "before" ? "cut before" : "cut after";
  }
}
