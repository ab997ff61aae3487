/**
 * Lanes whose lock an INSERT did not get in time: for a moment their next requests are rejected without waiting again.
 *
 * Invariants:
 *  LANES-2. A lane is remembered for MEMORY_MS at most, and MOST lanes at most.
 */
import { createHash } from "node:crypto";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { AcceptedMessage } from "./validate-message.ts";

const MEMORY_MS = 1_000;
const MOST = 1_000;

type InLane = Pick<AcceptedMessage, "orderingKey" | "retain" | "topic">;

/** Whether publisher.lock_lanes has anything to lock for it. */
export function hasLane({ orderingKey, retain }: InLane): boolean {
  return orderingKey !== null || retain;
}

export class LockedLanes {
  readonly #clock: Pick<Clock, "now">;
  readonly #until = new Map<string, { readonly at: number; readonly fault: ApiFault }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** @param lane as publisher.lock_lanes names it */
  note(lane: string, fault: ApiFault): void {
    this.#until.delete(lane);
    if (this.#until.size >= MOST) this.#until.clear(); // LANES-2
    this.#until.set(lane, { at: this.#clock.now() + MEMORY_MS, fault });
  }

  /** Why a request with these messages is rejected; null: none of their lanes is known to be locked. */
  faultOf(messages: readonly InLane[]): ApiFault | null {
    if (this.#until.size === 0) return null;
    for (const message of messages) {
      for (const lane of lanesOf(message)) {
        const known = this.#until.get(lane);
        if (known === undefined) continue;
        // LANES-2
        if (known.at > this.#clock.now()) return known.fault;
        this.#until.delete(lane);
      }
    }
    return null;
  }
}

/** As publisher.lock_lanes names them. */
function lanesOf({ orderingKey, retain, topic }: InLane): string[] {
  const retained = retain ? [`r:${createHash("md5").update(topic).digest("hex")}`] : [];
  return orderingKey === null ? retained : [`k:${orderingKey}`, ...retained];
}
