/** The janitor's work on the outbox, one periodic role each: expiry, counting, retention, summing up, counting replicas. */
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { SweepStore } from "../outbox/outbox.ts";
import type { PeriodicOutput } from "./periodic-machine.ts";
import { type PeriodicWork, unwrap } from "./periodic-role.ts";
import type { WaitingLevel } from "./waiting-level.ts";

type Probed = Pick<DatabaseHealth, "isUp" | "needsWrite" | "noted" | "probed">;

/** Counting stops this far above the high-water mark: more would change no answer. */
const COUNT_BEYOND = 10_000;
const ONCE: PeriodicOutput = { more: false };

/** Ends messages whose time to live is over. */
export class Expiry implements PeriodicWork {
  readonly name = "expiry";
  readonly intervalMs = 1_000;
  readonly #outbox: SweepStore;
  readonly #logger: Logger;

  constructor(outbox: SweepStore, logger: Logger) {
    this.#outbox = outbox;
    this.#logger = logger;
  }

  async run(): Promise<PeriodicOutput> {
    const { expired, more } = unwrap(await this.#outbox.expire());
    if (expired > 0) this.#logger.info({ actor: this.name, expired }, "messages expired");
    return { more };
  }
}

/** Asks each second whether the database takes writes, and counts what waits, for the high-water mark and for people. */
export class Counter implements PeriodicWork {
  readonly name = "counter";
  readonly intervalMs = 1_000;
  readonly #outbox: SweepStore;
  readonly #level: WaitingLevel;
  readonly #database: Probed;

  constructor(outbox: SweepStore, level: WaitingLevel, database: Probed) {
    this.#outbox = outbox;
    this.#level = level;
    this.#database = database;
  }

  async run(): Promise<PeriodicOutput> {
    const level = this.#level;
    const database = this.#database;
    database.probed(await this.#outbox.probeDatabase(database.needsWrite()));
    // A database that is down is no failure of this role: readiness follows it within a second, not within the role's backoff.
    if (!database.isUp()) return ONCE;
    const before = level.accepted;
    const counted = await this.#outbox.count(level.highWater + COUNT_BEYOND);
    if (!counted.ok && database.noted(counted.failure)) return ONCE;
    level.counted(unwrap(counted), before);
    level.oldestWaitingMs = unwrap(await this.#outbox.oldestWaiting())?.ageMs ?? null;
    level.parked = unwrap(await this.#outbox.countParked());
    return ONCE;
  }
}

/** Makes the days to come and deletes what is older than the retention. */
export class Retention implements PeriodicWork {
  readonly name = "retention";
  readonly intervalMs = 600_000;
  readonly #outbox: Pick<SweepStore, "adoptDays" | "makeDays" | "retain">;
  readonly #logger: Logger;

  constructor(outbox: Pick<SweepStore, "adoptDays" | "makeDays" | "retain">, logger: Logger) {
    this.#outbox = outbox;
    this.#logger = logger;
  }

  async run(): Promise<PeriodicOutput> {
    const { waiting, full } = unwrap(await this.#outbox.makeDays());
    if (waiting.length > 0) this.#blocked(waiting);
    for (const day of full) if (await this.#adopt(day)) break;
    return { more: unwrap(await this.#outbox.retain()).more };
  }

  #blocked(days: readonly string[]): void {
    this.#logger.warn({ actor: this.name, days }, "a transaction blocks new partitions; retrying");
  }

  /** After days without a publisher. @returns false = not possible now */
  async #adopt(day: string): Promise<boolean> {
    this.#logger.info({ actor: this.name, day }, "a day without a partition has rows; making one around them");
    const adopted = unwrap(await this.#outbox.adoptDays(day));
    if (adopted === null) {
      this.#blocked([day]);
      return false;
    }
    const { firstDay, lastDay } = adopted;
    this.#logger.info({ actor: this.name, first_day: firstDay, last_day: lastDay }, "the rows have their partition");
    unwrap(await this.#outbox.makeDays());
    return true;
  }
}

export class Tally implements PeriodicWork {
  readonly name = "tally";
  readonly intervalMs = 10_000;
  readonly #outbox: SweepStore;

  constructor(outbox: SweepStore) {
    this.#outbox = outbox;
  }

  async run(): Promise<PeriodicOutput> {
    return { more: unwrap(await this.#outbox.sumUpTally()).more };
  }
}

/** The part of the dispatcher that shares the window with other publishers. */
export interface WindowShare {
  shareWindow(replicas: number): void;
}

export class ReplicaCount implements PeriodicWork {
  readonly name = "replicas";
  readonly intervalMs = 3_000;
  readonly #outbox: SweepStore;
  readonly #share: WindowShare;

  constructor(outbox: SweepStore, share: WindowShare) {
    this.#outbox = outbox;
    this.#share = share;
  }

  async run(): Promise<PeriodicOutput> {
    this.#share.shareWindow(unwrap(await this.#outbox.countReplicas()));
    return ONCE;
  }
}
