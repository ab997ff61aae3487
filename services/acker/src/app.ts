/**
 * The acker as a service: `acker.ts` with PostgreSQL, MQTT, the control plane and HTTP around it.
 *
 * Read `acker.ts` first, then the folders in the order of its line.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "@acktor/shared/bus/bus";
import { clientIdOf } from "@acktor/shared/runtime/client-id";
import { type Clock, SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import type { Environment } from "@acktor/shared/runtime/config";
import { FreshSettings } from "@acktor/shared/runtime/fresh-settings";
import { createLogger } from "@acktor/shared/runtime/logger";
import { type Running, RunningService } from "@acktor/shared/runtime/main";
import { ackerSettings, instanceName } from "@acktor/shared/runtime/settings";
import { startTracing } from "@acktor/shared/runtime/tracing";
import { Acker } from "./acker.ts";
import { readAckerConfig } from "./config.ts";
import { AckerControl } from "./control/acker-control.ts";
import { AckerHttp } from "./control/acker-http.ts";
import { AckerView } from "./control/view.ts";
import { PostgresInbox } from "./inbox/postgres-inbox.ts";
import { chooseHandler } from "./process/handlers/choose-handler.ts";
import type { Handler } from "./process/handlers/handler.ts";
import { makeLink } from "./subscribe/make-link.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Where log lines go; standard output when absent. */
  readonly logStream?: { write(line: string): void };
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Instead of the built-in handler that ACKTOR_HANDLER names. */
  readonly handler?: Handler;
  /** Milliseconds after which the messages of a crashed process are free; renewed three times as often. Default 15,000. */
  readonly leaseMs?: number;
  /** False: no HTTP. Default true. */
  readonly listen?: boolean;
  /** A bus that several services of this process share; not used where NATS_URL is set, and not stopped here. */
  readonly bus?: Bus;
}

/** Its `url` is empty where it does not listen. */
export interface RunningAcker extends Running {
  readonly instance: string;
  /** Takes no messages until `resume`; what was taken is finished. */
  pause(): void;
  resume(): void;
}

export type StartAckerResult = RunningAcker | { readonly ok: false; readonly faults: readonly string[] };

/** A crashed acker's messages are free after this; leases are renewed three times as often. */
const DEFAULT_LEASE_MS = 15_000;

/**
 * Starts an acker: HTTP listens when this resolves; messages are taken from `started` on.
 * @returns every fault of the configuration, including a port that is taken
 */
export async function startAcker(env: Environment, options: StartOptions = {}): Promise<StartAckerResult> {
  const read = readAckerConfig(env);
  if (!read.ok) return read;
  const { config } = read;
  const instance = instanceName(config.ACKTOR_INSTANCE, config.HTTP_PORT);
  const logger = createLogger("acker", instance, config.LOG_LEVEL, options.logStream);
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = config;
  const tracing = await startTracing({ service: "acker", instance, version: VERSION, endpoint, headers, logger });
  // Stable, so that a restarted acker takes over its former connection.
  const clientId = clientIdOf(config.ACKTOR_CLIENT_ID, { role: "acker", instance, stable: true });
  const common = { config, instance, logger, clientId, clock: options.clock ?? SYSTEM_CLOCK, random: SYSTEM_RANDOM };
  const fresh = new FreshSettings(ackerSettings, env);
  const inbox = PostgresInbox.open(config, `acktor-acker-${instance}`, logger, fresh);
  const control = new AckerControl({ ...common, inbox, fresh, sharedBus: options.bus ?? null });
  const link = makeLink({ ...common, fresh, observer: control });
  const acker = new Acker({
    ...common,
    ...{ inbox, link, tracing, observer: control, deliveries: control.deliveries },
    run: `${instance}/${randomBytes(6).toString("hex")}`,
    handler: options.handler ?? chooseHandler(common),
    leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
  });
  const view = new AckerView(acker);
  const http = new AckerHttp({ ...common, acker, view, control, pool: inbox.pool });
  acker.supervised.around = [control, tracing, http];
  const fault = (options.listen ?? true) ? await http.listen() : null;
  if (fault !== null) {
    await acker.supervised.close();
    return { ok: false, faults: [fault] };
  }
  acker.supervisor.start();
  control.start(acker, view);
  return new Service(acker, http);
}

class Service extends RunningService implements RunningAcker {
  readonly instance: string;

  constructor({ parts, supervisor }: Acker, http: AckerHttp) {
    super(http.url(), supervisor);
    this.instance = parts.instance;
  }
}
