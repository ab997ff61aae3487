/**
 * `@acktor/publisher`: the publisher as a library. The same parts as the service, with an error policy that may be a function.
 *
 * Its messages come by HTTP, by NATS, and by `publisher.enqueue` in a transaction of yours (`@acktor/shared/client`).
 */
import type { Environment } from "@acktor/shared/runtime/config";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import { startPublisher } from "./app.ts";

export type { Decision, DeliveryError, ErrorPolicy } from "@acktor/shared/runtime/error-policy";

export interface PublisherOptions {
  /** postgres://…; the schema `publisher` is made there unless `env` says ACKTOR_MIGRATE=off. */
  readonly databaseUrl: string;
  /** mqtt://, mqtts://, ws:// or wss:// */
  readonly mqttUrl: string;
  /** Name of this process among its replicas; stable, or a restarted one counts as another. */
  readonly instance?: string;
  /** Port of its HTTP on 127.0.0.1; 0 = any. Default 8080. */
  readonly httpPort?: number;
  /**
   * What to do when a delivery goes wrong, instead of ACKTOR_POLICY; asked often, and ahead, so it must be pure.
   * `ageMs` counts from the message's creation, `attempt` from 1. One that throws counts as none.
   */
  readonly policy?: ErrorPolicy;
  /** Where log lines go. Default: standard output. */
  readonly logStream?: { write(line: string): void };
  /** Further settings by their names (docs/reference/configuration.md), as ACKTOR_HIGH_WATER. */
  readonly env?: Environment;
}

export interface RunningLibraryPublisher {
  /** Resolves when the schema is there and messages are sent; `ok: false` when they never will be. */
  readonly started: Promise<{ readonly ok: true } | { readonly ok: false; readonly fault: string }>;
  /** http://127.0.0.1:<port> */
  readonly url: string;
  /** Finishes what runs, within five seconds, and closes everything. May be called early; a second call has no effect. */
  stop(): Promise<void>;
}

export type CreatePublisherResult =
  | ({ readonly ok: true } & RunningLibraryPublisher)
  /** Every fault of the options. */
  | { readonly ok: false; readonly faults: readonly string[] };

/** Starts a publisher. It connects and reconnects automatically; an unreachable server is no fault. */
export async function createPublisher(options: PublisherOptions): Promise<CreatePublisherResult> {
  const { databaseUrl, mqttUrl, instance, httpPort, policy, logStream } = options;
  const env: Environment = {
    ...options.env,
    DATABASE_URL: databaseUrl,
    MQTT_URL: mqttUrl,
    ...(httpPort === undefined ? {} : { HTTP_PORT: String(httpPort) }),
    ...(instance === undefined ? {} : { ACKTOR_INSTANCE: instance }),
  };
  const running = await startPublisher(env, {
    ...(policy === undefined ? {} : { policy }),
    ...(logStream === undefined ? {} : { logStream }),
  });
  if (!running.ok) return running;
  return { ok: true, started: running.started, url: running.url, stop: running.stop.bind(running) };
}
