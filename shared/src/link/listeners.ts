/**
 * Listeners by event, isolated from each other.
 *
 * Invariants:
 *  LISTENERS-1. A listener that throws is reported; the other listeners are called, and the caller never sees the error.
 *  LISTENERS-2. A listener that is added or removed during an event is not called, or not called again, for that event.
 */
type Listener<T> = (fact: T) => void;

export interface ListenerFailures {
  /** Receives what a listener threw. */
  listenerFailed(error: unknown, event: string): void;
}

export class Listeners<Events extends object> {
  readonly #failures: ListenerFailures;
  // Copied on write, so that emitting an event costs no copy. LISTENERS-2
  readonly #byEvent = new Map<keyof Events, readonly Listener<never>[]>();

  /** @param failures where it throws itself, the process emits a warning */
  constructor(failures: ListenerFailures) {
    this.#failures = failures;
  }

  /** @returns what removes the listener; a second call has no effect */
  on<K extends keyof Events>(event: K, listener: Listener<Events[K]>): () => void {
    // Wrapped, so that the same function added twice is two listeners.
    const own: Listener<Events[K]> = (fact) => listener(fact);
    this.#byEvent.set(event, [...(this.#byEvent.get(event) ?? []), own]);
    return () => {
      const rest = (this.#byEvent.get(event) ?? []).filter((other) => other !== own);
      this.#byEvent.set(event, rest);
    };
  }

  emit<K extends keyof Events & string>(event: K, fact: Events[K]): void {
    const listeners = this.#byEvent.get(event);
    if (listeners === undefined) return;
    for (const listener of listeners as readonly Listener<Events[K]>[]) this.guard(event, listener, fact);
  }

  /** Calls one function under the same protection. LISTENERS-1 */
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
      this.#failures.listenerFailed(error, event);
    } catch (second) {
      process.emitWarning(`the report of a failed ${event} listener failed: ${String(second)}`);
    }
  }
}
