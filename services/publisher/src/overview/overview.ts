/**
 * The figures of the console's first page. Rates, percentiles and the account of an outage are those of this process; counts
 * and destinations those of the outbox. A sample is taken once a second; PostgreSQL is read only on request. While PostgreSQL
 * is unreachable its figures are null.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { BusView } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type OldLock, readOldLocks } from "../outbox/old-locks.ts";
import type { Outcome } from "../outbox/outbox.ts";
import { type DestinationRow, readDestinations } from "../outbox/read-destinations.ts";
import { type DeliveryStats, readStats } from "../outbox/read-stats.ts";
import { StatsCache } from "../outbox/stats-cache.ts";
import type { Publisher } from "../publisher.ts";
import type { LatencyWindow } from "./latency-window.ts";
import { OutageAccount } from "./outage-account.ts";
import { RateMeter } from "./rate-meter.ts";
import { type WarnedTrouble, type Warning, Warnings } from "./warnings.ts";

const SAMPLE_MS = 1_000;
const RATE_WINDOW_MS = 10_000;
const DESTINATIONS_SHOWN = 100;
const ACKERS_SHOWN = 100;

export interface OverviewParts {
  readonly pool: Pool;
  readonly link: Link;
  readonly publisher: Publisher;
  readonly latencies: LatencyWindow;
  readonly instance: string;
  readonly version: string;
  readonly highWater: number;
  readonly oldWaitingMs: number;
  readonly service: ServiceState;
  readonly fleet: BusState;
  readonly database: Pick<DatabaseHealth, "isUp" | "line" | "state">;
  readonly troubles: TroubleDesk & { list(): readonly WarnedTrouble[] };
  readonly clock: Clock;
}

export interface ServiceState {
  state(): string;
}

export interface BusState {
  bus(): BusView;
}

export class Overview {
  readonly #parts: OverviewParts;
  readonly #rates = new RateMeter(RATE_WINDOW_MS);
  readonly #account = new OutageAccount();
  readonly #warnings = new Warnings();
  readonly #stats: StatsCache<DeliveryStats>;
  readonly #locks: StatsCache<readonly OldLock[]>;
  readonly #destinations: StatsCache<readonly DestinationRow[]>;
  #warned: readonly Warning[] = [];
  #ackerSeenAt: number;
  /** Written by `read`. */
  #oldLocks: readonly OldLock[] = [];
  #settled = 0;
  #timer: NodeJS.Timeout | null = null;
  #off: (() => void) | null = null;

  constructor(parts: OverviewParts) {
    this.#parts = parts;
    this.#ackerSeenAt = parts.clock.wallClock();
    this.#stats = new StatsCache(() => this.#noted(readStats(parts.pool)), parts.clock);
    this.#locks = new StatsCache(() => this.#noted(readOldLocks(parts.pool)), parts.clock);
    this.#destinations = new StatsCache(
      () => this.#noted(readDestinations(parts.pool, DESTINATIONS_SHOWN)),
      parts.clock,
    );
  }

  /** Begins to sample. A second call has no effect. */
  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#sampleSafely(), SAMPLE_MS);
    this.#timer.unref();
    // An outage may be shorter than a second.
    this.#off = this.#parts.link.on("link.transition", () => this.#sampleSafely());
    this.#sampleSafely();
  }

  /** May be called early, and more than once. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#off?.();
    this.#timer = null;
    this.#off = null;
  }

  /** A figure that cannot be read is null, and a failure is reported. */
  async #noted<T>(reading: Promise<Outcome<T>>): Promise<Outcome<T>> {
    const result = await reading;
    if (!result.ok) this.#parts.troubles.gaveUp("overview", result.failure);
    return result;
  }

  /** For timers and listeners, where a throw would end the process. */
  #sampleSafely(): void {
    const { troubles } = this.#parts;
    try {
      this.sample();
      troubles.clear("overview");
    } catch (error) {
      troubles.note("overview", failureOf(error));
    }
  }

  /** Reads the figures that are in memory. */
  sample(): void {
    const { publisher, link, clock, database, highWater, oldWaitingMs, service } = this.#parts;
    const at = clock.wallClock();
    const info = link.info();
    const { settled, duplicate } = publisher.settler.counts;
    const { published, republished } = publisher.dispatcher.counts;
    const { accepted } = publisher.intake;
    const { waiting, oldestWaitingMs } = publisher.level;
    this.#noteAckers(at, settled);
    this.#rates.sample(clock.now(), { accepted, published, acknowledged: settled });
    const counts = { accepted, acknowledged: settled, resent: republished, double: duplicate };
    this.#account.note({ at, connection: info.state, waiting: waiting ?? 0, counts });
    this.#warned = this.#warnings.note({
      at,
      postgres: database.state.kind,
      connection: info.state,
      reason: info.lastError?.reason ?? null,
      breaker: info.breaker,
      quota: info.quota,
      service: service.state(),
      ackerSeenAt: this.#ackerSeenAt,
      waiting,
      highWater,
      oldestWaitingMs,
      oldWaitingMs,
      parked: publisher.level.parked,
      hangUps: publisher.dispatcher.hangUps(),
      ignoredAcks: publisher.settler.ignored.read(clock.now()),
      locks: this.#oldLocks,
      troubles: this.#parts.troubles.list(),
    });
  }

  /** The answer of GET /v1/overview. */
  async read(): Promise<object> {
    const { publisher, link, latencies, instance, version, highWater, clock, service } = this.#parts;
    const reads = [this.#stats.read(), this.#destinations.read(), this.#locks.read()] as const;
    const [stats, destinations, locks] = await Promise.all(reads);
    this.#oldLocks = locks.ok ? locks.value : [];
    const { waiting, oldestWaitingMs } = publisher.level;
    const info = link.info();
    return {
      at: clock.wallClock(),
      service: "publisher",
      instance,
      version,
      state: service.state(),
      counts: stats.ok ? countsOf(stats.value) : null,
      success_rate: stats.ok ? stats.value.success_rate : null,
      rates: { window_seconds: RATE_WINDOW_MS / 1_000, ...this.#rates.rates() },
      waiting,
      high_water: highWater,
      oldest_waiting_seconds: oldestWaitingMs === null ? null : oldestWaitingMs / 1_000,
      end_to_end: latencies.read(),
      breaker: { state: info.breaker, openings: info.stats.breakerOpenings },
      dependencies: this.#dependencies(),
      ackers: publisher.presence.list().slice(-ACKERS_SHOWN),
      destinations: destinations.ok ? this.#merge(destinations.value) : null,
      warnings: this.#warned,
      outage: this.#account.read(),
    };
  }

  /** An acker without presence is seen by its acks. */
  #noteAckers(at: number, settled: number): void {
    if (this.#parts.publisher.presence.anyOnline || settled > this.#settled) this.#ackerSeenAt = at;
    this.#settled = settled;
  }

  #dependencies(): object[] {
    const { database, link, fleet } = this.#parts;
    const { kind, connected } = fleet.bus();
    const { state, broker, lastError } = link.info();
    const detail = state === "CONNECTED" ? null : (lastError?.reason ?? null);
    return [
      database.isUp()
        ? { name: "postgres", status: "ok", state: null, detail: null }
        : { name: "postgres", status: "away", state: database.state.kind, detail: database.state.says },
      { name: "broker", status: state === "CONNECTED" ? "ok" : "away", state, detail, address: broker },
      { name: "nats", status: kind === "local" ? "off" : connected ? "ok" : "away", state: null, detail: null },
    ];
  }

  /** Destinations of the outbox, with the figures of this process. */
  #merge(rows: readonly DestinationRow[]): object[] {
    const { publisher, clock } = this.#parts;
    const known = new Map(publisher.dispatcher.destinations().map((d) => [d.name, d]));
    const names = new Set(rows.map((row) => row.name));
    const quiet = [...known.values()].filter((d) => !names.has(d.name)).slice(0, DESTINATIONS_SHOWN - rows.length);
    const empty = { waiting: 0, oldest_at: null, parked_at: null, probe_at: null, misses: 0, last_answer_at: null };
    return [...rows, ...quiet.map(({ name }) => ({ ...empty, name }))].map((row) => {
      const here = known.get(row.name);
      const ago = here?.lastAnswerAgoMs ?? null;
      return {
        ...row,
        parked: row.parked_at !== null || here?.parked === true,
        unacked: here?.unacked ?? 0,
        last_answer_at: ago === null ? row.last_answer_at : new Date(clock.wallClock() - ago).toISOString(),
      };
    });
  }
}

function countsOf({ by_state }: DeliveryStats): Record<string, number> {
  return Object.fromEntries(Object.entries(by_state).map(([state, { count }]) => [state, count]));
}
