/**
 * The publisher as a service: configuration, schema, roles, HTTP, in the order in which they come up and go down.
 *
 * The way of a message: intake → outbox → dispatch → link → broker … broker → link → settle → outbox.
 * Read publisher.ts next, then the folders in the order of that line.
 */
import { randomBytes } from "node:crypto";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import type { Environment } from "@acktor/shared/runtime/config";
import { addressOf, createHttp } from "@acktor/shared/runtime/http-server";
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";
import type { StartResult } from "@acktor/shared/runtime/main";
import { pause } from "@acktor/shared/runtime/pause";
import { instanceName, type PublisherSettings } from "@acktor/shared/runtime/settings";
import { type Supervisor, startSupervisor } from "@acktor/shared/runtime/start-supervisor";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import { readPublisherConfig } from "./config.ts";
import { addConsoleRoutes } from "./http/console-routes.ts";
import { addMessageRoutes } from "./http/message-routes.ts";
import { addOperatorRoutes } from "./http/operator-routes.ts";
import { addOverviewRoutes } from "./http/overview-routes.ts";
import { addStatusRoutes, INDEX } from "./http/status-routes.ts";
import { addIntakeRoutes } from "./intake/intake-routes.ts";
import type { IntakeLimits } from "./intake/validate-message.ts";
import { createMetrics } from "./metrics.ts";
import { configureOutbox } from "./outbox/configure-outbox.ts";
import { migrateOutbox } from "./outbox/migrate-outbox.ts";
import { ensurePartitions } from "./outbox/partitions.ts";
import { LatencyWindow } from "./overview/latency-window.ts";
import { Overview } from "./overview/overview.ts";
import { Publisher } from "./publisher.ts";
import { machineViews, readinessOf, statusOf } from "./status.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Where log lines go; standard output when absent. */
  readonly logStream?: { write(line: string): void };
}

const POOL_SIZE = 6;
const PREPARE_PAUSE_MS = 500;

/**
 * Starts the publisher. Returns when it listens on HTTP; `started` tells when the schema is there and it works.
 * @param env as `process.env`; secrets by NAME_FILE too
 */
export async function startPublisher(env: Environment, options: StartOptions = {}): Promise<StartResult> {
  const read = readPublisherConfig(env);
  if (!read.ok) return read;
  const { config } = read;
  const instance = instanceName(config.ACKTOR_INSTANCE, config.HTTP_PORT);
  const owner = `${instance}/${randomBytes(4).toString("hex")}`;
  const logger = createLogger("publisher", instance, config.LOG_LEVEL, options.logStream);
  if (config.NATS_URL !== null)
    logger.warn({}, "NATS_URL is set, but this version has no control plane yet: it is ignored");
  const pool = createPool({
    url: config.DATABASE_URL,
    size: POOL_SIZE,
    applicationName: `acktor-publisher ${instance}`,
  });
  const link = makeServiceLink(config, logger, { clientId: `acktor-publisher-${owner.replace("/", "-")}` });
  const clocks = { now: () => performance.now(), wallClock: () => Date.now(), random: Math.random };
  const latencies = new LatencyWindow(clocks.now);
  const metrics = createMetrics(latencies);
  let supervisor: Supervisor | null = null;
  const prepared = (): boolean => supervisor !== null && supervisor.state() !== "STARTING";
  const publisher = new Publisher({ config, instance, owner, pool, link, logger, metrics, prepared, ...clocks });
  const startedAt = performance.now();
  const view = {
    publisher,
    link,
    instance,
    startedAt,
    supervisor: () => supervisor,
    highWater: config.ACKTOR_HIGH_WATER,
  };
  const overview = new Overview({
    ...{ pool, link, publisher, latencies, instance, version: VERSION, ...clocks },
    highWater: config.ACKTOR_HIGH_WATER,
    oldWaitingMs: config.ACKTOR_OLD_WAITING,
    state: () => supervisor?.state() ?? "STARTING",
    nats: () => "off",
  });
  const app = createHttp({
    service: "publisher",
    version: VERSION,
    token: config.ACKTOR_API_TOKEN,
    logger,
    registry: metrics.registry,
    readiness: () => readinessOf(view),
  });
  addIntakeRoutes(app, publisher.intake, limitsOf(config, clocks.wallClock));
  addMessageRoutes(app, pool);
  addOperatorRoutes(app, {
    pool,
    inboxWindowMs: config.ACKTOR_INBOX_WINDOW,
    wake: () => publisher.dispatch.wake(true),
  });
  addOverviewRoutes(app, { pool, overview: () => overview.read() });
  addConsoleRoutes(app, INDEX);
  addStatusRoutes(app, { pool, link, status: () => statusOf(view), machines: () => machineViews(view) });
  try {
    await app.listen({ host: config.HTTP_HOST, port: config.HTTP_PORT });
  } catch (error) {
    await Promise.all([link.stop(), pool.stop()]);
    return { ok: false, faults: [listenFault(config, error as NodeJS.ErrnoException)] };
  }

  overview.start();
  supervisor = startSupervisor({
    prepare: (signal) => prepare(pool, config, logger, signal, link),
    roles: publisher.roles(),
    pause: () => publisher.dispatch.setPaused(true),
    resume: () => publisher.dispatch.setPaused(false),
    drain: async () => {
      // Requests under way are answered while the intake drains; then nothing is accepted any more.
      const closing = app.close();
      overview.stop();
      await publisher.drain();
      await closing;
      await pool.stop();
    },
    onRoleEnd: (role, error) => logger.error({ actor: role, err: error }, "a role ended; it is started again"),
    random: clocks.random,
  });
  logger.info({ url: addressOf(app), version: VERSION }, "publisher listens");
  const { started, stop } = supervisor;
  return { ok: true, url: addressOf(app), started, stop };
}

function limitsOf(config: PublisherSettings, wallClock: () => number): IntakeLimits {
  return {
    reserved: [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX],
    defaultTtlMs: config.ACKTOR_DEFAULT_TTL,
    defaultMaxRetries: config.ACKTOR_MAX_RETRIES,
    retentionMs: config.ACKTOR_RETENTION,
    wallClock,
  };
}

/** Waits for PostgreSQL, brings the schema up, writes what SQL callers share with us. */
async function prepare(
  pool: Pool,
  config: PublisherSettings,
  logger: Logger,
  signal: AbortSignal,
  link: Link,
): Promise<Prepared> {
  for (let complained = false; ; ) {
    const outcome = await prepareOnce(pool, config);
    if (outcome.kind === "ready") break;
    if (outcome.kind === "never") return { ok: false, fault: outcome.why };
    if (!complained) logger.warn({ reason: outcome.why }, "PostgreSQL is not ready; waiting for it");
    complained = true;
    if (!(await pause(PREPARE_PAUSE_MS, signal))) return { ok: false, fault: "stopped while waiting for PostgreSQL" };
  }
  void link.connect();
  return { ok: true };
}

type Preparation = { readonly kind: "ready" } | { readonly kind: "later" | "never"; readonly why: string };

async function prepareOnce(pool: Pool, config: PublisherSettings): Promise<Preparation> {
  if (config.ACKTOR_MIGRATE === "on") {
    const migrated = await migrateOutbox(pool);
    if (!migrated.ok) {
      const { kind, message, fix } = migrated.failure;
      return { kind: kind === "unavailable" || kind === "busy" ? "later" : "never", why: `${message} ${fix}` };
    }
  }
  const settings = {
    ackPrefix: config.ACKTOR_ACK_PREFIX,
    presencePrefix: config.ACKTOR_PRESENCE_PREFIX,
    defaultTtlMs: config.ACKTOR_DEFAULT_TTL,
    defaultMaxRetries: config.ACKTOR_MAX_RETRIES,
    retentionMs: config.ACKTOR_RETENTION,
    destinationLevels: config.ACKTOR_DESTINATION_LEVELS,
  };
  for (const step of [await configureOutbox(pool, settings), await ensurePartitions(pool)]) {
    if (step.ok) continue;
    const { kind, message, code } = step.failure;
    if (kind !== "rejected" || code === "55P03") return { kind: "later", why: message };
    const hint =
      code === "3F000" || code === "42P01" ? " The schema is missing: start once with ACKTOR_MIGRATE=on." : "";
    return { kind: "never", why: `${message}.${hint}` };
  }
  return { kind: "ready" };
}

function listenFault(config: PublisherSettings, { code, message }: NodeJS.ErrnoException): string {
  const where = `${config.HTTP_HOST}:${config.HTTP_PORT}`;
  if (code === "EADDRINUSE")
    return `HTTP_PORT ${where} is taken. Set HTTP_PORT to a free port, or stop what listens there.`;
  if (code === "EACCES")
    return `HTTP_PORT ${where} may not be opened by this user. Set HTTP_PORT to a port above 1023.`;
  return `HTTP_HOST ${where} cannot be listened on (${code ?? message}).`;
}
