/** A service's status as tables. */
import type { Style } from "@acktor/shared/runtime/terminal-door";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { renderTable } from "../terminal/table.ts";
import { formatAge, formatNumber, formatTime } from "../texts/format.ts";
import type { DeliveryStats, ServiceStatus } from "./status.ts";

const STYLES: Readonly<Record<string, Style>> = {
  CONNECTED: "good",
  CLOSED: "good",
  RUNNING: "good",
  acknowledged: "good",
  CONNECTING: "warning",
  RECONNECTING: "warning",
  HALF_OPEN: "warning",
  PAUSED: "warning",
  ERROR: "bad",
  OPEN: "bad",
  failed: "bad",
  expired: "bad",
};

/** A state in its colour, if colours are shown. */
export function paintState({ terminal }: Session, state: string): string {
  const style = Object.hasOwn(STYLES, state) ? STYLES[state] : undefined;
  return style === undefined ? printable(state) : terminal.paint(style, state);
}

export function statusTables(session: Session, status: ServiceStatus, stats: DeliveryStats | null): string {
  const { columns } = session.terminal;
  const tables = [connectionTable(session, status), statisticsTable(session, status), errorsTable(session, status)];
  if (stats !== null) tables.push(deliveryTable(session, stats));
  return tables
    .filter((table) => table !== null)
    .map((table) => renderTable(table, columns))
    .join("\n\n");
}

function connectionTable(session: Session, { service, instance, version, state, connection }: ServiceStatus) {
  const { status: t, lang } = session.texts;
  const error = connection.last_error;
  const rows: [string, string][] = [
    [t.service, `${service} ${printable(instance)} (${version})`],
    [t.serviceState, paintState(session, state)],
    [t.state, paintState(session, connection.state)],
    [t.breaker, paintState(session, connection.breaker)],
    [t.broker, printable(connection.broker)],
    [t.clientId, printable(connection.client_id)],
    [t.uptime, connection.uptime_seconds === null ? "-" : formatAge(connection.uptime_seconds * 1_000, lang)],
    [t.connectedAt, formatTime(connection.connected_at)],
    [t.disconnectedAt, formatTime(connection.disconnected_at)],
    [t.lastActivity, formatTime(connection.last_activity_at)],
    [t.retries, formatNumber(connection.retry_count)],
    ...(connection.buffer_size == null ? [] : [[t.buffer, formatNumber(connection.buffer_size)] as [string, string]]),
    [t.lastError, error === null ? "-" : `${error.type}: ${printable(error.reason, 200)} (${formatTime(error.at)})`],
  ];
  return { title: t.connection, head: [t.item, t.value], rows };
}

function statisticsTable({ texts }: Session, { statistics }: ServiceStatus) {
  const { status: t } = texts;
  const rows = [
    [t.attempts, formatNumber(statistics.connection_attempts)],
    [t.successes, formatNumber(statistics.successful_connections)],
    [t.disconnections, formatNumber(statistics.disconnections)],
    [t.sent, formatNumber(statistics.messages_sent)],
    [t.received, formatNumber(statistics.messages_received)],
  ];
  return { title: t.statistics, head: [t.item, t.value], rows };
}

function errorsTable({ texts }: Session, { statistics }: ServiceStatus) {
  const { status: t } = texts;
  const rows = Object.entries(statistics.errors_by_type).map(([type, count]) => [printable(type), formatNumber(count)]);
  return rows.length === 0 ? null : { title: t.errors, head: [t.errorType, t.count], rows };
}

function deliveryTable(session: Session, stats: DeliveryStats) {
  const { status: t } = session.texts;
  const rows = Object.entries(stats.by_state).map(([state, { count, avg_retries }]) => [
    paintState(session, state),
    formatNumber(count),
    avg_retries.toFixed(1),
  ]);
  rows.push([t.total, formatNumber(stats.total_messages), ""]);
  rows.push([t.successRate, `${stats.success_rate.toFixed(1)} %`, ""]);
  rows.push([t.pending, formatNumber(stats.pending_count), ""]);
  return { title: t.delivery, head: [t.state, t.count, t.meanRetries], rows };
}
