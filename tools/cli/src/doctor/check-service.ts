/** Whether the service answers, and the state that it reports. */
import type { ApiResult } from "../api/api.ts";
import type { ServiceStatus } from "../commands/status.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok, warn } from "./check.ts";

export function checkService({ texts }: Session, status: ApiResult<ServiceStatus>): Check {
  const { doctor: t } = texts;
  if (!status.ok) return failed("service", status.failure.message, status.failure.fix);
  const { service, instance, version, state, connection } = status.value;
  const found = `${service} ${printable(instance)} (${version}) ${state}, ${connection.state}, ${connection.breaker}`;
  const data = { service, instance, version, state, connection: connection.state, breaker: connection.breaker };
  if (state !== "RUNNING") return warn("service", found, t.serviceStateFix, data);
  if (connection.state === "CONNECTED" && connection.breaker === "CLOSED") return ok("service", found, data);
  const why = connection.last_error === null ? "" : `: ${printable(connection.last_error.reason, 200)}`;
  return warn("service", `${found}${why}`, t.serviceLinkFix, data);
}
