/**
 * The acker's parts, wired. Each knows its step; here they are given to each other.
 *
 * Invariants:
 *  1. Nothing is subscribed and no presence is announced before the inbox can take messages.
 *  2. A stop: no intake, batches finished, acks sent, presence cleared, then DISCONNECT; within `DRAIN_DEADLINE_MS`.
 */
import { randomBytes } from "node:crypto";
import type { Bus } from "@acktor/shared/bus/bus";
import { createTransactionSlots, type TransactionSlots } from "@acktor/shared/db/fenced-transaction";
import { createPool, type DbFailure, type Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import { AckSigner, VERSION_1_WARNING } from "@acktor/shared/protocol/ack-proof";
import { EnvelopeTrust } from "@acktor/shared/protocol/envelope-proof";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createHttp } from "@acktor/shared/runtime/http-server";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import { type AckerSettings, allowedHosts, requestsPerSecond } from "@acktor/shared/runtime/settings";
import { type Role, Supervisor } from "@acktor/shared/runtime/supervisor";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import type { FastifyInstance } from "fastify";
import type { AnyActor } from "xstate";
import { type AckSender, createAckSender } from "./ack/send-acks.ts";
import { chooseHandler, HANDLER_TIMEOUT_MS, routesOf } from "./choose-handler.ts";
import { clearingPool } from "./clearing-pool.ts";
import { AckerControl } from "./control/acker-control.ts";
import { createCounts } from "./control/counts.ts";
import { createMetrics } from "./control/metrics.ts";
import { ACKER_DOCS } from "./control/route-docs.ts";
import { addRoutes } from "./control/routes.ts";
import { actorsOf, readinessOf, statusOf, summaryOf, type ViewSource } from "./control/view.ts";
import { createDatabaseWatch, type DatabaseWatch } from "./database-watch.ts";
import type { Handler } from "./handle/handler.ts";
import { createRoutedRunner, effectOfRoutes } from "./handle/route-handlers.ts";
import { createHandlerDesk, type HandlerDesk } from "./handler-desk.ts";
import { createShapeTypes, type ShapeTypes } from "./inbox/shape-types.ts";
import { keepHouse } from "./keep-house.ts";
import { makeLink } from "./make-link.ts";
import { createPipeline, type Handlers, type Pipeline } from "./pipeline.ts";
import { prepareInbox } from "./prepare.ts";
import { createIntake, type Intake } from "./subscribe/intake.ts";
import { type PresenceOptions, presenceWill, type Will } from "./subscribe/presence.ts";
import { type Receiver, startReceiver } from "./subscribe/start-receiver.ts";
import { VERSION } from "./version.ts";

export interface AckerParts {
  readonly config: AckerSettings;
  readonly instance: string;
  readonly logger: Logger;
  /** Null: the built-in one that the configuration names. */
  readonly handler: Handler | null;
  /** How long a message of a handler belongs to a process that says nothing more. */
  readonly leaseMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly random: () => number;
  readonly tracing: Tracing;
  /** A bus that several services of this process share, or null. */
  readonly bus: Bus | null;
}

/** Bytes of messages that are held at a time, whatever their number. */
const QUEUE_BYTES = 64 * 1024 * 1024;
/** Acks that wait for the link's window; more are dropped and asked for again. */
const ACK_QUEUE = 10_000;
/** Transactions of handlers at a time, each on a connection of its own. */
const TRANSACTION_SLOTS = 4;
/** A crashed acker's messages are free after this; renewed each third of it. */
export const DEFAULT_LEASE_MS = 15_000;
/** Together under the five seconds that a supervisor of processes is promised. */
const DRAIN_DEADLINE_MS = 4_500;
const GIVE_UP_AFTER_MS = 2_000;
const LAST_ACKS_MS = 700;
const CLEAR_PRESENCE_MS = 400;
const CLOSE_MS = 500;

export class Acker {
  readonly http: FastifyInstance;
  readonly #parts: AckerParts;
  readonly #counts = createCounts();
  readonly #throttle: LogThrottle;
  readonly #troubles: Troubles;
  readonly #guard: ListenerGuard;
  readonly #pool: Pool;
  readonly #slots: TransactionSlots;
  readonly #shapes: ShapeTypes;
  readonly #control: AckerControl;
  readonly #link: Link;
  readonly #database: DatabaseWatch;
  readonly #acks: AckSender;
  readonly #handler: Handler;
  readonly #desk: HandlerDesk | null;
  readonly #intake: Intake;
  readonly #pipeline: Pipeline;
  readonly #presence: PresenceOptions;
  #receiver: Receiver | null = null;
  #supervisor: Supervisor | null = null;

  constructor(parts: AckerParts) {
    const { config, instance, logger, now } = parts;
    this.#parts = parts;
    this.#throttle = new LogThrottle({ now });
    this.#troubles = new Troubles({ clock: { now }, logger });
    this.#guard = new ListenerGuard({ logger, clock: { now } });
    this.#presence = {
      prefix: config.ACKTOR_PRESENCE_PREFIX,
      instance,
      filters: config.ACKTOR_TOPICS,
      clock: () => parts.wallClock() / 1_000,
    };
    // Stable, so that a restarted acker takes its old connection over.
    const clientId = `acktor-acker-${instance}`;
    this.#pool = createPool({ url: config.DATABASE_URL, ca: config.DATABASE_CA, applicationName: clientId });
    this.#shapes = createShapeTypes(this.#pool);
    this.#slots = createTransactionSlots({
      url: config.DATABASE_URL,
      ca: config.DATABASE_CA,
      applicationName: `${clientId} handlers`,
      size: TRANSACTION_SLOTS,
      queueLimit: config.ACKTOR_QUEUE,
    });
    this.#control = this.#makeControl();
    const will = (): Will => presenceWill(this.#presence);
    const onActor = (actor: AnyActor): void => this.#control.followLink(actor);
    this.#link = makeLink({ config, clientId, will, logger, random: parts.random, onActor });
    this.#database = createDatabaseWatch({
      pool: this.#pool,
      onReturn: () => this.#onDatabaseReturn(),
      onLoss: (failure) => logger.error({ code: failure.code, why: failure.message }, "PostgreSQL is away"),
    });
    this.#acks = createAckSender({
      link: this.#link,
      clientId,
      signer: AckSigner.of({ privateKey: config.ACKTOR_ACK_PRIVATE_KEY, secret: config.ACKTOR_ACK_SECRET }),
      limit: ACK_QUEUE,
      counts: this.#counts,
    });
    this.#handler = parts.handler ?? chooseHandler({ config, logger, wallClock: parts.wallClock });
    this.#desk = this.#makeDesk();
    this.#pipeline = this.#makePipeline();
    this.#intake = createIntake({
      limit: config.ACKTOR_QUEUE,
      byteLimit: QUEUE_BYTES,
      ownPrefixes: [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX],
      counts: this.#counts,
      now,
      forward: (held) => this.#pipeline.take(held),
    });
    this.http = this.#makeHttp();
  }

  /** Starts everything behind HTTP; called once. */
  supervise(): Supervisor {
    const { logger, random } = this.#parts;
    const service = {
      prepare: (signal: AbortSignal) => this.#prepare(signal),
      roles: () => this.#roles(),
      drain: () => this.#drain(),
      pause: () => this.#receiver?.pause(),
      resume: () => this.#receiver?.resume(),
    };
    this.#supervisor = new Supervisor(service, {
      troubles: this.#troubles,
      logger,
      random: { next: random },
      drainDeadlineMs: DRAIN_DEADLINE_MS,
    });
    this.#supervisor.start();
    this.#control.followSupervisor(this.#supervisor.actor);
    this.#control.start();
    return this.#supervisor;
  }

  /** Closes what the constructor opened. Twice is fine. */
  async close(): Promise<void> {
    this.#acks.stop();
    this.#slots.stop();
    const parts = [this.#link, this.#pool, this.#control, this.#parts.tracing];
    await Promise.all([...parts.map((part) => part.stop()), this.http.close()]);
  }

  async #prepare(signal: AbortSignal): Promise<Prepared> {
    const { config, random, logger } = this.#parts;
    const migrates = config.ACKTOR_MIGRATE === "on";
    const options = { pool: this.#pool, database: this.#database, migrates, random, logger };
    const prepared = await prepareInbox(options, signal);
    if (!prepared.ok || signal.aborted) return prepared;
    this.#receiver = startReceiver({
      link: this.#link,
      intake: this.#intake,
      topics: config.ACKTOR_TOPICS,
      group: config.ACKTOR_GROUP,
      presence: this.#presence,
      logger,
      guard: this.#guard,
      onActor: (actor) => this.#control.followReceiver(actor),
    });
    const asked = await this.#link.connect();
    if (!asked.ok) logger.error({ why: asked.reason }, "the link refused to connect");
    logger.info(
      { topics: config.ACKTOR_TOPICS, handler: this.#handler.name, version: VERSION },
      "acker takes messages",
    );
    return prepared;
  }

  #roles(): Record<string, Role> {
    const { config, random, logger } = this.#parts;
    const troubles = this.#troubles;
    const house = { pool: this.#pool, windowMs: config.ACKTOR_INBOX_WINDOW, random, logger, troubles };
    const roles: Record<string, Role> = {
      database: { run: (signal) => this.#database.watchForever(signal) },
      janitor: { run: (signal) => keepHouse(house, signal) },
    };
    const desk = this.#desk;
    if (desk === null) return roles;
    roles["leases"] = { run: (signal) => desk.renewForever(signal) };
    roles["patience"] = { run: (signal) => desk.askPatienceForever(signal) };
    return roles;
  }

  /** SIGTERM. Bounded step by step; the supervisor's deadline is the last resort. */
  async #drain(): Promise<void> {
    this.#receiver?.drain();
    const abandon = new AbortController();
    const timer = setTimeout(() => abandon.abort(), this.#database.isUp() ? GIVE_UP_AFTER_MS : 0);
    await this.#pipeline.drain(abandon.signal);
    clearTimeout(timer);
    await this.#acks.drain(LAST_ACKS_MS);
    await this.#receiver?.clear(CLEAR_PRESENCE_MS);
    this.#receiver?.stop();
    // With a DISCONNECT the broker keeps our will to itself.
    await this.#link.disconnect();
    const closed = this.close().then(() => true);
    const inTime = await Promise.race([closed, pause(CLOSE_MS, new AbortController().signal).then(() => false)]);
    this.#parts.logger.info({ counts: this.#counts, in_time: inTime }, "acker stopped");
  }

  #onDatabaseReturn(): void {
    this.#parts.logger.info({}, "PostgreSQL answers");
    this.#receiver?.databaseReturned();
  }

  #onTrouble(area: string, failure: DbFailure): void {
    // `rejected` is an answer: the server is there, its state is wrong (disk full, schema missing).
    if (failure.kind === "unavailable") this.#database.noteTrouble(failure);
    this.#troubles.note(area, failure);
  }

  #makeDesk(): HandlerDesk | null {
    const handler = this.#handler;
    if (handler.mode === "row") return null;
    const { now } = this.#parts;
    const routes = routesOf(handler);
    return createHandlerDesk({
      pool: clearingPool(this.#pool, this.#troubles, "handlers"),
      slots: this.#slots,
      shapes: this.#shapes,
      acks: this.#acks,
      runner: createRoutedRunner(routes, now),
      transactionMs: HANDLER_TIMEOUT_MS,
      now,
      leaseMs: this.#parts.leaseMs,
      capacity: this.#parts.config.ACKTOR_QUEUE,
      onTrouble: (failure) => this.#onTrouble("handlers", failure),
      counts: this.#counts,
      deliveries: this.#control.plane.station.deliveries,
      tracing: this.#parts.tracing,
    });
  }

  #makeControl(): AckerControl {
    const { config, instance, logger, now, wallClock, random, bus } = this.#parts;
    return new AckerControl({
      config,
      instance,
      pool: this.#pool,
      logger,
      now,
      wallClock,
      random,
      sharedBus: bus,
      link: () => this.#link,
      supervisor: () => this.#supervisor,
      summary: () => summaryOf(this.#view()),
    });
  }

  #handlers(): Handlers | null {
    const handler = this.#handler;
    if (handler.mode === "row" || this.#desk === null) return null;
    return { desk: this.#desk, shapes: this.#shapes, effectOf: effectOfRoutes(routesOf(handler)) };
  }

  #makePipeline(): Pipeline {
    const { config, instance, logger, now, random } = this.#parts;
    return createPipeline({
      pool: clearingPool(this.#pool, this.#troubles, "inbox"),
      acks: this.#acks,
      handlers: this.#handlers(),
      verify: {
        ackPrefix: config.ACKTOR_ACK_PREFIX,
        presencePrefix: config.ACKTOR_PRESENCE_PREFIX,
        trust: this.#envelopeTrust(),
      },
      owner: `${instance}/${randomBytes(6).toString("hex")}`,
      leaseMs: this.#parts.leaseMs,
      capacity: config.ACKTOR_QUEUE,
      release: (held) => this.#intake.release(held),
      deliveries: this.#control.plane.station.deliveries,
      tracing: this.#parts.tracing,
      onTrouble: (failure) => this.#onTrouble("inbox", failure),
      counts: this.#counts,
      throttle: this.#throttle,
      guard: this.#guard,
      logger,
      now,
      random,
    });
  }

  #envelopeTrust(): EnvelopeTrust | null {
    const { config, logger, now } = this.#parts;
    const acceptsUnsigned = config.ACKTOR_ACK_SIGNATURES.includes("1");
    const trust = EnvelopeTrust.of({
      secrets: [config.ACKTOR_ACK_SECRET, config.ACKTOR_ACK_SECRET_OLD],
      publicKeys: config.ACKTOR_ENVELOPE_PUBLIC_KEYS ?? [],
      acceptsUnsigned,
      now,
    });
    if (trust !== null && acceptsUnsigned) logger.warn({}, VERSION_1_WARNING);
    return trust;
  }

  #makeHttp(): FastifyInstance {
    const { config, logger } = this.#parts;
    const view = this.#view();
    const registry = createMetrics({
      counts: this.#counts,
      queue: () => this.#intake.size(),
      queueBytes: () => this.#intake.bytes(),
      acksWaiting: () => this.#acks.waiting(),
      handling: view.handling,
      stuck: () => this.#desk?.sizes().stuck ?? 0,
      service: "acker",
      version: VERSION,
      link: this.#link,
      pool: this.#pool,
      database: this.#database,
      bus: this.#control.plane.bus,
      control: this.#control,
      troubles: this.#troubles,
      guard: this.#guard,
    });
    const token = config.ACKTOR_API_TOKEN;
    const http = createHttp({
      service: "acker",
      version: VERSION,
      token,
      allowedHosts: allowedHosts(config),
      requestsPerSecond: requestsPerSecond(config.HTTP_HOST, config.ACKTOR_RATE_LIMIT),
      logger,
      registry,
      health: { readiness: () => readinessOf(view) },
      docs: ACKER_DOCS,
    });
    addRoutes(http, {
      status: () => statusOf(view),
      machines: (recent) => this.#control.machines(actorsOf(view), recent),
    });
    return http;
  }

  #view(): ViewSource {
    const { config, instance } = this.#parts;
    return {
      instance,
      handler: this.#handler.name,
      topics: config.ACKTOR_TOPICS,
      group: config.ACKTOR_GROUP,
      link: this.#link,
      counts: this.#counts,
      database: this.#database,
      troubles: this.#troubles,
      intake: this.#intake,
      pipeline: this.#pipeline,
      acks: this.#acks,
      handling: () => this.#desk?.sizes().handling ?? 0,
      receiver: () => this.#receiver?.state() ?? "STOPPED",
      supervisor: () => this.#supervisor,
    };
  }
}
