/**
 * The acker's parts, put together: the path of a message from the broker to its row, and of the answer back.
 *
 *   subscribe (Receiver → Intake) → verify → process ⇄ inbox → ack
 *
 * It needs no PostgreSQL, NATS or HTTP: `app.ts` gives it an inbox and a link, and puts the control plane around it; a
 * simulation gives it others.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { AckSigner } from "@acktor/shared/protocol/ack-proof";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { Supervisor } from "@acktor/shared/runtime/supervisor";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { AckSender } from "./ack/ack-sender.ts";
import { createCounts } from "./control/counts.ts";
import { Notices } from "./control/notices.ts";
import { DatabaseWatch } from "./inbox/database-watch.ts";
import type { Inbox } from "./inbox/inbox.ts";
import { HandlerRuns } from "./process/handler-runs.ts";
import type { Handler } from "./process/handlers/handler.ts";
import { Processor } from "./process/processor.ts";
import { RoutedRunner } from "./process/routed-runner.ts";
import { topicMap } from "./subscribe/choose-filters.ts";
import { Intake } from "./subscribe/intake.ts";
import { Places } from "./subscribe/places.ts";
import { Receiver } from "./subscribe/receiver.ts";
import { type AckerObserver, DRAIN_DEADLINE_MS, SupervisedAcker } from "./supervised-acker.ts";
import { envelopeTrust } from "./verify/envelope-trust.ts";
import { WatchedTopics } from "./verify/sent-topics.ts";
import { Verifier } from "./verify/verifier.ts";

export interface AckerParts {
  readonly config: AckerSettings;
  readonly instance: string;
  /** Name of this run of the process, different for each: leases are taken under it. */
  readonly run: string;
  /** The MQTT client id, which each ack names. */
  readonly clientId: string;
  readonly inbox: Inbox;
  readonly link: Link;
  readonly handler: Handler;
  /** How long a message of a handler belongs to a process that does not renew its lease. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracing: Tracing;
  /** For viewers. */
  readonly deliveries: DeliveryNotes;
  readonly observer: AckerObserver;
}

const QUEUE_BYTES = 64 * 1024 * 1024;
/** Acks that wait for the link; further ones are dropped, and the outbox asks for them again. */
const ACK_QUEUE = 10_000;

export class Acker {
  readonly parts: AckerParts;
  readonly counts = createCounts();
  readonly troubles: Troubles;
  readonly guard: ListenerGuard;
  readonly database: DatabaseWatch;
  readonly places: Places;
  readonly acks: AckSender;
  /** Null: the row is the effect. */
  readonly runs: HandlerRuns | null;
  readonly processor: Processor;
  readonly receiver: Receiver;
  readonly supervised: SupervisedAcker;
  readonly supervisor: Supervisor;

  constructor(parts: AckerParts) {
    const { config, clock, handler, inbox, logger } = parts;
    const { ACKTOR_ACK_PRIVATE_KEY: privateKey, ACKTOR_ACK_SECRET: secret, ACKTOR_QUEUE: capacity } = config;
    const [ackPrefix, presencePrefix] = [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX];
    this.parts = parts;
    const health = new DatabaseHealth({ clock, logger });
    this.troubles = new Troubles({ clock, logger, database: health });
    this.guard = new ListenerGuard({ logger, clock });
    this.database = new DatabaseWatch(inbox, this.troubles, health);
    this.places = new Places({ limit: capacity, byteLimit: QUEUE_BYTES });
    const { counts, guard, places, database: troubles } = this;
    const signer = AckSigner.of({ privateKey, secret });
    this.acks = new AckSender({ ...parts, signer, limit: ACK_QUEUE, counts });
    const notices = new Notices(logger, clock);
    const common = { ...parts, acks: this.acks, places, guard, counts, notices, troubles, capacity };
    const trust = envelopeTrust(config, logger, clock);
    const map = topicMap(config);
    const topics = new WatchedTopics(map, counts, logger);
    const verifier = new Verifier({ ...common, ackPrefix, presencePrefix, trust, topics });
    const runner = RoutedRunner.of(handler, clock, map);
    this.runs = runner === null ? null : new HandlerRuns({ ...common, runner });
    this.processor = new Processor({ ...common, verifier, runs: this.runs });
    const next = this.processor;
    const own = [ackPrefix, presencePrefix];
    const ownPrefixes = [...own, ...own.flatMap((prefix) => map.filtersAsReceived(prefix))];
    const intake = new Intake({ places, next, ownPrefixes, counts, clock });
    this.receiver = new Receiver({ ...parts, guard, intake });
    health.listen(this.receiver);
    this.supervised = new SupervisedAcker(this);
    const drainDeadlineMs = DRAIN_DEADLINE_MS;
    this.supervisor = new Supervisor(this.supervised, { ...parts, troubles: this.troubles, drainDeadlineMs });
  }
}
