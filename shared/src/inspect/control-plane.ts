/**
 * A service's connection to the control plane: its bus, its station and its command desk.
 *
 * Invariants:
 *  PLANE-1. The service works without the control plane: its start does not wait for NATS, and an unreachable NATS is a line in the log.
 *  PLANE-2. A shared bus (`npm start` gives both services one) is left running for its owner to stop.
 *  PLANE-3. With a secret, all NATS messages are sealed (sealed-bus.ts); without one, the log warns.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "../bus/bus.ts";
import { LocalBus } from "../bus/local-bus.ts";
import { NatsBus } from "../bus/nats-bus.ts";
import { type ServiceName, type Subjects, subjectsUnder } from "../protocol/subjects.ts";
import type { Clock, Random } from "../runtime/clock.ts";
import type { FreshText } from "../runtime/fresh-settings.ts";
import type { Logger } from "../runtime/logger.ts";
import { busKey } from "../seal/seal.ts";
import { SealedBus } from "../seal/sealed-bus.ts";
import { CommandDesk, type CommandExecutor } from "./command-desk.ts";
import { InspectStation, type Summarized } from "./station.ts";
import type { MachineDefinition } from "./wire.ts";

export interface ControlPlaneOptions {
  readonly service: ServiceName;
  readonly instance: string;
  readonly version: string;
  /** Null: a bus within this process. */
  readonly natsUrl: string | null;
  /** Reads NATS_URL again at each connect. */
  readonly fresh?: FreshText<"NATS_URL">;
  /** PEM; null: the certificate authorities of the system. */
  readonly natsCa: string | null;
  readonly natsPrefix: string;
  /** First word of the reply subjects. */
  readonly natsInbox: string;
  /** ACKTOR_NATS_SECRET, or ACKTOR_API_TOKEN; null: messages on NATS are not authenticated. */
  readonly natsSecret: string | null;
  /** Used instead of an own bus; only without a `natsUrl`. */
  readonly sharedBus: Bus | null;
  readonly logger: Logger;
  readonly definitions: readonly MachineDefinition[];
  readonly controlled: Controlled;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a service offers to the control plane. */
export interface Controlled extends Summarized, CommandExecutor {}

export class ControlPlane {
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Differs with every start of the process. */
  readonly boot = randomBytes(6).toString("hex");
  readonly station: InspectStation;
  readonly desk: CommandDesk;
  readonly #ownsBus: boolean;

  constructor(options: ControlPlaneOptions) {
    const { service, instance, version, definitions, controlled, clock } = options;
    this.subjects = subjectsUnder(options.natsPrefix);
    this.#ownsBus = options.natsUrl !== null || options.sharedBus === null;
    this.bus = options.natsUrl === null ? (options.sharedBus ?? new LocalBus()) : natsBus(options.natsUrl, options);
    const { bus, subjects, boot } = this;
    const common = { bus, subjects, boot, service, instance };
    this.station = new InspectStation({ ...common, version, definitions, summarized: controlled, clock });
    this.desk = new CommandDesk({ ...common, clock, executor: controlled });
  }

  start(): void {
    // PLANE-1: neither waits for the bus.
    this.station.start();
    this.desk.start();
  }

  /** Announces the stop and leaves the bus. May be called early and twice. */
  async stop(): Promise<void> {
    this.desk.stop();
    this.station.stop();
    // PLANE-2
    if (this.#ownsBus) await this.bus.stop();
  }
}

function natsBus(url: string, options: ControlPlaneOptions): Bus {
  const {
    service,
    instance,
    version,
    logger,
    clock,
    random,
    natsCa: ca,
    natsInbox: inbox,
    natsSecret,
    fresh,
  } = options;
  const name = `acktor-${service}`;
  const bus = new NatsBus({
    url,
    fresh,
    ca,
    inbox,
    name: `${name} ${instance}`,
    service: { name, version, metadata: { instance } },
    logger,
    clock,
    random,
  });
  // PLANE-3
  if (natsSecret !== null) {
    return new SealedBus(bus, { key: busKey(natsSecret), logger, clock });
  }
  logger.warn({ setting: "ACKTOR_NATS_SECRET" }, OPEN_BUS);
  return bus;
}

const OPEN_BUS =
  "commands on NATS are not authenticated: every client of this NATS server can send commands to this service; set ACKTOR_NATS_SECRET";
