/** A link on `/v1/status` of both services: connection and statistics under the tutorial's names, with some more. */
import { snakeCase } from "../runtime/snake-case.ts";
import type { LinkInfo } from "./link.ts";

/** Times are ISO 8601, durations seconds. */
export function connectionInfo(info: LinkInfo): object {
  return {
    state: info.state,
    breaker: info.breaker,
    broker: info.broker,
    client_id: info.clientId,
    protocol_version: info.protocolVersion,
    uptime_seconds: info.uptimeMs === null ? null : info.uptimeMs / 1_000,
    connected_at: isoOrNull(info.connectedAt),
    disconnected_at: isoOrNull(info.disconnectedAt),
    last_activity_at: isoOrNull(info.lastActivityAt),
    last_error: info.lastError === null ? null : { ...info.lastError, at: isoOrNull(info.lastError.at) },
    retry_count: info.retryCount,
    next_attempt_at: isoOrNull(info.nextAttemptAt),
    in_flight: info.inFlight,
    quota: info.quota,
    limits: info.limits === null ? null : snakeCase(info.limits),
    refused: info.refused,
  };
}

/** Counted since the process started. */
export function linkStatistics({ stats }: LinkInfo): object {
  return {
    connection_attempts: stats.connectionAttempts,
    successful_connections: stats.successfulConnections,
    disconnections: stats.disconnections,
    messages_sent: stats.messagesSent,
    messages_received: stats.messagesReceived,
    breaker_openings: stats.breakerOpenings,
    errors_by_type: stats.errorsByType,
  };
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
