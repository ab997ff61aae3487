/** The production publisher on a simulated outbox, link and clock. */
import { readPublisherConfig } from "@acktor/publisher/config";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import { Publisher } from "@acktor/publisher/publisher";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Logger } from "@acktor/shared/runtime/logger";
import { type Role, type Supervised, Supervisor } from "@acktor/shared/runtime/supervisor";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { LabFailure } from "../world/lab-failure.ts";
import type { OutboxTable } from "./outbox-table.ts";
import type { SimDatabase } from "./sim-database.ts";
import { SimOutbox } from "./sim-outbox.ts";
import type { SimProcess, SimTime } from "./virtual-time.ts";

/** Smaller than a burst of messages, so that the window matters. */
export const WINDOW = 8;
export const PUBLISH_DEADLINE_MS = 500;

/** Shorter times than in production, to fit the simulated faults. */
const SETTINGS = {
  DATABASE_URL: "postgres://simulated",
  MQTT_URL: "mqtt://simulated",
  ACKTOR_WINDOW: String(WINDOW),
  ACKTOR_DESTINATION_LEVELS: "0",
  ACKTOR_PUBLISH_DEADLINE: `${PUBLISH_DEADLINE_MS}ms`,
  ACKTOR_ACK_TIMEOUT_MIN: "500ms",
  ACKTOR_ACK_TIMEOUT_MAX: "2s",
  ACKTOR_RETRY_BASE: "200ms",
  ACKTOR_RETRY_CAP: "1s",
  ACKTOR_LEASE: "5s",
  ACKTOR_POLL: "200ms",
};

export interface SimPublisherParts extends SimTime {
  readonly owner: SimProcess;
  readonly link: Link;
  readonly database: SimDatabase;
  readonly table: OutboxTable;
  readonly logger: Logger;
}

export class SimPublisher implements Supervised {
  readonly process: SimProcess;
  readonly publisher: Publisher;
  readonly #link: Link;

  constructor({ owner, link, database, table, logger, clock, random }: SimPublisherParts) {
    const read = readPublisherConfig(SETTINGS);
    if (!read.ok) throw new LabFailure(read.faults.join("\n"));
    const { config } = read;
    this.process = owner;
    this.#link = link;
    const health = new DatabaseHealth({ clock, logger });
    const troubles = new Troubles({ clock, logger, database: health });
    this.publisher = new Publisher({
      ...{ config, link, clock, random, logger, troubles, database: health },
      outbox: new SimOutbox(table, database, owner, config.ACKTOR_LEASE),
      tracing: NO_TRACING,
      guard: new ListenerGuard({ logger, clock }),
      policy: null,
      identity: new OutboxIdentity(),
      schema: { isReady: true },
      failedMessages: { failed: () => undefined },
      settlements: { settled: () => undefined },
      deliveries: UNWATCHED,
      watch: { followDispatcher: () => undefined, followRole: () => undefined },
    });
    new Supervisor(this, { troubles, logger, random }).start();
  }

  async prepare(): Promise<Prepared> {
    void this.#link.connect();
    return { ok: true };
  }

  roles(): Record<string, Role> {
    return this.publisher.roles();
  }

  pause(): void {
    this.publisher.dispatch.setPaused(true);
  }

  resume(): void {
    this.publisher.dispatch.setPaused(false);
  }

  drain(): Promise<void> {
    return this.publisher.drain();
  }
}
