/** The production acker on a simulated inbox, link and clock. */
import { Acker } from "@acktor/acker/acker";
import { readAckerConfig } from "@acktor/acker/config";
import type { Handler } from "@acktor/acker/process/handlers/handler";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import type { Logger } from "@acktor/shared/runtime/logger";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { LabFailure } from "../world/lab-failure.ts";
import type { InboxTable } from "./inbox-table.ts";
import type { SimDatabase } from "./sim-database.ts";
import { SimInbox } from "./sim-inbox.ts";
import type { SimProcess, SimTime } from "./virtual-time.ts";

/** The duration of a message's lease while its handler runs. */
export const LEASE_MS = 2_000;

const SETTINGS = {
  DATABASE_URL: "postgres://simulated",
  MQTT_URL: "mqtt://simulated",
  ACKTOR_TOPICS: "sim/#",
  ACKTOR_QUEUE: "64",
};

export interface SimAckerParts extends SimTime {
  readonly owner: SimProcess;
  readonly link: Link;
  readonly database: SimDatabase;
  readonly table: InboxTable;
  readonly handler: Handler;
  readonly logger: Logger;
}

export class SimAcker {
  readonly process: SimProcess;
  readonly acker: Acker;

  constructor({ owner, link, database, table, handler, logger, clock, random }: SimAckerParts) {
    const read = readAckerConfig(SETTINGS);
    if (!read.ok) throw new LabFailure(read.faults.join("\n"));
    this.process = owner;
    this.acker = new Acker({
      ...{ config: read.config, link, handler, clock, random, logger, leaseMs: LEASE_MS },
      instance: owner.name,
      run: owner.name,
      clientId: owner.name,
      inbox: new SimInbox(table, database, owner),
      tracing: NO_TRACING,
      deliveries: UNWATCHED,
      observer: { followReceiver: () => undefined },
    });
    this.acker.supervisor.start();
  }

  /** Stops the acker as SIGTERM does. */
  async stop(): Promise<void> {
    await this.acker.supervisor.stop();
  }
}
