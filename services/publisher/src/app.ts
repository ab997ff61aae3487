/**
 * The publisher as a service: `publisher.ts` with PostgreSQL, MQTT, the control plane and HTTP around it.
 *
 * The path of a message: intake → outbox → dispatch → link → broker … broker → link → settle → outbox.
 * Read publisher.ts next, then the folders in the order of that line.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "@acktor/shared/bus/bus";
import { connectionOptions, connectionsOf } from "@acktor/shared/db/connector";
import { createPool } from "@acktor/shared/db/pool";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import { clientIdOf } from "@acktor/shared/runtime/client-id";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import type { Environment } from "@acktor/shared/runtime/config";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { createPolicy, type ErrorPolicy, guardPolicy } from "@acktor/shared/runtime/error-policy";
import { FreshSettings } from "@acktor/shared/runtime/fresh-settings";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { addressOf } from "@acktor/shared/runtime/http-server";
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";
import { RunningService, type StartResult } from "@acktor/shared/runtime/main";
import { instanceName, type PublisherSettings, publisherSettings } from "@acktor/shared/runtime/settings";
import { Supervisor } from "@acktor/shared/runtime/supervisor";
import { startTracing, type Tracing } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { readPublisherConfig } from "./config.ts";
import { PublisherControl } from "./control/publisher-control.ts";
import { FailedMessageLog } from "./failed-message-log.ts";
import { limitsOf } from "./intake-limits.ts";
import { listenFault } from "./listen-fault.ts";
import { createMetrics } from "./metrics.ts";
import { OutboxIdentity } from "./outbox/outbox-identity.ts";
import { PostgresOutbox } from "./outbox/postgres-outbox.ts";
import { LatencyWindow } from "./overview/latency-window.ts";
import { Overview } from "./overview/overview.ts";
import { SchemaState } from "./prepare.ts";
import { makePrincipals } from "./principals.ts";
import { Publisher } from "./publisher.ts";
import { makeHttp } from "./publisher-http.ts";
import { PublisherView } from "./publisher-view.ts";
import { SupervisedPublisher } from "./supervised-publisher.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Where log lines go; standard output when absent. */
  readonly logStream?: { write(line: string): void };
  /** A bus that several services of this process share; not used where NATS_URL is set, and not stopped here. */
  readonly bus?: Bus;
  /** What to do when a delivery goes wrong, instead of ACKTOR_POLICY. One that throws counts as none. */
  readonly policy?: ErrorPolicy;
}

interface Base {
  readonly config: PublisherSettings;
  readonly fresh: FreshSettings<typeof publisherSettings>;
  readonly instance: string;
  readonly logger: Logger;
  readonly tracing: Tracing;
}

const TIME = { clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM };
/** One of them is the principals'. */
const CONNECTIONS = 7;

/**
 * Starts the publisher. Returns when it listens on HTTP; `started` resolves when the schema is there and it works.
 * @param env as `process.env`; secrets by NAME_FILE too
 */
export async function startPublisher(env: Environment, options: StartOptions = {}): Promise<StartResult> {
  const read = readPublisherConfig(env);
  if (!read.ok) return read;
  const { config } = read;
  const fresh = new FreshSettings(publisherSettings, env);
  const instance = instanceName(config.ACKTOR_INSTANCE, config.HTTP_PORT);
  const logger = createLogger("publisher", instance, config.LOG_LEVEL, options.logStream);
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = config;
  const tracing = await startTracing({ service: "publisher", instance, version: VERSION, endpoint, headers, logger });
  const { http, overview, control, controlled, supervised } = assemble(
    { config, fresh, instance, logger, tracing },
    options,
  );
  try {
    await http.listen({ host: config.HTTP_HOST, port: config.HTTP_PORT });
  } catch (error) {
    await supervised.close();
    return { ok: false, faults: [listenFault(config, error as NodeJS.ErrnoException)] };
  }
  const { supervisor } = controlled;
  supervised.front = { http, overview };
  supervisor.start();
  control.followSupervisor(supervisor.actor);
  control.start(controlled);
  overview.start();
  logger.info({ url: addressOf(http), version: VERSION }, "publisher listens");
  return new RunningService(addressOf(http), supervisor);
}

/** Every part, put together; nothing is connected and nothing listens yet. */
function assemble({ config, fresh, instance, logger, tracing }: Base, options: StartOptions) {
  const owner = `${instance}/${randomBytes(4).toString("hex")}`;
  const guard = new ListenerGuard({ logger, clock: SYSTEM_CLOCK });
  const database = new DatabaseHealth({ clock: SYSTEM_CLOCK, logger });
  const troubles = new Troubles({ clock: SYSTEM_CLOCK, logger, database });
  const base = { config, fresh, instance, logger, tracing, guard, database, troubles };
  const pool = makePool(base, connectionsOf(config, CONNECTIONS) - 1, `acktor-publisher ${instance}`);
  const control = new PublisherControl({ ...base, ...TIME, pool, sharedBus: options.bus ?? null });
  const clientId = clientIdOf(config.ACKTOR_CLIENT_ID, { role: "publisher", instance, stable: false });
  const link = makeServiceLink(config, logger, { clientId, observer: control, fresh });
  const latencies = new LatencyWindow(SYSTEM_CLOCK);
  const metrics = createMetrics(latencies);
  const around = { ...base, ...TIME, pool, link, control, metrics, latencies, version: VERSION };
  const own = { identity: new OutboxIdentity(), schema: new SchemaState() };
  const failedMessages = new FailedMessageLog(logger, SYSTEM_CLOCK);
  const publisher = new Publisher({
    ...{ ...around, ...own, failedMessages, watch: control, settlements: metrics },
    outbox: new PostgresOutbox({ ...around, failedMessages, owner, ...outboxTimes(config) }),
    policy: policyOf(config, options, logger),
    deliveries: control.plane.station.deliveries,
  });
  const bookPool = makePool(base, 1, `acktor-publisher ${instance} principals`);
  const principals = makePrincipals({ ...around, bookPool, token: config.ACKTOR_API_TOKEN });
  const supervised = new SupervisedPublisher({ ...around, ...own, publisher, principals });
  const supervisor = new Supervisor(supervised, around);
  const view = new PublisherView({ ...around, publisher, supervisor });
  const overview = new Overview({
    ...{ ...around, publisher, service: view, fleet: control.fleet },
    highWater: config.ACKTOR_HIGH_WATER,
    oldWaitingMs: config.ACKTOR_OLD_WAITING,
  });
  const limits = limitsOf(config);
  const http = makeHttp({ ...around, publisher, limits, principals, view, overview });
  const { intake, doorbell } = publisher;
  return { http, overview, control, controlled: { link, supervisor, view, intake, limits, doorbell }, supervised };
}

function makePool({ config, fresh }: Pick<Base, "config" | "fresh">, size: number, applicationName: string) {
  return createPool({ ...connectionOptions(config, applicationName, fresh), size });
}

function outboxTimes(config: PublisherSettings) {
  return {
    leaseMs: config.ACKTOR_LEASE,
    idempotencyWindowMs: config.ACKTOR_IDEMPOTENCY_WINDOW,
    retentionMs: config.ACKTOR_RETENTION,
  };
}

function policyOf(config: PublisherSettings, { policy }: StartOptions, logger: Logger): ErrorPolicy | null {
  if (policy !== undefined) {
    return guardPolicy(policy, (why) => logger.error({ why }, "the error policy failed; the built-in one decides"));
  }
  return config.ACKTOR_POLICY === null ? null : createPolicy(config.ACKTOR_POLICY, SYSTEM_RANDOM.next);
}
