/**
 * Listeners by event, each isolated from the others (S6).
 *
 * Invariants:
 *  1. A listener that throws is reported and hurts nobody else: the others are called, the caller never sees it.
 *  2. A listener added or taken away while an event is told is not called, or not called again, for that event.
 */
type Listener<T> = (fact: T) => void;

export class Listeners<Events extends object> {
  readonly #report: (error: unknown, event: string) => void;
  // Copied on write, so that telling an event costs no copy.
  readonly #byEvent = new Map<keyof Events, readonly Listener<never>[]>();

  /** @param report takes what a listener threw; what it throws itself is given to the process as a warning */
  constructor(report: (error: unknown, event: string) => void) {
    this.#report = report;
  }

  /** @returns how to take it away again; twice is fine */
  on<K extends keyof Events>(event: K, listener: Listener<Events[K]>): () => void {
    // Wrapped, so that the same function added twice is two listeners.
    const own: Listener<Events[K]> = (fact) => listener(fact);
    this.#byEvent.set(event, [...(this.#byEvent.get(event) ?? []), own]);
    return () => {
      const rest = (this.#byEvent.get(event) ?? []).filter((other) => other !== own);
      this.#byEvent.set(event, rest);
    };
  }

  tell<K extends keyof Events & string>(event: K, fact: Events[K]): void {
    const listeners = this.#byEvent.get(event);
    if (listeners === undefined) return;
    for (const listener of listeners as readonly Listener<Events[K]>[]) this.guard(event, listener, fact);
  }

  /** Calls one function under the same protection. */
  guard<T>(event: string, listener: Listener<T>, fact: T): void {
    try {
      listener(fact);
    } catch (error) {
      this.#reportSafely(error, event);
    }
  }

  clear(): void {
    this.#byEvent.clear();
  }

  #reportSafely(error: unknown, event: string): void {
    try {
      this.#report(error, event);
    } catch (second) {
      process.emitWarning(`the report of a failed ${event} listener failed: ${String(second)}`);
    }
  }
}
