/** `acktor status`: connection, statistics and deliveries as tables, once or repeatedly. */
import { pause } from "@acktor/shared/runtime/pause";
import type { z } from "zod";
import type { Api, ApiResult } from "../api/api.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { deliveryStats, serviceStatus, statusOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { statusTables } from "./status-tables.ts";

export type ServiceStatus = z.infer<typeof serviceStatus>;
export type DeliveryStats = z.infer<typeof deliveryStats>;
type StatusOutput = z.infer<typeof statusOutput>;

export interface StatusOptions {
  readonly watch?: boolean;
  /** Milliseconds. */
  readonly interval: number;
}

export async function status(session: Session, api: Api, { watch, interval }: StatusOptions): Promise<ExitCode> {
  if (watch !== true) return show(session, await readStatus(api));
  while (!session.signal.aborted) {
    const result = await readStatus(api);
    if (!session.json) session.terminal.clear();
    // Watching continues while the service is unreachable, but not with a wrong token.
    if (show(session, result) === EXIT.usage) return EXIT.usage;
    await pause(interval, session.signal);
  }
  return EXIT.interrupted;
}

function show(session: Session, result: ApiResult<StatusOutput>): ExitCode {
  if (!result.ok) return session.fail(result.failure);
  return session.answer(result.value, ({ status, stats }) => statusTables(session, status, stats));
}

async function readStatus(api: Api): Promise<ApiResult<StatusOutput>> {
  const status = await api.get<ServiceStatus>("/v1/status");
  if (!status.ok) return status;
  if (status.value.service !== "publisher") return { ok: true, value: { status: status.value, stats: null } };
  const stats = await api.get<DeliveryStats>("/v1/stats");
  // Without PostgreSQL there are no statistics, but the connection can be shown.
  if (!stats.ok && stats.status !== 503) return stats;
  return { ok: true, value: { status: status.value, stats: stats.ok ? stats.value : null } };
}
