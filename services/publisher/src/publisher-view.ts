/** What `/readyz`, `/v1/status`, `/v1/machines` and the announcements show of this process. */

import type { Json } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { connectionInfo, linkStatistics } from "@acktor/shared/link/show-link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import type { Readiness } from "@acktor/shared/runtime/http-server";
import { snakeCase } from "@acktor/shared/runtime/snake-case";
import type { Supervisor } from "@acktor/shared/runtime/supervisor";
import type { MachineView } from "./http/status-routes.ts";
import type { Publisher } from "./publisher.ts";
import { VERSION } from "./version.ts";

export interface PublisherViewParts {
  readonly publisher: Publisher;
  readonly link: Link;
  readonly supervisor: Supervisor;
  readonly database: Pick<DatabaseHealth, "isUp" | "line" | "state">;
  readonly troubles: { checks(): Readonly<Record<string, string>> };
  readonly clock: Clock;
  readonly instance: string;
}

/** Destinations shown at most, those with something to say first. */
const DESTINATIONS_SHOWN = 100;
/** Ackers shown at most, those with the latest records; each may have 8 KiB of filters. */
const ACKERS_SHOWN = 100;

export class PublisherView {
  readonly #parts: PublisherViewParts;
  readonly #startedAt: number;

  constructor(parts: PublisherViewParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  /** State of the service: STARTING RUNNING PAUSED DRAINING STOPPED. */
  state(): string {
    return this.#parts.supervisor.state();
  }

  /**
   * Ready without a broker (accepting is the publisher's job), not ready without PostgreSQL. Degraded while the broker is
   * unreachable, or a part fails and does not recover.
   */
  readiness(): Readiness {
    const { database, link, troubles } = this.#parts;
    const state = this.state();
    const isUp = (state === "RUNNING" || state === "PAUSED") && database.isUp();
    const broker = link.info().state;
    const checks = { service: state, postgres: database.line(), broker };
    if (!isUp) return { ready: false, status: "unavailable", checks };
    const failing = troubles.checks();
    const isWhole = broker === "CONNECTED" && Object.keys(failing).length === 0;
    return { ready: true, status: isWhole ? "ok" : "degraded", checks: { ...checks, ...failing } };
  }

  /** What `GET /v1/status` answers. */
  status(): object {
    const { publisher, link, instance, clock } = this.#parts;
    const info = link.info();
    const { dispatcher } = publisher;
    const { waiting, oldestWaitingMs, highWater } = publisher.level;
    return {
      service: "publisher",
      instance,
      version: VERSION,
      state: this.state(),
      uptime_seconds: (clock.now() - this.#startedAt) / 1_000,
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

  /** Figures for the announcements of this instance, which the overview shows. */
  summary(): Readonly<Record<string, Json>> {
    const { publisher, link, database } = this.#parts;
    const { state, breaker, protocolVersion, stats } = link.info();
    const { dispatcher } = publisher;
    const { waiting, oldestWaitingMs, highWater } = publisher.level;
    return {
      state: this.state(),
      connection: state,
      breaker,
      protocol_version: protocolVersion,
      postgres: database.isUp(),
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

  /** The machines of this process. */
  actors(): MachineView[] {
    const { publisher, link, instance } = this.#parts;
    const view = (actor: string, machine: string, value: unknown, context: unknown): MachineView => {
      return { service: "publisher", instance, actor, machine, value, context };
    };
    const { state, breaker, ...context } = link.info();
    const dispatcher = publisher.dispatch.actor.getSnapshot();
    const views = [
      view("supervisor", "supervisor", this.state(), {}),
      view("link", "link", { connection: state, breaker }, context),
      view("dispatcher", "dispatcher", dispatcher.value, dispatcher.context),
    ];
    for (const role of publisher.janitor.roles) {
      const snapshot = role.actor?.getSnapshot();
      if (snapshot !== undefined) views.push(view(role.name, "periodic", snapshot.value, snapshot.context));
    }
    return views;
  }
}
