/** Metrics that both services have: their connection, their database, their bus. */
import type { Bus } from "../bus/bus.ts";
import type { Pool } from "../db/pool.ts";
import type { BreakerState, ConnectionState, Link } from "../link/link.ts";
import type { DatabaseHealth } from "../runtime/database-health.ts";
import { DATABASE_KINDS } from "../runtime/database-state.ts";
import { byLabel, type Metric, type Samples, stateSet } from "../runtime/metric-table.ts";

export interface ServiceMetricsSource {
  readonly service: string;
  readonly version: string;
  readonly link: Link;
  readonly pool: Pool;
  readonly database: Pick<DatabaseHealth, "isUp" | "state">;
  readonly bus: Bus;
  /** Listeners that failed at what a stranger sent. */
  readonly guard: { readonly failures: number };
  /** Counts invalid messages on the bus. */
  readonly control: { readonly malformed: number };
  readonly troubles: FailureCounts;
}

/** The part of `Troubles` that is counted. */
export interface FailureCounts {
  /** Failures so far, by area and code. */
  counts(): Samples;
  list(): readonly { readonly area: string; readonly lasts: boolean }[];
}

const CONNECTION: readonly ConnectionState[] = ["DISCONNECTED", "CONNECTING", "CONNECTED", "RECONNECTING", "ERROR"];
const BREAKER: readonly BreakerState[] = ["CLOSED", "OPEN", "HALF_OPEN"];

export const SERVICE_METRICS: readonly Metric<ServiceMetricsSource>[] = [
  {
    name: "acktor_build_info",
    kind: "gauge",
    help: "Always 1; its labels say what runs.",
    labels: ["service", "version"],
    read: ({ service, version }) => [[{ service, version }, 1]],
  },
  {
    name: "acktor_listener_failures_total",
    kind: "counter",
    help: "Listeners of network input that failed; what they were given was dropped. Anything above 0 is a defect of acktor.",
    read: ({ guard }) => guard.failures,
  },
  {
    name: "acktor_link_connection_state",
    kind: "gauge",
    help: "1 for the state that the connection to the broker is in, 0 for the others.",
    labels: ["state"],
    read: ({ link }) => stateSet(CONNECTION, link.info().state),
  },
  {
    name: "acktor_link_breaker_state",
    kind: "gauge",
    help: "1 for the state that the circuit breaker is in, 0 for the others.",
    labels: ["state"],
    read: ({ link }) => stateSet(BREAKER, link.info().breaker),
  },
  {
    name: "acktor_link_connection_attempts_total",
    kind: "counter",
    help: "Attempts to connect to the broker.",
    read: ({ link }) => link.info().stats.connectionAttempts,
  },
  {
    name: "acktor_link_connections_total",
    kind: "counter",
    help: "Attempts that reached CONNECTED.",
    read: ({ link }) => link.info().stats.successfulConnections,
  },
  {
    name: "acktor_link_disconnections_total",
    kind: "counter",
    help: "Connections that ended.",
    read: ({ link }) => link.info().stats.disconnections,
  },
  {
    name: "acktor_link_breaker_openings_total",
    kind: "counter",
    help: "Times that the circuit breaker opened.",
    read: ({ link }) => link.info().stats.breakerOpenings,
  },
  {
    name: "acktor_link_errors_total",
    kind: "counter",
    help: "Failures of the connection and of single PUBLISHes, by the five types of error.",
    labels: ["type"],
    read: ({ link }) => byLabel("type", link.info().stats.errorsByType),
  },
  {
    name: "acktor_link_messages_sent_total",
    kind: "counter",
    help: "PUBLISHes written, of every topic.",
    read: ({ link }) => link.info().stats.messagesSent,
  },
  {
    name: "acktor_link_messages_received_total",
    kind: "counter",
    help: "PUBLISHes received, of every topic.",
    read: ({ link }) => link.info().stats.messagesReceived,
  },
  {
    name: "acktor_link_unconfirmed_publishes",
    kind: "gauge",
    help: "PUBLISHes written that wait for their PUBACK.",
    read: ({ link }) => link.info().inFlight,
  },
  {
    name: "acktor_database_up",
    kind: "gauge",
    help: "1 while PostgreSQL takes writes.",
    read: ({ database }) => (database.isUp() ? 1 : 0),
  },
  {
    name: "acktor_database_state",
    kind: "gauge",
    help: "1 for the state that PostgreSQL is in, 0 for the others.",
    labels: ["state"],
    read: ({ database }) => stateSet(DATABASE_KINDS, database.state.kind),
  },
  {
    name: "acktor_database_connections",
    kind: "gauge",
    help: "Places for connections in the pool, by whether a statement runs on them.",
    labels: ["state"],
    read: ({ pool }) => [
      [{ state: "busy" }, pool.busy()],
      [{ state: "idle" }, pool.size - pool.busy()],
    ],
  },
  {
    name: "acktor_database_waiting_statements",
    kind: "gauge",
    help: "Statements that wait for a connection; at 200 the next one is refused.",
    read: ({ pool }) => pool.waiting(),
  },
  {
    name: "acktor_bus_connected",
    kind: "gauge",
    help: "1 while the control plane is there; without NATS always.",
    read: ({ bus }) => (bus.connected ? 1 : 0),
  },
  {
    name: "acktor_bus_dropped_total",
    kind: "counter",
    help: "Messages to the bus that were dropped: it was away, or too much waited.",
    read: ({ bus }) => bus.counts.dropped,
  },
  {
    name: "acktor_bus_ignored_total",
    kind: "counter",
    help: "Messages from the bus that were not understood, too large, or not signed as they must be.",
    read: ({ control, bus }) => control.malformed + bus.counts.refused,
  },
  {
    name: "acktor_failures_total",
    kind: "counter",
    help: "Failures of statements and roles, by area, and by SQLSTATE or the driver's code.",
    labels: ["area", "code"],
    read: ({ troubles }) => troubles.counts(),
  },
  {
    name: "acktor_failing_areas",
    kind: "gauge",
    help: "Areas that fail now, by whether it lasts (readyz says degraded then).",
    labels: ["lasting"],
    read: ({ troubles }) => {
      const lasting = troubles.list().filter(({ lasts }) => lasts).length;
      return byLabel("lasting", { no: troubles.list().length - lasting, yes: lasting });
    },
  },
];
