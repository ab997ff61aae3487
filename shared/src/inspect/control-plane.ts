/**
 * A service's place on the control plane: its bus, its station, its command desk. Both services make one.
 *
 * Invariants:
 *  1. The service works without it: nothing here is waited for at the start, and NATS being away is a line in the log.
 *  PLANE-3. What travels over NATS is sealed where a secret is configured (sealed-bus.ts); without one the log warns.
 *  2. A bus that was handed in (`npm start` gives both services one) is left running for its owner to stop.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "../bus/bus.ts";
import { LocalBus } from "../bus/local-bus.ts";
import { NatsBus } from "../bus/nats-bus.ts";
import { type ServiceName, type Subjects, subjectsUnder } from "../protocol/subjects.ts";
import type { Logger } from "../runtime/logger.ts";
import { busKey } from "../seal/seal.ts";
import { SealedBus } from "../seal/sealed-bus.ts";
import { type AskedCommand, type AuditRecord, CommandDesk } from "./command-desk.ts";
import type { CommandOutcome } from "./run-command.ts";
import { InspectStation } from "./station.ts";
import type { Json, MachineDefinition } from "./wire.ts";

export interface ControlPlaneOptions {
  readonly service: ServiceName;
  readonly instance: string;
  readonly version: string;
  /** Null: one process, its own bus. */
  readonly natsUrl: string | null;
  /** PEM; null: the system's. */
  readonly natsCa: string | null;
  readonly natsPrefix: string;
  /** First word of the inboxes for replies. */
  readonly natsInbox: string;
  /** ACKTOR_NATS_SECRET, or ACKTOR_API_TOKEN; null: what is said on NATS proves nothing. */
  readonly natsSecret: string | null;
  /** Instead of a bus of its own; only without a `natsUrl`. */
  readonly sharedBus: Bus | null;
  readonly logger: Logger;
  readonly definitions: readonly MachineDefinition[];
  readonly summary: () => { readonly [key: string]: Json };
  readonly execute: (asked: AskedCommand) => Promise<CommandOutcome>;
  /** Never rejects. */
  readonly record: (record: AuditRecord) => Promise<void>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly random: () => number;
}

export class ControlPlane {
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Differs with every start of the process. */
  readonly boot = randomBytes(6).toString("hex");
  readonly station: InspectStation;
  readonly desk: CommandDesk;
  readonly #ownsBus: boolean;

  constructor(options: ControlPlaneOptions) {
    const { service, instance, version, definitions, summary, execute, record, now, wallClock } = options;
    this.subjects = subjectsUnder(options.natsPrefix);
    this.#ownsBus = options.natsUrl !== null || options.sharedBus === null;
    this.bus = options.natsUrl === null ? (options.sharedBus ?? new LocalBus()) : natsBus(options.natsUrl, options);
    const { bus, subjects, boot } = this;
    const common = { bus, subjects, boot, service, instance };
    this.station = new InspectStation({ ...common, version, definitions, summary, now, wallClock });
    this.desk = new CommandDesk({ ...common, now, execute, record });
  }

  start(): void {
    this.station.start();
    this.desk.start();
  }

  /** Says goodbye. Twice and early is fine. */
  async stop(): Promise<void> {
    this.desk.stop();
    this.station.stop();
    if (this.#ownsBus) await this.bus.stop();
  }
}

function natsBus(url: string, options: ControlPlaneOptions): Bus {
  const {
    service,
    instance,
    version,
    logger,
    now,
    wallClock,
    random,
    natsCa: ca,
    natsInbox: inbox,
    natsSecret,
  } = options;
  const name = `acktor-${service}`;
  const bus = new NatsBus({
    url,
    ca,
    inbox,
    name: `${name} ${instance}`,
    service: { name, version, metadata: { instance } },
    logger,
    now,
    random,
  });
  if (natsSecret !== null) return new SealedBus(bus, { key: busKey(natsSecret), logger, now, wallClock });
  logger.warn({ setting: "ACKTOR_NATS_SECRET" }, OPEN_BUS);
  return bus;
}

const OPEN_BUS =
  "commands on NATS are not authenticated: every client of this NATS server may command this service; set ACKTOR_NATS_SECRET";
