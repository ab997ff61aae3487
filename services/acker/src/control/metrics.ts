/** What Prometheus scrapes of the acker, in addition to `shared/src/inspect/service-metrics.ts`. */
import type { Pool } from "@acktor/shared/db/pool";
import { SERVICE_METRICS } from "@acktor/shared/inspect/service-metrics";
import {
  addMetrics,
  byLabel,
  createRegistry,
  type Metric,
  type Registry,
  type Samples,
} from "@acktor/shared/runtime/metric-table";
import type { Acker } from "../acker.ts";
import { VERSION } from "../version.ts";
import type { AckerControl } from "./acker-control.ts";

type Read = (acker: Acker) => number | Samples;

function counter(name: string, help: string, read: Read, labels?: readonly string[]): Metric<Acker> {
  return { name: `acktor_acker_${name}`, kind: "counter", help, read, ...(labels === undefined ? {} : { labels }) };
}

function gauge(name: string, help: string, read: Read): Metric<Acker> {
  return { name: `acktor_acker_${name}`, kind: "gauge", help, read };
}

export const ACKER_METRICS: readonly Metric<Acker>[] = [
  counter(
    "messages_total",
    "Messages that arrived, by what became of them.",
    ({ counts }) => byLabel("outcome", counts.messages),
    ["outcome"],
  ),
  counter(
    "handled_total",
    "Messages that a handler worked on, by how that ended.",
    ({ counts }) => byLabel("outcome", counts.handler),
    ["outcome"],
  ),
  counter("acks_total", "Acks, by how their PUBLISH ended.", ({ counts }) => byLabel("outcome", counts.acks), [
    "outcome",
  ]),
  counter(
    "topics_changed_total",
    "Messages that arrived on another topic than they were sent to, by whether ACKTOR_TOPIC_MAP explains it.",
    ({ counts }) => byLabel("outcome", counts.topics),
    ["outcome"],
  ),
  counter(
    "working_acks_total",
    "Acks that ask for patience, because a handler is still at work.",
    ({ counts }) => counts.working,
  ),
  gauge("queue_messages", "Messages received and not finished.", ({ places }) => places.size()),
  gauge("queue_bytes", "Bytes of them.", ({ places }) => places.bytes()),
  gauge("acks_waiting", "Acks that wait for the link.", ({ acks }) => acks.waiting()),
  gauge("handlers_running", "Messages in a handler.", ({ runs }) => runs?.sizes().handling ?? 0),
  gauge(
    "handlers_stuck",
    "Handlers that are over their time and did not return.",
    ({ runs }) => runs?.sizes().stuck ?? 0,
  ),
];

export function createMetrics(acker: Acker, control: AckerControl, pool: Pool): Registry {
  const { database, guard, parts, troubles } = acker;
  const registry = createRegistry();
  addMetrics(registry, SERVICE_METRICS, {
    ...{ service: "acker", version: VERSION, link: parts.link, bus: control.plane.bus },
    ...{ control, database: database.health, guard, pool, troubles },
  });
  addMetrics(registry, ACKER_METRICS, acker);
  return registry;
}
