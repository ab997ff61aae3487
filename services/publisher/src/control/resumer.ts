/**
 * Makes waiting rows due when a receiver appears. Topics of devices (`devices/7/cmd`, `devices/7/#`) are found by index; filters
 * with wildcards inside walk through all waiting rows, and delay no device.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { BirthStore } from "../outbox/outbox.ts";
import type { MemoryOfDestinations } from "../outbox/resume-rows.ts";
import { placeOf } from "../outbox/serve-places.ts";
import { PlaceServer } from "./place-server.ts";
import type { Births } from "./presence-watch.ts";
import { WaitingWalk } from "./waiting-walk.ts";

export interface ResumerParts {
  readonly outbox: BirthStore;
  readonly memory: MemoryOfDestinations;
  readonly doorbell: { ringForKnownRows(): void };
  readonly troubles: TroubleDesk;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class Resumer implements Births {
  readonly #walk: WaitingWalk;
  readonly #places: PlaceServer;

  constructor(parts: ResumerParts) {
    this.#walk = new WaitingWalk(parts);
    this.#places = new PlaceServer(parts, this.#walk);
  }

  add(filters: readonly string[]): void {
    const rest: string[] = [];
    for (const filter of filters) {
      if (placeOf(filter) === null) rest.push(filter);
      else this.#places.add(filter);
    }
    this.#walk.add(rest);
  }

  /** Lets the statements under way end. May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    await Promise.all([this.#places.stop(), this.#walk.stop()]);
  }
}
