/**
 * Samples the state and the counts of the publisher during the faults, for the times of the table and the picture.
 *
 * Invariants:
 *  PUBLISHER_WATCH-1. The counts of a killed process are kept, and the counts of the next process are added to them.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { ServiceStatus, ServiceUnit } from "../world/services.ts";

export interface Sample {
  /** Milliseconds since the watch began. */
  readonly t: number;
  /** Null: the publisher did not answer. */
  readonly state: string | null;
  readonly breaker: string | null;
  readonly counts: Counts;
}

export interface Counts {
  readonly published: number;
  readonly republished: number;
  readonly settled: number;
  readonly disconnections: number;
  readonly breakerOpenings: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface PublisherWatch {
  readonly samples: readonly Sample[];
  /** Milliseconds since the watch began. */
  now(): number;
  stop(): Promise<void>;
}

const EVERY_MS = 100;
const NONE: Counts = { published: 0, republished: 0, settled: 0, disconnections: 0, breakerOpenings: 0, errors: {} };

export function watchPublisher(publisher: ServiceUnit): PublisherWatch {
  const begin = performance.now();
  const samples: Sample[] = [];
  const over = new AbortController();
  const now = (): number => performance.now() - begin;
  let before = NONE;
  let current = NONE;
  let uptime = 0;

  function note(status: ServiceStatus | null): void {
    if (status !== null) {
      // PUBLISHER_WATCH-1: a shorter uptime than before is another process.
      if (status.uptime_seconds < uptime) before = sum(before, current);
      uptime = status.uptime_seconds;
      current = countsOf(status);
    }
    const { state = null, breaker = null } = status?.connection ?? {};
    samples.push({ t: now(), state, breaker, counts: sum(before, current) });
  }

  const done = (async () => {
    do {
      note(await publisher.status(EVERY_MS * 5));
    } while (await pause(EVERY_MS, over.signal));
    note(await publisher.status());
  })();
  return {
    samples,
    now,
    async stop() {
      over.abort();
      await done;
    },
  };
}

function countsOf({ statistics, dispatcher, acks }: ServiceStatus): Counts {
  return {
    published: dispatcher?.published ?? 0,
    republished: dispatcher?.republished ?? 0,
    settled: acks?.settled ?? 0,
    disconnections: statistics.disconnections,
    breakerOpenings: statistics.breaker_openings,
    errors: statistics.errors_by_type,
  };
}

function sum(a: Counts, b: Counts): Counts {
  const types = new Set([...Object.keys(a.errors), ...Object.keys(b.errors)]);
  return {
    published: a.published + b.published,
    republished: a.republished + b.republished,
    settled: a.settled + b.settled,
    disconnections: a.disconnections + b.disconnections,
    breakerOpenings: a.breakerOpenings + b.breakerOpenings,
    errors: Object.fromEntries([...types].map((type) => [type, (a.errors[type] ?? 0) + (b.errors[type] ?? 0)])),
  };
}
