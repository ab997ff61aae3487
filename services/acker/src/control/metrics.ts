/** What Prometheus scrapes of the acker, beside what both services have (`shared/src/inspect/service-metrics.ts`). */
import { SERVICE_METRICS, type ServiceMetricsSource } from "@acktor/shared/inspect/service-metrics";
import { addMetrics, byLabel, createRegistry, type Metric, type Registry } from "@acktor/shared/runtime/metric-table";
import type { Counts } from "./counts.ts";

export interface AckerMetricsSource extends ServiceMetricsSource {
  readonly counts: Counts;
  readonly queue: () => number;
  readonly queueBytes: () => number;
  readonly acksWaiting: () => number;
  readonly handling: () => number;
  readonly stuck: () => number;
}

export const ACKER_METRICS: readonly Metric<AckerMetricsSource>[] = [
  {
    name: "acktor_acker_messages_total",
    kind: "counter",
    help: "Messages that arrived, by what became of them.",
    labels: ["outcome"],
    read: ({ counts }) => byLabel("outcome", counts.messages),
  },
  {
    name: "acktor_acker_handled_total",
    kind: "counter",
    help: "Messages that a handler worked on, by how that ended.",
    labels: ["outcome"],
    read: ({ counts }) => byLabel("outcome", counts.handler),
  },
  {
    name: "acktor_acker_acks_total",
    kind: "counter",
    help: "Acks, by how their PUBLISH ended.",
    labels: ["outcome"],
    read: ({ counts }) => byLabel("outcome", counts.acks),
  },
  {
    name: "acktor_acker_working_acks_total",
    kind: "counter",
    help: "Acks that ask for patience, because a handler is still at work.",
    read: ({ counts }) => counts.working,
  },
  {
    name: "acktor_acker_queue_messages",
    kind: "gauge",
    help: "Messages received and not finished.",
    read: ({ queue }) => queue(),
  },
  { name: "acktor_acker_queue_bytes", kind: "gauge", help: "Bytes of them.", read: ({ queueBytes }) => queueBytes() },
  {
    name: "acktor_acker_acks_waiting",
    kind: "gauge",
    help: "Acks that wait for the link.",
    read: ({ acksWaiting }) => acksWaiting(),
  },
  {
    name: "acktor_acker_handlers_running",
    kind: "gauge",
    help: "Messages in a handler.",
    read: ({ handling }) => handling(),
  },
  {
    name: "acktor_acker_handlers_stuck",
    kind: "gauge",
    help: "Handlers that are over their time and did not return.",
    read: ({ stuck }) => stuck(),
  },
];

export function createMetrics(source: AckerMetricsSource): Registry {
  const registry = createRegistry();
  addMetrics(registry, SERVICE_METRICS, source);
  addMetrics(registry, ACKER_METRICS, source);
  return registry;
}
