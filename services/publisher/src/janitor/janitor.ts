/**
 * What keeps the outbox tidy, one periodic role each: expiry, retention, counting, probing, health (S10, S21).
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import type { Logger } from "@acktor/shared/runtime/logger";
import { countWaiting } from "../outbox/count-waiting.ts";
import { EXPIRE_BATCH, expireDue } from "../outbox/expire-due.ts";
import type { LeasedMessage } from "../outbox/outbox.ts";
import { dropOldPartitions, ensurePartitions } from "../outbox/partitions.ts";
import { probeDestinations } from "../outbox/probe-destinations.ts";
import type { PeriodicOutput } from "./periodic-machine.ts";
import { PeriodicRole } from "./periodic-role.ts";

const EXPIRE_EVERY_MS = 1_000;
const COUNT_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 500;
const RETAIN_EVERY_MS = 600_000;
const HEALTH_EVERY_MS = 30_000;
/** S10: a connection that carried nothing for this long is worth a warning. */
const IDLE_WARNING_MS = 300_000;

export interface JanitorOptions {
  readonly pool: Pool;
  readonly link: Link;
  readonly logger: Logger;
  readonly owner: string;
  readonly now: () => number;
  readonly leaseMs: number;
  readonly retentionMs: number;
  readonly oldWaitingMs: number;
  /** Messages accepted by this process so far. */
  readonly accepted: () => number;
  /** True while messages may be sent. */
  readonly probing: () => boolean;
  readonly probe: (messages: readonly LeasedMessage[], leaseEndsAt: number) => void;
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

  constructor(options: JanitorOptions) {
    this.#options = options;
    const role = (name: string, intervalMs: number, work: () => Promise<PeriodicOutput>): PeriodicRole =>
      new PeriodicRole({ name, intervalMs, logger: options.logger, work });
    this.roles = [
      role("expiry", EXPIRE_EVERY_MS, () => this.#expire()),
      role("counter", COUNT_EVERY_MS, () => this.#count()),
      role("prober", PROBE_EVERY_MS, () => this.#probe()),
      role("retention", RETAIN_EVERY_MS, () => this.#retain()),
      role("health", HEALTH_EVERY_MS, () => this.#health()),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.roles.map((role) => role.stop()));
  }

  /** True when `adding` more rows would pass the high-water mark: the last count, and what we accepted since. */
  isFull(highWater: number, adding: number): boolean {
    if (this.waiting === null) return false;
    return this.waiting + this.#options.accepted() - this.#acceptedAtCount + adding > highWater;
  }

  async #expire(): Promise<PeriodicOutput> {
    const result = await expireDue(this.#options.pool);
    const expired = result.ok ? result.rows.length : valueOf(result);
    if (expired > 0) this.#options.logger.info({ actor: "expiry", expired }, "messages expired");
    return { more: expired === EXPIRE_BATCH };
  }

  async #count(): Promise<PeriodicOutput> {
    const { pool, accepted } = this.#options;
    const before = accepted();
    const outcome = await countWaiting(pool);
    this.databaseUp = outcome.ok || outcome.failure.kind === "rejected";
    const counted = valueOf(outcome);
    this.waiting = counted.waiting;
    this.oldestWaitingMs = counted.oldestMs;
    this.#acceptedAtCount = before;
    return { more: false };
  }

  async #probe(): Promise<PeriodicOutput> {
    const { pool, owner, leaseMs, now, probing, probe } = this.#options;
    if (!probing()) return { more: false };
    const startedAt = now();
    const { messages, more } = valueOf(await probeDestinations(pool, { instance: owner, leaseMs, limit: 100 }));
    if (messages.length > 0) probe(messages, startedAt + leaseMs);
    return { more };
  }

  async #retain(): Promise<PeriodicOutput> {
    const { pool, retentionMs } = this.#options;
    valueOf(await ensurePartitions(pool));
    valueOf(await dropOldPartitions(pool, retentionMs));
    return { more: false };
  }

  async #health(): Promise<PeriodicOutput> {
    const { link, logger, now, oldWaitingMs } = this.#options;
    if (this.oldestWaitingMs !== null && this.oldestWaitingMs > oldWaitingMs) {
      const seconds = Math.round(this.oldestWaitingMs / 1_000);
      logger.warn({ actor: "health", waiting: this.waiting, oldest_seconds: seconds }, "messages have been waiting for long");
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
      this.#options.logger.warn({ actor: "health", idle_seconds: Math.round((now - this.#idleSince) / 1_000) }, "the connection carries nothing");
      this.#idleSince = now;
    }
  }
}

function valueOf<T>(outcome: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: DbFailure }): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.failure.code}: ${outcome.failure.message}`);
}
