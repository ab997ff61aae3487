/** What the acker counts, for Prometheus. Numbers are read when they are scraped; the hot path only raises integers. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Counts } from "./counts.ts";

export interface MetricsSource {
  readonly counts: Counts;
  readonly queue: () => number;
  readonly queueBytes: () => number;
  readonly acksWaiting: () => number;
  readonly handling: () => number;
  readonly stuck: () => number;
  readonly linkState: () => string;
  readonly databaseUp: () => boolean;
  readonly busConnected: () => boolean;
  /** Messages on the bus that were not understood, and ignored. */
  readonly busIgnored: () => number;
}

const LINK_STATES = ["DISCONNECTED", "CONNECTING", "CONNECTED", "RECONNECTING", "ERROR"];

export function createMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { counts } = source;
  countAll(registry, "acktor_acker_messages_total", "Messages that arrived, by what became of them.", counts.messages);
  countAll(registry, "acktor_acker_handled_total", "Messages that a handler worked on.", counts.handler);
  countAll(registry, "acktor_acker_acks_total", "Acks, by how their PUBLISH ended.", counts.acks);
  gauge(registry, "acktor_acker_queue_messages", "Messages received and not finished.", source.queue);
  gauge(registry, "acktor_acker_queue_bytes", "Bytes of them.", source.queueBytes);
  gauge(registry, "acktor_acker_acks_waiting", "Acks that wait for the link.", source.acksWaiting);
  gauge(registry, "acktor_acker_handlers_running", "Messages in a handler.", source.handling);
  gauge(registry, "acktor_acker_handlers_stuck", "Handlers that are over their time and did not return.", source.stuck);
  gauge(registry, "acktor_acker_database_up", "1 while PostgreSQL answers.", () => (source.databaseUp() ? 1 : 0));
  gauge(registry, "acktor_bus_connected", "1 while the control plane is there; without NATS always.", () => {
    return source.busConnected() ? 1 : 0;
  });
  new Counter({
    name: "acktor_bus_ignored_total",
    help: "Messages from the bus that were not understood.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(source.busIgnored());
    },
  });
  new Gauge({
    name: "acktor_acker_link_state",
    help: "1 for the state that the link is in.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      for (const state of LINK_STATES) this.set({ state }, state === source.linkState() ? 1 : 0);
    },
  });
  return registry;
}

function countAll(registry: Registry, name: string, help: string, values: Readonly<Record<string, number>>): void {
  new Counter({
    name,
    help,
    labelNames: ["outcome"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [outcome, value] of Object.entries(values)) this.inc({ outcome }, value);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
