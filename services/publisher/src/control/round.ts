/**
 * A walk in a circle through the pages of a table. A birth that joins on the way is served from the next page on, and sees each
 * page once: the walk ends where the last one joined.
 */
export class Round {
  readonly #first: string;
  #at: string;
  /** Where the walk ends, once it has come past the last page; null when no birth waits. */
  #end: string | null = null;
  #wrapped = false;

  /** @param first sorts before every place */
  constructor(first: string) {
    this.#first = first;
    this.#at = first;
  }

  get isUnderWay(): boolean {
    return this.#end !== null;
  }

  /** The next page begins after this. */
  get at(): string {
    return this.#at;
  }

  join(): void {
    this.#end = this.#at;
    this.#wrapped = false;
  }

  /** @param next null after the last page */
  advance(next: string | null): void {
    // A second end of the table: the place where it was to end is gone.
    const again = next === null && this.#wrapped;
    if (next === null) this.#wrapped = true;
    this.#at = next ?? this.#first;
    if (again || (this.#wrapped && this.#end !== null && this.#at >= this.#end)) this.leave();
  }

  /** Ends the walk where it is. */
  leave(): void {
    this.#end = null;
    this.#at = this.#first;
  }
}
