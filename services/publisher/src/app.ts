/**
 * The publisher as a service: configuration, schema, roles, HTTP, in the order in which they come up and go down.
 *
 * The way of a message: intake → outbox → dispatch → link → broker … broker → link → settle → outbox.
 * Read publisher.ts next, then the folders in the order of that line.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "@acktor/shared/bus/bus";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import type { Environment } from "@acktor/shared/runtime/config";
import { createPolicy, type ErrorPolicy, guardPolicy } from "@acktor/shared/runtime/error-policy";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { addressOf, createHttp } from "@acktor/shared/runtime/http-server";
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";
import type { StartResult } from "@acktor/shared/runtime/main";
import { allowedHosts, instanceName, type PublisherSettings, requestsPerSecond } from "@acktor/shared/runtime/settings";
import { Supervisor } from "@acktor/shared/runtime/supervisor";
import { startTracing, type Tracing } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import type { FastifyInstance } from "fastify";
import { PUBLISHER_DOCS } from "./api-docs.ts";
import { readPublisherConfig } from "./config.ts";
import { PublisherControl } from "./control/publisher-control.ts";
import { FailedMessageLog } from "./failed-message-log.ts";
import { addBulkRoutes } from "./http/bulk-routes.ts";
import { addCommandRoutes } from "./http/command-routes.ts";
import { addConsoleRoutes } from "./http/console-routes.ts";
import { addMachineRoutes } from "./http/machine-routes.ts";
import { addMessageRoutes } from "./http/message-routes.ts";
import { addOperatorRoutes } from "./http/operator-routes.ts";
import { addOverviewRoutes } from "./http/overview-routes.ts";
import { addPrincipalRoutes } from "./http/principal-routes.ts";
import { Refusals } from "./http/refusals.ts";
import { addStatusRoutes, INDEX } from "./http/status-routes.ts";
import { addIntakeRoutes } from "./intake/intake-routes.ts";
import type { IntakeLimits } from "./intake/validate-message.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { OutboxIdentity } from "./outbox/outbox-identity.ts";
import { PostgresOutbox } from "./outbox/postgres-outbox.ts";
import { LatencyWindow } from "./overview/latency-window.ts";
import { Overview } from "./overview/overview.ts";
import { prepare, SchemaState } from "./prepare.ts";
import { makePrincipals, type Principals } from "./principals.ts";
import { Publisher } from "./publisher.ts";
import { machineViews, readinessOf, statusOf, summaryOf, type View } from "./status.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Where log lines go; standard output when absent. */
  readonly logStream?: { write(line: string): void };
  /** A bus that several services of this process share; not used where NATS_URL is set, and not stopped here. */
  readonly bus?: Bus;
  /** What to do when a delivery goes wrong, instead of ACKTOR_POLICY. One that throws counts as none. */
  readonly policy?: ErrorPolicy;
}

const CLOCKS = { now: () => performance.now(), wallClock: () => Date.now(), random: Math.random };
const TIME = { clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM };
const POOL_SIZE = 6;

/**
 * Starts the publisher. Returns when it listens on HTTP; `started` tells when the schema is there and it works.
 * @param env as `process.env`; secrets by NAME_FILE too
 */
export async function startPublisher(env: Environment, options: StartOptions = {}): Promise<StartResult> {
  const read = readPublisherConfig(env);
  if (!read.ok) return read;
  const { config } = read;
  const instance = instanceName(config.ACKTOR_INSTANCE, config.HTTP_PORT);
  const logger = createLogger("publisher", instance, config.LOG_LEVEL, options.logStream);
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracing = await startTracing({ service: "publisher", instance, version: VERSION, endpoint, logger });
  const parts = assemble({ config, instance, logger, tracing }, options);
  const { app, control, publisher, principals, overview, pool, link, identity, schema, troubles } = parts;
  try {
    await app.listen({ host: config.HTTP_HOST, port: config.HTTP_PORT });
  } catch (error) {
    await Promise.all([link.stop(), pool.stop(), principals.stop(), control.stop(), tracing.stop()]);
    return { ok: false, faults: [listenFault(config, error as NodeJS.ErrnoException)] };
  }
  const service = {
    prepare: (signal: AbortSignal) => prepare({ pool, config, logger, link, identity, schema }, signal),
    roles: () => ({ ...publisher.roles(), ...principals.roles }),
    pause: () => publisher.pause(),
    resume: () => publisher.resume(),
    drain: () => drain(parts),
  };
  const supervisor = new Supervisor(service, { troubles, logger, random: SYSTEM_RANDOM });
  parts.supervise(supervisor);
  supervisor.start();
  control.followSupervisor(supervisor.actor);
  control.start(publisher.intake, limitsOf(config));
  overview.start();
  logger.info({ url: addressOf(app), version: VERSION }, "publisher listens");
  const { started, stopped } = supervisor;
  return { ok: true, url: addressOf(app), started, stop: () => supervisor.stop(), stopped };
}

interface Base {
  readonly config: PublisherSettings;
  readonly instance: string;
  readonly logger: Logger;
  readonly tracing: Tracing;
}

interface Assembled {
  readonly app: FastifyInstance;
  readonly control: PublisherControl;
  readonly publisher: Publisher;
  readonly principals: Principals;
  readonly overview: Overview;
  readonly pool: Pool;
  readonly link: Link;
  readonly identity: OutboxIdentity;
  readonly schema: SchemaState;
  readonly tracing: Tracing;
  readonly troubles: Troubles;
  /** Gives the supervisor, which is started last, to those who look at it. */
  readonly supervise: (supervisor: Supervisor) => void;
}

/** Every part, wired; nothing is connected and nothing listens yet. */
function assemble({ config, instance, logger, tracing }: Base, options: StartOptions): Assembled {
  const owner = `${instance}/${randomBytes(4).toString("hex")}`;
  const applicationName = `acktor-publisher ${instance}`;
  const pool = createPool({ url: config.DATABASE_URL, ca: config.DATABASE_CA, size: POOL_SIZE, applicationName });
  const identity = new OutboxIdentity();
  const failedMessages = new FailedMessageLog(logger, SYSTEM_CLOCK);
  const troubles = new Troubles({ clock: SYSTEM_CLOCK, logger });
  let supervisor: Supervisor | null = null;
  const guard = new ListenerGuard({ logger, clock: SYSTEM_CLOCK });
  const control = new PublisherControl({
    config,
    instance,
    pool,
    logger,
    sharedBus: options.bus ?? null,
    link: () => link,
    supervisor: () => supervisor,
    summary: () => summaryOf(view),
    wake: () => publisher.doorbell.ring(),
    ...CLOCKS,
  });
  const link = makeServiceLink(config, logger, {
    clientId: `acktor-publisher-${owner.replace("/", "-")}`,
    observer: { machineStarted: (actor) => control.followLink(actor) },
  });
  const latencies = new LatencyWindow(SYSTEM_CLOCK);
  const metrics = createMetrics(latencies);
  const schema = new SchemaState();
  const outbox = new PostgresOutbox({
    ...{ pool, troubles, failedMessages, owner, clock: SYSTEM_CLOCK },
    leaseMs: config.ACKTOR_LEASE,
    idempotencyWindowMs: config.ACKTOR_IDEMPOTENCY_WINDOW,
    retentionMs: config.ACKTOR_RETENTION,
  });
  const publisher = new Publisher({
    ...{ config, outbox, link, logger, tracing, troubles, guard, identity, schema, failedMessages, ...TIME },
    policy: policyOf(config, options, logger),
    settlements: metrics,
    deliveries: control.plane.station.deliveries,
    watch: control,
  });
  metrics.watch(publisher);
  const view: View = {
    publisher,
    link,
    instance,
    startedAt: performance.now(),
    supervisor: () => supervisor,
    highWater: config.ACKTOR_HIGH_WATER,
    troubles,
  };
  const overview = makeOverview({ config, instance, pool, control, publisher, view, latencies, troubles });
  const bookPool = createPool({
    ...{ url: config.DATABASE_URL, ca: config.DATABASE_CA, size: 1 },
    applicationName: `${applicationName} principals`,
  });
  const token = config.ACKTOR_API_TOKEN;
  const principals = makePrincipals({ pool, bookPool, troubles, control, token, clock: SYSTEM_CLOCK });
  const base = { config, instance, pool, logger, metrics, control, guard, troubles };
  const app = makeHttp({ ...base, publisher, principals, view, overview });
  const supervise = (started: Supervisor): void => {
    supervisor = started;
  };
  const told = { tracing, troubles, supervise };
  return { app, control, publisher, principals, overview, pool, link, identity, schema, ...told };
}

interface OverviewParts extends Pick<HttpParts, "config" | "instance" | "pool" | "control" | "publisher" | "view"> {
  readonly latencies: LatencyWindow;
  readonly troubles: Troubles;
}

function makeOverview(parts: OverviewParts): Overview {
  const { config, instance, pool, control, publisher, view, latencies, troubles } = parts;
  return new Overview({
    ...{ pool, link: view.link, publisher, latencies, instance, version: VERSION, troubles, clock: SYSTEM_CLOCK },
    highWater: config.ACKTOR_HIGH_WATER,
    oldWaitingMs: config.ACKTOR_OLD_WAITING,
    service: { state: () => view.supervisor()?.state() ?? "STARTING" },
    fleet: control.fleet,
  });
}

function policyOf(config: PublisherSettings, { policy }: StartOptions, logger: Logger): ErrorPolicy | null {
  if (policy !== undefined) {
    return guardPolicy(policy, (why) => logger.error({ why }, "the error policy failed; the built-in one decides"));
  }
  return config.ACKTOR_POLICY === null ? null : createPolicy(config.ACKTOR_POLICY, CLOCKS.random);
}

interface HttpParts {
  readonly config: PublisherSettings;
  readonly instance: string;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly control: PublisherControl;
  readonly guard: ListenerGuard;
  readonly publisher: Publisher;
  readonly principals: Principals;
  readonly view: View;
  readonly overview: Overview;
  readonly troubles: Troubles;
}

function makeHttp(parts: HttpParts): FastifyInstance {
  const { config, instance, pool, logger, metrics, control, guard, publisher, principals, view, overview, troubles } =
    parts;
  const { fleet, commands, auditor } = control;
  const refusals = new Refusals(auditor, instance);
  const app = createHttp({
    service: "publisher",
    version: VERSION,
    token: config.ACKTOR_API_TOKEN,
    gate: principals.gate,
    allowedHosts: allowedHosts(config),
    requestsPerSecond: requestsPerSecond(config.HTTP_HOST, config.ACKTOR_RATE_LIMIT),
    logger,
    registry: metrics.registry,
    health: { readiness: () => readinessOf(view) },
    docs: PUBLISHER_DOCS,
    refusals,
  });
  addIntakeRoutes(app, publisher.intake, limitsOf(config), principals.quota);
  addPrincipalRoutes(app, { pool, book: principals.book });
  addMessageRoutes(app, pool, (id) => control.receipts(id));
  addBulkRoutes(app, pool, refusals);
  addOperatorRoutes(app, {
    pool,
    refusals,
    inboxWindowMs: config.ACKTOR_INBOX_WINDOW,
    doorbell: publisher.doorbell,
  });
  addStatusRoutes(app, { pool, service: { status: () => statusOf(view) } });
  addOverviewRoutes(app, { pool, refusals, overview });
  addConsoleRoutes(app, INDEX);
  const stream = addMachineRoutes(app, {
    fleet,
    machines: { actors: () => machineViews(view) },
    gate: principals.gate,
    logger,
  });
  addCommandRoutes(app, { pool, commands, instance, audit: auditor });
  metrics.watchControl({
    service: "publisher",
    version: VERSION,
    link: view.link,
    pool,
    database: { isUp: () => publisher.level.databaseUp },
    bus: control.plane.bus,
    control,
    troubles,
    guard,
    stream,
  });
  return app;
}

async function drain({ app, control, publisher, principals, overview, pool, tracing }: Assembled): Promise<void> {
  control.leave();
  overview.stop();
  // Requests under way are answered while the intake drains; then nothing is accepted any more.
  const closing = app.close();
  await publisher.drain();
  await closing;
  await principals.stop();
  await control.stop();
  await pool.stop();
  await tracing.stop();
}

function limitsOf(config: PublisherSettings): IntakeLimits {
  return {
    reserved: [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX],
    defaultTtlMs: config.ACKTOR_DEFAULT_TTL,
    defaultMaxRetries: config.ACKTOR_MAX_RETRIES,
    retentionMs: config.ACKTOR_RETENTION,
    clock: SYSTEM_CLOCK,
  };
}

function listenFault(config: PublisherSettings, { code, message }: NodeJS.ErrnoException): string {
  const where = `${config.HTTP_HOST}:${config.HTTP_PORT}`;
  if (code === "EADDRINUSE")
    return `HTTP_PORT ${where} is taken. Set HTTP_PORT to a free port, or stop what listens there.`;
  if (code === "EACCES")
    return `HTTP_PORT ${where} may not be opened by this user. Set HTTP_PORT to a port above 1023.`;
  return `HTTP_HOST ${where} cannot be listened on (${code ?? message}).`;
}
