/** The publisher's HTTP: its routes, and the metrics that they serve. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createHttp } from "@acktor/shared/runtime/http-server";
import type { Logger } from "@acktor/shared/runtime/logger";
import { allowedHosts, type PublisherSettings, requestsPerSecond } from "@acktor/shared/runtime/settings";
import type { Troubles } from "@acktor/shared/runtime/troubles";
import type { FastifyInstance } from "fastify";
import { PUBLISHER_DOCS } from "./api-docs.ts";
import type { PublisherControl } from "./control/publisher-control.ts";
import { addBulkRoutes } from "./http/bulk-routes.ts";
import { addCommandRoutes } from "./http/command-routes.ts";
import { addConsoleRoutes } from "./http/console-routes.ts";
import type { EventStream } from "./http/event-stream.ts";
import { addMachineRoutes } from "./http/machine-routes.ts";
import { addMessageRoutes } from "./http/message-routes.ts";
import { addOperatorRoutes } from "./http/operator-routes.ts";
import { addOverviewRoutes } from "./http/overview-routes.ts";
import { addPrincipalRoutes } from "./http/principal-routes.ts";
import { Refusals } from "./http/refusals.ts";
import { addStatusRoutes, INDEX } from "./http/status-routes.ts";
import { addIntakeRoutes } from "./intake/intake-routes.ts";
import type { IntakeLimits } from "./intake/validate-message.ts";
import type { Metrics } from "./metrics.ts";
import type { Overview } from "./overview/overview.ts";
import type { Principals } from "./principals.ts";
import type { Publisher } from "./publisher.ts";
import type { PublisherView } from "./publisher-view.ts";
import { VERSION } from "./version.ts";

export interface PublisherHttpParts {
  readonly config: PublisherSettings;
  readonly instance: string;
  readonly pool: Pool;
  readonly link: Link;
  readonly logger: Logger;
  readonly database: DatabaseHealth;
  readonly troubles: Troubles;
  readonly guard: ListenerGuard;
  readonly metrics: Metrics;
  readonly control: PublisherControl;
  readonly publisher: Publisher;
  readonly limits: IntakeLimits;
  readonly principals: Principals;
  readonly view: PublisherView;
  readonly overview: Overview;
}

/** Nothing listens yet. */
export function makeHttp(parts: PublisherHttpParts): FastifyInstance {
  const { config, logger, metrics, control, principals, view } = parts;
  const refusals = new Refusals(control.auditor, parts.instance);
  const app = createHttp({
    service: "publisher",
    version: VERSION,
    token: config.ACKTOR_API_TOKEN,
    gate: principals.gate,
    allowedHosts: allowedHosts(config),
    requestsPerSecond: requestsPerSecond(config.HTTP_HOST, config.ACKTOR_RATE_LIMIT),
    logger,
    registry: metrics.registry,
    health: view,
    docs: PUBLISHER_DOCS,
    refusals,
  });
  addRoutes(app, parts, refusals);
  const stream = addMachineRoutes(app, { fleet: control.fleet, machines: view, gate: principals.gate, logger });
  addServiceMetrics(parts, stream);
  metrics.watch(parts.publisher);
  return app;
}

function addRoutes(app: FastifyInstance, parts: PublisherHttpParts, refusals: Refusals): void {
  const { config, instance, pool, control, publisher, principals, view, overview, limits } = parts;
  addIntakeRoutes(app, publisher.intake, limits, principals.quota);
  addPrincipalRoutes(app, { pool, book: principals.book });
  addMessageRoutes(app, pool, (id) => control.receipts(id));
  addBulkRoutes(app, pool, refusals);
  addOperatorRoutes(app, {
    ...{ pool, refusals, doorbell: publisher.doorbell },
    inboxWindowMs: config.ACKTOR_INBOX_WINDOW,
  });
  addStatusRoutes(app, { pool, service: view });
  addOverviewRoutes(app, { pool, refusals, overview });
  addConsoleRoutes(app, INDEX);
  addCommandRoutes(app, { pool, commands: control.commands, instance, audit: control.auditor });
}

function addServiceMetrics(parts: PublisherHttpParts, stream: EventStream): void {
  const { link, pool, control, database, troubles, guard, metrics } = parts;
  metrics.watchControl({
    ...{ service: "publisher", version: VERSION, link, pool, control, troubles, guard, stream },
    database,
    bus: control.plane.bus,
  });
}
