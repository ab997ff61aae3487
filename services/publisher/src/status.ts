/** What `/readyz`, `/v1/status` and `/v1/machines` say of this process. */

import type { Json } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { connectionInfo, linkStatistics } from "@acktor/shared/link/show-link";
import type { Readiness } from "@acktor/shared/runtime/http-server";
import { snakeCase } from "@acktor/shared/runtime/snake-case";
import type { Supervisor } from "@acktor/shared/runtime/supervisor";
import type { MachineView } from "./http/status-routes.ts";
import type { Publisher } from "./publisher.ts";
import { VERSION } from "./version.ts";

export interface View {
  readonly publisher: Publisher;
  readonly link: Link;
  readonly instance: string;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly supervisor: () => Supervisor | null;
  readonly highWater: number;
  readonly troubles: { checks(): Readonly<Record<string, string>> };
}

/** Destinations shown at most, those with something to say first. */
const DESTINATIONS_SHOWN = 100;
/** Ackers shown at most, those that were heard of last; each may have 8 KiB of filters. */
const ACKERS_SHOWN = 100;

/**
 * Ready without a broker (accepting is the publisher's job), not ready without PostgreSQL (SPEC 4). Degraded while the broker
 * is away, or a part fails and does not recover.
 */
export function readinessOf({ publisher, link, supervisor, troubles }: View): Readiness {
  const state = supervisor()?.state() ?? "STARTING";
  const database = state === "RUNNING" || state === "PAUSED" ? publisher.level.databaseUp : false;
  const broker = link.info().state;
  const checks = { service: state, postgres: database ? "ok" : "unavailable", broker };
  if (!database) return { ready: false, status: "unavailable", checks };
  const failing = troubles.checks();
  const isWhole = broker === "CONNECTED" && Object.keys(failing).length === 0;
  return { ready: true, status: isWhole ? "ok" : "degraded", checks: { ...checks, ...failing } };
}

/** S7 and S8 under the tutorial's names, and what the outbox adds. */
export function statusOf({ publisher, link, instance, startedAt, supervisor, highWater }: View): object {
  const info = link.info();
  const { dispatcher } = publisher;
  const { waiting, oldestWaitingMs } = publisher.level;
  return {
    service: "publisher",
    instance,
    version: VERSION,
    state: supervisor()?.state() ?? "STARTING",
    uptime_seconds: (performance.now() - startedAt) / 1_000,
    connection: { ...connectionInfo(info), buffer_size: waiting },
    statistics: linkStatistics(info),
    outbox: {
      waiting,
      oldest_waiting_seconds: oldestWaitingMs === null ? null : oldestWaitingMs / 1_000,
      high_water: highWater,
      accepted: publisher.intake.accepted,
    },
    dispatcher: {
      queued: dispatcher.queued,
      unacked: dispatcher.unacked,
      paused: publisher.dispatch.paused,
      ...snakeCase(dispatcher.counts),
    },
    acks: snakeCase(publisher.settler.counts),
    destinations: dispatcher
      .destinations()
      .filter((d) => d.parked || d.queued > 0 || d.unacked > 0)
      .slice(0, DESTINATIONS_SHOWN),
    ackers: publisher.presence.list().slice(-ACKERS_SHOWN),
    ackers_total: publisher.presence.size,
  };
}

/** What the overview shows of this instance. */
export function summaryOf({ publisher, link, supervisor, highWater }: View): Readonly<Record<string, Json>> {
  const { state, breaker, protocolVersion, stats } = link.info();
  const { dispatcher } = publisher;
  const { waiting, oldestWaitingMs, databaseUp } = publisher.level;
  return {
    state: supervisor()?.state() ?? "STARTING",
    connection: state,
    breaker,
    protocol_version: protocolVersion,
    postgres: databaseUp,
    waiting,
    oldest_waiting_seconds: oldestWaitingMs === null ? null : oldestWaitingMs / 1_000,
    high_water: highWater,
    accepted: publisher.intake.accepted,
    published: dispatcher.counts.published,
    republished: dispatcher.counts.republished,
    acknowledged: publisher.settler.counts.settled,
    unacked: dispatcher.unacked,
    queued: dispatcher.queued,
    ack_timeouts: dispatcher.counts.ackTimeouts,
    disconnections: stats.disconnections,
    breaker_openings: stats.breakerOpenings,
    ackers: publisher.presence.size,
  };
}

/** Every actor of this process. */
export function machineViews({ publisher, link, instance, supervisor }: View): MachineView[] {
  const view = (actor: string, machine: string, value: unknown, context: unknown): MachineView => {
    return { service: "publisher", instance, actor, machine, value, context };
  };
  const { state, breaker, ...context } = link.info();
  const dispatcher = publisher.dispatch.actor.getSnapshot();
  const views = [
    view("supervisor", "supervisor", supervisor()?.state() ?? "STARTING", {}),
    view("link", "link", { connection: state, breaker }, context),
    view("dispatcher", "dispatcher", dispatcher.value, dispatcher.context),
  ];
  for (const role of publisher.janitor.roles) {
    const snapshot = role.actor?.getSnapshot();
    if (snapshot !== undefined) views.push(view(role.name, "periodic", snapshot.value, snapshot.context));
  }
  return views;
}
