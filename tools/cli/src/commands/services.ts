/** What commands need of the two services: their settings with the cross-checks, and their schemas. */
import type { ConfigResult, Settings } from "@acktor/shared/runtime/config";
import type { Environment } from "../environment.ts";

export type ServiceName = "publisher" | "acker";

export const SERVICES: readonly ServiceName[] = ["publisher", "acker"];

export interface ServiceConfig {
  readonly service: ServiceName;
  readonly settings: Settings;
  readonly result: ConfigResult<unknown>;
}

/** As the service itself would read it. */
export async function readServiceConfig(service: ServiceName, env: Environment): Promise<ServiceConfig> {
  const { publisherSettings, ackerSettings } = await import("@acktor/shared/runtime/settings");
  if (service === "publisher") {
    const { readPublisherConfig } = await import("@acktor/publisher/config");
    return { service, settings: publisherSettings, result: readPublisherConfig(env) };
  }
  const { readAckerConfig } = await import("@acktor/acker/config");
  return { service, settings: ackerSettings, result: readAckerConfig(env) };
}

/** The schema of a service and the folder of its migrations. */
export async function migrationsOf(service: ServiceName): Promise<{ schema: ServiceName; directory: string }> {
  if (service === "publisher") return (await import("@acktor/publisher/outbox/migrate-outbox")).OUTBOX_SCHEMA;
  return (await import("@acktor/acker/inbox/migrate-inbox")).INBOX_SCHEMA;
}
