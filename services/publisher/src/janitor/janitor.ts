/**
 * What keeps the outbox tidy, one periodic role each: expiry, retention, counting, probing, replicas, health (S10, S21).
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { AnyActor } from "xstate";
import { countReplicas } from "../outbox/count-replicas.ts";
import { countWaiting, oldestWaiting } from "../outbox/count-waiting.ts";
import { EXPIRE_BATCH, expireAround } from "../outbox/expire-due.ts";
import { purgeIdempotencyKeys, sumUpTally } from "../outbox/housekeeping.ts";
import type { LeasedMessage } from "../outbox/outbox.ts";
import { deleteStragglers, dropOldPartitions, ensurePartitions } from "../outbox/partitions.ts";
import { parkedDestinations, probeAround } from "../outbox/probe-destinations.ts";
import { purgeActions } from "../outbox/purge-actions.ts";
import type { Shelf } from "../outbox/sweep-apart.ts";
import { freeAround } from "../outbox/unpark-destinations.ts";
import type { PeriodicOutput } from "./periodic-machine.ts";
import { PeriodicRole } from "./periodic-role.ts";

const EXPIRE_EVERY_MS = 1_000;
const COUNT_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 500;
/** Destinations probed by one statement. */
const PROBES = 100;
/** Counting stops this far above the high-water mark: more would change no answer. */
const COUNT_BEYOND = 10_000;
const RETAIN_EVERY_MS = 600_000;
const TALLY_EVERY_MS = 10_000;
const REPLICAS_EVERY_MS = 3_000;
const HEALTH_EVERY_MS = 30_000;
/** S10: a connection that carried nothing for this long is worth a warning. */
const IDLE_WARNING_MS = 300_000;

export interface JanitorOptions {
  readonly pool: Pool;
  readonly link: Link;
  readonly logger: Logger;
  readonly troubles: TroubleDesk;
  /** Rows that cannot be read or changed. */
  readonly shelf: Shelf;
  readonly owner: string;
  readonly now: () => number;
  readonly leaseMs: number;
  readonly retentionMs: number;
  readonly oldWaitingMs: number;
  readonly highWater: number;
  /** Messages accepted by this process so far. */
  readonly accepted: () => number;
  /** True while messages may be sent. */
  readonly probing: () => boolean;
  /** Rows of a destination that is back come due within this time. */
  readonly smearMs: number;
  readonly dispatcher: Prober;
  /** Rows are due that nobody announced. */
  readonly freed: () => void;
  /** Takes the actor of a role each time that it starts. */
  readonly onActor?: (role: string, actor: AnyActor) => void;
}

/** What the prober asks of the dispatcher. */
interface Prober {
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number, probe: boolean): void;
  notePark(destination: string): void;
  unpark(matches: (name: string) => boolean): readonly string[];
  shareWindow(replicas: number): void;
}

export class Janitor {
  readonly roles: readonly PeriodicRole[];
  readonly #options: JanitorOptions;
  /** Rows that wait, as last counted; null before the first count. */
  waiting: number | null = null;
  /** Age of the oldest row that waits, milliseconds; null when none does. */
  oldestWaitingMs: number | null = null;
  /** Whether the last count, a second ago at most, reached PostgreSQL. */
  databaseUp = true;
  #acceptedAtCount = 0;
  #idleSince: number | null = null;
  #knowsParked = false;

  constructor(options: JanitorOptions) {
    this.#options = options;
    const role = (name: string, intervalMs: number, work: () => Promise<PeriodicOutput>): PeriodicRole =>
      new PeriodicRole({
        name,
        intervalMs,
        troubles: options.troubles,
        work,
        onActor: (actor) => options.onActor?.(name, actor),
      });
    this.roles = [
      role("expiry", EXPIRE_EVERY_MS, () => this.#expire()),
      role("counter", COUNT_EVERY_MS, () => this.#count()),
      role("prober", PROBE_EVERY_MS, () => this.#probe()),
      role("retention", RETAIN_EVERY_MS, () => this.#retain()),
      role("tally", TALLY_EVERY_MS, () => this.#tally()),
      role("replicas", REPLICAS_EVERY_MS, () => this.#countReplicas()),
      role("health", HEALTH_EVERY_MS, () => this.#health()),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.roles.map((role) => role.stop()));
  }

  /** True when `adding` more rows would pass the high-water mark: the last count, and what we accepted since. */
  isFull(adding: number): boolean {
    if (this.waiting === null) return false;
    return this.waiting + this.#options.accepted() - this.#acceptedAtCount + adding > this.#options.highWater;
  }

  async #expire(): Promise<PeriodicOutput> {
    const expired = unwrap(await expireAround(this.#options.pool, this.#options.shelf));
    if (expired > 0) this.#options.logger.info({ actor: "expiry", expired }, "messages expired");
    return { more: expired === EXPIRE_BATCH };
  }

  async #count(): Promise<PeriodicOutput> {
    const { pool, accepted, highWater } = this.#options;
    const before = accepted();
    const counted = await countWaiting(pool, highWater + COUNT_BEYOND);
    this.databaseUp = counted.ok || counted.failure.kind === "rejected";
    // Away is no failure of this role: readiness follows the database within a second, not within the role's backoff.
    if (!this.databaseUp) return { more: false };
    this.waiting = unwrap(counted);
    this.#acceptedAtCount = before;
    this.oldestWaitingMs = unwrap(await oldestWaiting(pool))?.ageMs ?? null;
    return { more: false };
  }

  /** Frees the rows of destinations that are back, and asks those that are not, one message each. */
  async #probe(): Promise<PeriodicOutput> {
    const { pool, shelf, owner, leaseMs, now, probing, dispatcher, smearMs, freed } = this.#options;
    if (!this.#knowsParked) {
      for (const name of unwrap(await parkedDestinations(pool))) dispatcher.notePark(name);
      this.#knowsParked = true;
    }
    const free = unwrap(await freeAround(pool, shelf, smearMs));
    if (free.freed > 0) freed();
    if (!probing()) return { more: free.more };
    const startedAt = now();
    const { probes, forgotten } = unwrap(await probeAround(pool, shelf, { instance: owner, leaseMs, limit: PROBES }));
    if (forgotten.length > 0) {
      const names = new Set(forgotten);
      dispatcher.unpark((name) => names.has(name));
    }
    const messages = probes.map((probe) => probe.message);
    if (messages.length > 0) dispatcher.offer(messages, startedAt + leaseMs, true);
    return { more: free.more || probes.length === PROBES };
  }

  async #retain(): Promise<PeriodicOutput> {
    const { pool, retentionMs, logger } = this.#options;
    const { waiting } = unwrap(await ensurePartitions(pool));
    if (waiting.length > 0) {
      logger.warn(
        { actor: "retention", days: waiting },
        "a transaction keeps days from being made; they are tried again",
      );
    }
    unwrap(await dropOldPartitions(pool, retentionMs));
    const stragglers = unwrap(await deleteStragglers(pool, retentionMs));
    const keys = unwrap(await purgeIdempotencyKeys(pool));
    const actions = unwrap(await purgeActions(pool));
    return { more: stragglers.more || keys.more || actions.more };
  }

  async #tally(): Promise<PeriodicOutput> {
    return { more: unwrap(await sumUpTally(this.#options.pool)).more };
  }

  async #countReplicas(): Promise<PeriodicOutput> {
    const { pool, owner, dispatcher } = this.#options;
    dispatcher.shareWindow(unwrap(await countReplicas(pool, owner)));
    return { more: false };
  }

  async #health(): Promise<PeriodicOutput> {
    const { link, logger, now, oldWaitingMs } = this.#options;
    if (this.oldestWaitingMs !== null && this.oldestWaitingMs > oldWaitingMs) {
      const seconds = Math.round(this.oldestWaitingMs / 1_000);
      logger.warn(
        { actor: "health", waiting: this.waiting, oldest_seconds: seconds },
        "messages have been waiting for long",
      );
    }
    const { state, stats } = link.info();
    const activity = state === "CONNECTED" ? stats.messagesSent + stats.messagesReceived : null;
    this.#noteActivity(activity, now());
    return { more: false };
  }

  #lastActivity: number | null = null;

  #noteActivity(activity: number | null, now: number): void {
    if (activity === null || activity !== this.#lastActivity) this.#idleSince = null;
    else this.#idleSince ??= now;
    this.#lastActivity = activity;
    if (this.#idleSince !== null && now - this.#idleSince >= IDLE_WARNING_MS) {
      this.#options.logger.warn(
        { actor: "health", idle_seconds: Math.round((now - this.#idleSince) / 1_000) },
        "the connection carries nothing",
      );
      this.#idleSince = now;
    }
  }
}

function unwrap<T>(
  outcome: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: DbFailure },
): T {
  if (outcome.ok) return outcome.value;
  throw failureOf(outcome.failure);
}

/** A role's run ends by a rejection; its machine waits and tries again. */
function failureOf({ code, message }: DbFailure): Error {
  return Object.assign(new Error(message), { code });
}
