/**
 * The subscriptions of a link, on every connection from now on.
 *
 * Some brokers (AWS IoT, older 3.1.1 ones) answer a SUBSCRIBE that they do not allow by closing the connection. An optional
 * one must not stop the rest:
 *
 *  WANTED-1. An optional filter at which the broker closed `CLOSES_BELIEVED` connections in a row is left out for `LEFT_OUT_MS`,
 *            or until an operator's reset. One close may have had another cause.
 */

import type { Subscription } from "../mqtt/messages.ts";
import type { Clock } from "../runtime/clock.ts";

const CLOSES_BELIEVED = 2;
const LEFT_OUT_MS = 3_600_000;

export class WantedFilters {
  /** What a transport subscribes to when CONNACK arrives. */
  readonly active = new Map<string, Subscription>();
  readonly #clock: Pick<Clock, "now">;
  readonly #leftOut = new Map<string, { readonly subscription: Subscription; readonly until: number }>();
  /** Connections in a row that were closed at this optional filter. */
  readonly #closes = new Map<string, number>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** @returns false where nothing changes */
  add(subscription: Subscription): boolean {
    const { filter, qos } = subscription;
    const known = this.active.get(filter) ?? this.#leftOut.get(filter)?.subscription;
    if (known?.qos === qos) return false;
    this.active.set(filter, subscription);
    return true;
  }

  /** @returns whether it was subscribed */
  delete(filter: string): boolean {
    this.#leftOut.delete(filter);
    this.#closes.delete(filter);
    return this.active.delete(filter);
  }

  /** The broker closed a connection while it owed the SUBACK of these optional filters. WANTED-1 */
  closedAt(filters: readonly string[]): void {
    for (const filter of filters) {
      const closes = (this.#closes.get(filter) ?? 0) + 1;
      const subscription = this.active.get(filter);
      this.#closes.set(filter, closes);
      if (closes < CLOSES_BELIEVED || subscription === undefined) continue;
      this.active.delete(filter);
      this.#closes.delete(filter);
      this.#leftOut.set(filter, { subscription, until: this.#clock.now() + LEFT_OUT_MS });
    }
    for (const filter of this.#closes.keys()) if (!filters.includes(filter)) this.#closes.delete(filter);
  }

  /** What is left out of the connection that opens now. */
  leftOut(): readonly Subscription[] {
    const now = this.#clock.now();
    for (const [filter, { until }] of this.#leftOut) if (until <= now) this.#restore(filter);
    return [...this.#leftOut.values()].map(({ subscription }) => subscription);
  }

  /** An operator's command: everything is tried again. */
  restoreAll(): void {
    this.#closes.clear();
    for (const filter of this.#leftOut.keys()) this.#restore(filter);
  }

  #restore(filter: string): void {
    const left = this.#leftOut.get(filter);
    this.#leftOut.delete(filter);
    if (left !== undefined) this.active.set(filter, left.subscription);
  }
}
