/** What Prometheus scrapes. Counters that other parts keep anyway are read at scrape time, so the hot path pays nothing. */
import type { Bus } from "@acktor/shared/bus/bus";
import type { BreakerState, ConnectionState, Link } from "@acktor/shared/link/link";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Intake } from "./intake/intake.ts";
import type { Settled } from "./outbox/outbox.ts";
import type { Settler } from "./settle/settler.ts";

const CONNECTION: readonly ConnectionState[] = ["DISCONNECTED", "CONNECTING", "CONNECTED", "RECONNECTING", "ERROR"];
const BREAKER: readonly BreakerState[] = ["CLOSED", "OPEN", "HALF_OPEN"];

export interface Metrics {
  readonly registry: Registry;
  /** Observes the time from creation to acknowledgment of rows that were just settled. */
  settled(rows: readonly Settled[]): void;
  /** Gives the parts whose counters are read at scrape time. */
  watch(parts: WatchedParts): void;
  watchControl(parts: ControlParts): void;
}

export interface ControlParts {
  readonly bus: Bus;
  readonly stream: { readonly size: number; readonly dropped: number };
  /** Messages on the bus that were not understood, and ignored. */
  readonly malformed: () => number;
}

export interface WatchedParts {
  readonly link: Link;
  readonly intake: Intake;
  readonly dispatcher: Dispatcher;
  readonly settler: Settler;
  readonly waiting: () => number | null;
}

/** @param latencies what else hears of how long messages took */
export function createMetrics(latencies: { add(latencyMs: number): void }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: "acktor_delivery_duration_seconds",
    help: "From the creation of a message to its acknowledgment, by the database's clock.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400],
    registers: [registry],
  });
  return {
    registry,
    settled(rows) {
      for (const row of rows) {
        duration.observe(row.ageMs / 1_000);
        latencies.add(row.ageMs);
      }
    },
    watch: (parts) => watch(registry, parts),
    watchControl: (parts) => watchControl(registry, parts),
  };
}

function watch(registry: Registry, { link, intake, dispatcher, settler, waiting }: WatchedParts): void {
  counter(registry, "acktor_messages_accepted_total", "Messages committed by the HTTP intake.", () => [
    [{}, intake.accepted],
  ]);
  counter(registry, "acktor_publishes_total", "PUBLISHes written, by what became of them.", () => {
    const c = dispatcher.counts;
    return [
      [{ outcome: "acked" }, c.puback],
      [{ outcome: "no_subscriber" }, c.noSubscriber],
      [{ outcome: "refused" }, c.refused],
      [{ outcome: "lost" }, c.lost],
    ];
  });
  counter(registry, "acktor_republishes_total", "PUBLISHes after a message's first.", () => [
    [{}, dispatcher.counts.republished],
  ]);
  counter(registry, "acktor_ack_timeouts_total", "PUBLISHes without an ack in time.", () => [
    [{}, dispatcher.counts.ackTimeouts],
  ]);
  counter(registry, "acktor_acks_total", "Messages under the ack prefix, by what became of them.", () => {
    const { received: _, ...outcomes } = settler.counts;
    return Object.entries(outcomes).map(([outcome, value]) => [{ outcome }, value] as const);
  });
  gauge(registry, "acktor_unacked_messages", "Published and not yet acked.", () => [[{}, dispatcher.unacked]]);
  gauge(registry, "acktor_outbox_waiting_messages", "Rows that are pending or sent, as last counted.", () => {
    const count = waiting();
    return count === null ? [] : [[{}, count]];
  });
  gauge(registry, "acktor_link_state", "1 for the state that the connection is in.", () => {
    return CONNECTION.map((state) => [{ state }, link.info().state === state ? 1 : 0] as const);
  });
  gauge(registry, "acktor_breaker_state", "1 for the state that the circuit breaker is in.", () => {
    return BREAKER.map((state) => [{ state }, link.info().breaker === state ? 1 : 0] as const);
  });
}

function watchControl(registry: Registry, { bus, stream, malformed }: ControlParts): void {
  gauge(registry, "acktor_bus_connected", "1 while the control plane is there; without NATS always.", () => {
    return [[{}, bus.connected ? 1 : 0]];
  });
  counter(
    registry,
    "acktor_bus_dropped_total",
    "Messages to the bus that were dropped: away, or too much waited.",
    () => {
      return [[{}, bus.counts.dropped]];
    },
  );
  counter(registry, "acktor_bus_ignored_total", "Messages from the bus that were not understood.", () => {
    return [[{}, malformed()]];
  });
  gauge(registry, "acktor_viewers", "Viewers of GET /v1/events.", () => [[{}, stream.size]]);
  counter(registry, "acktor_viewers_dropped_total", "Viewers that did not read.", () => [[{}, stream.dropped]]);
}

type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

function counter(registry: Registry, name: string, help: string, read: () => Samples): void {
  new Counter({
    name,
    help,
    labelNames: labelsOf(read),
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, read: () => Samples): void {
  new Gauge({
    name,
    help,
    labelNames: labelsOf(read),
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.set(labels, value);
    },
  });
}

function labelsOf(read: () => Samples): string[] {
  return Object.keys(read()[0]?.[0] ?? {});
}
