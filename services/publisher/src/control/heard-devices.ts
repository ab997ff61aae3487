/**
 * Births of devices that know nothing of acktor: an uplink, or an event of the broker, tells that a device is there
 * (shared/src/protocol/presence-from.ts).
 *
 * Invariants:
 *  HEARD-1. A device is born at most once in `REST_MS`. What it sends meanwhile costs one look-up: no parsing, no statement.
 *  HEARD-2. At most `MOST_A_SECOND` devices are born, so that at most 64,000 are remembered. One that is too much is born by
 *           what it sends next.
 *  HEARD-3. What the broker has retained tells nothing about now.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { type PresenceSource, sourceFor } from "@acktor/shared/protocol/presence-from";
import { Budget } from "@acktor/shared/runtime/budget";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Births } from "./presence-watch.ts";

/** A device that is silent for so long may sleep: its next message is a birth again. */
const REST_MS = 15_000;
const MOST_A_SECOND = 2_000;

export interface HeardDevicesParts {
  readonly sources: readonly PresenceSource[];
  readonly births: Births;
  readonly clock: Clock;
}

export class HeardDevices {
  readonly counts = { born: 0, awake: 0, no_birth: 0, overflow: 0 };
  readonly #parts: HeardDevicesParts;
  readonly #budget: Budget;
  /** Topics of uplinks, and filters of other births: of the last `REST_MS`, and of those before. */
  #young = new Set<string>();
  #old = new Set<string>();
  #turnedAt: number;

  constructor(parts: HeardDevicesParts) {
    this.#parts = parts;
    this.#turnedAt = parts.clock.now();
    this.#budget = new Budget(MOST_A_SECOND, MOST_A_SECOND, this.#turnedAt);
  }

  /** What to subscribe to. */
  get filters(): readonly string[] {
    return [...new Set(this.#parts.sources.flatMap(({ filters }) => filters))];
  }

  /** @returns true when the message was one of a source */
  receive({ topic, payload, retain }: IncomingMessage): boolean {
    const { sources, births, clock } = this.#parts;
    if (sources.length === 0) return false;
    this.#forget();
    // HEARD-1
    if (this.#isAwake(topic)) return true;
    const source = sourceFor(sources, topic);
    if (source === undefined) return false;
    // HEARD-3
    const birth = retain ? null : source.birthOf(topic, payload);
    const key = source.isUplink ? topic : birth;
    if (birth === null || key === null) this.counts.no_birth++;
    else if (!source.isUplink && this.#isAwake(birth)) return true;
    // HEARD-2
    else if (!this.#budget.admit(1, clock.now())) this.counts.overflow++;
    else {
      this.counts.born++;
      this.#young.add(key);
      births.add([birth]);
    }
    return true;
  }

  #isAwake(key: string): boolean {
    const isAwake = this.#young.has(key) || this.#old.has(key);
    if (isAwake) this.counts.awake++;
    return isAwake;
  }

  #forget(): void {
    const passed = this.#parts.clock.now() - this.#turnedAt;
    if (passed < REST_MS) return;
    this.#old = passed < 2 * REST_MS ? this.#young : new Set();
    this.#young = new Set();
    this.#turnedAt += passed;
  }
}
