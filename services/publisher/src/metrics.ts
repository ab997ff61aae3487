/** The publisher's own metrics, in addition to those of both services (`shared/src/inspect/service-metrics.ts`). */
import { SERVICE_METRICS, type ServiceMetricsSource } from "@acktor/shared/inspect/service-metrics";
import {
  addHistogram,
  addMetrics,
  byLabel,
  createRegistry,
  type HistogramMetric,
  type Metric,
  type Registry,
} from "@acktor/shared/runtime/metric-table";
import type { HeardDevices } from "./control/heard-devices.ts";
import type { PresenceWatch } from "./control/presence-watch.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Intake } from "./intake/intake.ts";
import type { WaitingLevel } from "./janitor/waiting-level.ts";
import type { Settled } from "./outbox/outbox.ts";
import type { Settler } from "./settle/settler.ts";

export interface Metrics {
  readonly registry: Registry;
  /** Observes the time from creation to acknowledgment of rows that were just settled. */
  settled(rows: readonly Settled[]): void;
  /** Gives the parts whose counters are read at scrape time. */
  watch(parts: PublisherMetricsSource): void;
  watchControl(parts: ControlMetricsSource): void;
}

export interface ControlMetricsSource extends ServiceMetricsSource {
  readonly stream: { readonly size: number; readonly dropped: number };
}

export interface PublisherMetricsSource {
  readonly intake: Intake;
  readonly dispatcher: Dispatcher;
  readonly settler: Settler;
  readonly presence: PresenceWatch;
  readonly heard: HeardDevices;
  readonly level: WaitingLevel;
}

export const DELIVERY_SECONDS: HistogramMetric = {
  name: "acktor_delivery_seconds",
  help: "From the creation of a message to its acknowledgment, by the database's clock.",
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400],
};

export const PUBLISHER_METRICS: readonly Metric<PublisherMetricsSource>[] = [
  {
    name: "acktor_messages_accepted_total",
    kind: "counter",
    help: "Messages committed by the intake (HTTP and bus).",
    read: ({ intake }) => intake.accepted,
  },
  {
    name: "acktor_intake_waiting_messages",
    kind: "gauge",
    help: "Messages of requests that wait for their INSERT.",
    read: ({ intake }) => intake.waiting,
  },
  {
    name: "acktor_publishes_total",
    kind: "counter",
    help: "PUBLISHes of messages, by what became of them.",
    labels: ["outcome"],
    read: ({ dispatcher: { counts } }) =>
      byLabel("outcome", {
        acked: counts.puback,
        no_subscriber: counts.noSubscriber,
        refused: counts.refused,
        lost: counts.lost,
      }),
  },
  {
    name: "acktor_republishes_total",
    kind: "counter",
    help: "PUBLISHes after a message's first.",
    read: ({ dispatcher }) => dispatcher.counts.republished,
  },
  {
    name: "acktor_ack_timeouts_total",
    kind: "counter",
    help: "PUBLISHes without an ack in time.",
    read: ({ dispatcher }) => dispatcher.counts.ackTimeouts,
  },
  {
    name: "acktor_leases_missed_total",
    kind: "counter",
    help: "Messages given back because their lease was nearly over when their turn came.",
    read: ({ dispatcher }) => dispatcher.counts.leaseMissed,
  },
  {
    name: "acktor_acks_total",
    kind: "counter",
    help: "Messages under the ack prefix, by what became of them.",
    labels: ["outcome"],
    read: ({ settler: { counts } }) => {
      const { received: _, ...outcomes } = counts;
      return byLabel("outcome", outcomes);
    },
  },
  {
    name: "acktor_acks_waiting",
    kind: "gauge",
    help: "Acks that wait to be written.",
    read: ({ settler }) => settler.waiting,
  },
  {
    name: "acktor_presence_records_total",
    kind: "counter",
    help: "Announcements of ackers, by what became of them: ignored ones are beyond a limit or old, of overflow too many waited.",
    labels: ["outcome"],
    read: ({ presence }) => byLabel("outcome", presence.counts),
  },
  {
    name: "acktor_devices_heard_total",
    kind: "counter",
    help: "Messages of ACKTOR_PRESENCE_FROM: born ones resumed a device, awake ones came soon after that, of overflow too many came at a time.",
    labels: ["outcome"],
    read: ({ heard }) => byLabel("outcome", heard.counts),
  },
  {
    name: "acktor_unacked_messages",
    kind: "gauge",
    help: "Published and not yet acked.",
    read: ({ dispatcher }) => dispatcher.unacked,
  },
  {
    name: "acktor_window_messages",
    kind: "gauge",
    help: "Most messages that may be un-acked: this publisher's share of ACKTOR_WINDOW.",
    read: ({ dispatcher }) => dispatcher.window,
  },
  {
    name: "acktor_queued_messages",
    kind: "gauge",
    help: "Leased by this publisher and not yet sent.",
    read: ({ dispatcher }) => dispatcher.queued,
  },
  {
    name: "acktor_parked_destinations",
    kind: "gauge",
    help: "Destinations of the outbox that stay silent and are probed singly, at most 10000.",
    read: ({ level }) => level.parked,
  },
  {
    name: "acktor_outbox_waiting_messages",
    kind: "gauge",
    help: "Rows of the outbox that are pending or sent, as last counted.",
    read: ({ level }) => level.waiting,
  },
  {
    name: "acktor_outbox_oldest_waiting_seconds",
    kind: "gauge",
    help: "Age of the oldest of them; 0 when there is none.",
    read: ({ level }) => (level.oldestWaitingMs ?? 0) / 1_000,
  },
  {
    name: "acktor_outbox_high_water_messages",
    kind: "gauge",
    help: "ACKTOR_HIGH_WATER: at so many waiting rows the intake answers 429.",
    read: ({ level }) => level.highWater,
  },
];

export const CONTROL_METRICS: readonly Metric<ControlMetricsSource>[] = [
  { name: "acktor_viewers", kind: "gauge", help: "Viewers of GET /v1/events.", read: ({ stream }) => stream.size },
  {
    name: "acktor_viewers_dropped_total",
    kind: "counter",
    help: "Viewers that were dropped because they did not read.",
    read: ({ stream }) => stream.dropped,
  },
];

/** @param latencies what else hears of how long messages took */
export function createMetrics(latencies: { add(latencyMs: number): void }): Metrics {
  const registry = createRegistry();
  const duration = addHistogram(registry, DELIVERY_SECONDS);
  return {
    registry,
    settled(rows) {
      for (const row of rows) {
        duration.observe(row.ageMs / 1_000);
        latencies.add(row.ageMs);
      }
    },
    watch: (parts) => addMetrics(registry, PUBLISHER_METRICS, parts),
    watchControl(parts) {
      addMetrics(registry, SERVICE_METRICS, parts);
      addMetrics(registry, CONTROL_METRICS, parts);
    },
  };
}
