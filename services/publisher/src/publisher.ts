/**
 * The publisher's parts, wired. Each part knows its step; here they are given to each other.
 *
 * Invariants:
 *  1. Rows are claimed and published only between `start` and `drain`.
 *  2. After `drain` no row is leased to this process, every accepted request is answered, nothing is under way.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { IncomingMessage, Link } from "@acktor/shared/link/link";
import { AckTrust, VERSION_1_WARNING } from "@acktor/shared/protocol/ack-proof";
import { EnvelopeSigner } from "@acktor/shared/protocol/envelope-proof";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { AnyActor } from "xstate";
import { Greeter } from "./control/greeter.ts";
import { PresenceWatch } from "./control/presence-watch.ts";
import { Resumer } from "./control/resumer.ts";
import { Claimer } from "./dispatch/claimer.ts";
import { DispatchRole } from "./dispatch/dispatch-role.ts";
import type { DispatcherSink } from "./dispatch/dispatcher.ts";
import { EnvelopeSeal } from "./dispatch/envelope-seal.ts";
import type { InFlight } from "./dispatch/in-flight.ts";
import { OutboxWriter } from "./dispatch/outbox-writer.ts";
import { retryDelayMs } from "./dispatch/retry-delay.ts";
import { GuardedOutbox } from "./guarded-outbox.ts";
import { Intake } from "./intake/intake.ts";
import { Janitor } from "./janitor/janitor.ts";
import type { Metrics } from "./metrics.ts";
import { BadRowShelf } from "./outbox/bad-rows.ts";
import { leaseThese, listDue } from "./outbox/claim-apart.ts";
import { claimDue } from "./outbox/claim-due.ts";
import { type InsertResult, insertMessages } from "./outbox/insert-messages.ts";
import { DuePages } from "./outbox/list-due-pages.ts";
import type { InsertOptions, NewMessage } from "./outbox/outbox.ts";
import type { OutboxIdentity } from "./outbox/outbox-identity.ts";
import { releaseInstance } from "./outbox/release-leases.ts";
import { releaseParked, resumeWaiting } from "./outbox/resume-matching.ts";
import { setAside } from "./outbox/set-aside.ts";
import { supersedeAround } from "./outbox/supersede-retained.ts";
import { freeReleased } from "./outbox/unpark-destinations.ts";
import { AckAuthenticator } from "./settle/authenticate-acks.ts";
import { Settler } from "./settle/settler.ts";

/** How long a stop waits for PUBACKs of what is in flight. */
const LAST_PUBACKS_MS = 500;
/** Rows resumed by a birth come due spread over this. */
const SMEAR_MS = 2_000;
/** What others make us say is said once in this time: a birth (so many of its filters at most), a message that failed. */
const SAID_ONCE_IN_MS = 1_000;
const BIRTH_FILTERS = 20;

export interface PublisherParts {
  /** Null: always the built-in behaviour. */
  readonly policy: ErrorPolicy | null;
  readonly config: PublisherSettings;
  readonly instance: string;
  /** Name of this run of the process, under which it leases rows. */
  readonly owner: string;
  readonly outbox: OutboxIdentity;
  readonly pool: Pool;
  readonly link: Link;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  /** What fails is reported here. */
  readonly troubles: TroubleDesk;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly random: () => number;
  /** True once the schema is there. */
  readonly prepared: () => boolean;
  /** Catches what listeners throw at what strangers send. */
  readonly guard: ListenerGuard;
  /** Who takes what viewers see: actors as they start, and steps of messages while somebody looks. */
  readonly control: Watching;
}

/** The part of `PublisherControl` that is needed here. */
interface Watching {
  readonly plane: { readonly station: { readonly deliveries: DeliveryNotes } };
  followDispatcher(actor: AnyActor): void;
  followRole(name: string, actor: AnyActor): void;
}

export class Publisher {
  readonly intake: Intake;
  readonly dispatch: DispatchRole;
  readonly settler: Settler;
  readonly presence: PresenceWatch;
  readonly janitor: Janitor;
  readonly #parts: PublisherParts;
  readonly #outbox: GuardedOutbox;
  readonly #shelf: BadRowShelf;
  readonly #writer: OutboxWriter;
  readonly #throttle: LogThrottle;
  readonly #resumer: Resumer;
  readonly #greeter: Greeter;
  #drained: Promise<void> | null = null;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#throttle = new LogThrottle(parts, SAID_ONCE_IN_MS);
    const { pool, owner, troubles } = parts;
    const onSetAside = (messageId: string, reason: string): void => this.#sayFailed(messageId, reason);
    this.#outbox = new GuardedOutbox({ pool, owner, troubles, onSetAside });
    this.#shelf = new BadRowShelf({
      troubles,
      now: parts.now,
      setAside: (rows) => setAside(pool, rows),
      onSetAside: ({ messageId, reason }) => onSetAside(messageId, reason),
    });
    this.#writer = new OutboxWriter(this.#outbox, parts.logger, (entries, fenced) =>
      this.dispatch.dispatcher.recorded(entries, fenced),
    );
    this.dispatch = this.#makeDispatch();
    this.settler = this.#makeSettler();
    this.janitor = this.#makeJanitor();
    this.intake = this.#makeIntake();
    this.#resumer = this.#makeResumer();
    this.#greeter = this.#makeGreeter();
    this.presence = new PresenceWatch({
      prefix: parts.config.ACKTOR_PRESENCE_PREFIX,
      now: parts.now,
      wallClockSeconds: () => parts.wallClock() / 1_000,
      births: this.#greeter,
      logger: parts.logger,
      guard: parts.guard,
    });
    parts.link.subscribe({ filter: `${parts.config.ACKTOR_ACK_PREFIX}/+`, qos: 1 });
    parts.link.subscribe({ filter: `${parts.config.ACKTOR_PRESENCE_PREFIX}/+`, qos: 1 });
    parts.link.on(
      "link.message",
      parts.guard.wrap("link.message", (message: IncomingMessage) => this.#onMessage(message)),
    );
    parts.metrics.watch({
      intake: this.intake,
      dispatcher: this.dispatch.dispatcher,
      settler: this.settler,
      presence: this.presence,
      waiting: () => this.janitor.waiting,
      oldestWaitingMs: () => this.janitor.oldestWaitingMs,
      highWater: parts.config.ACKTOR_HIGH_WATER,
    });
  }

  /** What the supervisor runs, and starts again should one break. */
  roles(): Record<string, Role> {
    const roles: Record<string, Role> = { dispatcher: this.dispatch };
    for (const role of this.janitor.roles) roles[role.name] = role;
    return roles;
  }

  /** Ends cleanly; bounded by the deadlines of its statements. Twice and early is fine. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    const { link, pool, owner, troubles } = this.#parts;
    await this.intake.drain();
    this.presence.stop();
    this.#greeter.stop();
    await Promise.all([this.dispatch.stop(), this.janitor.stop(), this.#resumer.stop()]);
    await this.#lastPubacks();
    this.dispatch.dispatcher.flushRecords();
    await link.stop();
    await this.settler.drain();
    await this.#writer.drain();
    troubles.report("release", await releaseInstance(pool, owner));
  }

  async #lastPubacks(): Promise<void> {
    const until = this.#parts.now() + LAST_PUBACKS_MS;
    const never = new AbortController().signal;
    while (this.#parts.link.info().inFlight > 0 && this.#parts.now() < until) await pause(10, never);
  }

  #onMessage(message: IncomingMessage): void {
    if (this.presence.handles(message.topic)) this.presence.receive(message);
    else this.settler.receive(message);
  }

  #makeResumer(): Resumer {
    const { pool, logger, now, troubles } = this.#parts;
    return new Resumer({
      outbox: {
        releaseParked: async (after, birth) => troubles.report("resume", await releaseParked(pool, after, birth)),
        freeReleased: async () => troubles.report("resume", await freeReleased(pool, SMEAR_MS)),
        resumeWaiting: async (after, birth, moved) =>
          troubles.report("resume", await resumeWaiting(pool, after, birth, { moved, smearMs: SMEAR_MS })),
      },
      parked: this.dispatch.dispatcher,
      resumed: () => this.dispatch.wake(),
      logger,
      now,
    });
  }

  #makeGreeter(): Greeter {
    const { config, guard, now } = this.#parts;
    return new Greeter({
      dispatcher: this.dispatch.dispatcher,
      levels: config.ACKTOR_DESTINATION_LEVELS,
      next: this.#resumer,
      report: { greeted: (filters, resumed) => this.#sayBorn(filters, resumed) },
      guard,
      now,
    });
  }

  #sayBorn(filters: readonly string[], resumed: readonly string[]): void {
    // Any client that may publish presence could fill the log otherwise.
    const unsaid = this.#throttle.admit("birth");
    if (unsaid === null) return;
    const some = filters.slice(0, BIRTH_FILTERS).map((filter) => printable(filter));
    this.#parts.logger.info(
      { filters: some, resumed_destinations: resumed.length, unsaid },
      "an acker announced itself; waiting messages are resumed",
    );
  }

  async #insert(messages: readonly NewMessage[], options: InsertOptions): Promise<InsertResult> {
    const { pool, troubles } = this.#parts;
    const result = await insertMessages(pool, messages, options);
    if (result.ok) troubles.clear("intake");
    // Its callers are answered with the failure, so nothing is tried again here.
    else if ("failure" in result) troubles.gaveUp("intake", result.failure);
    return result;
  }

  #sayFailed(messageId: string, reason: string): void {
    const unsaid = this.#throttle.admit(`failed ${reason}`);
    if (unsaid === null) return;
    this.#parts.logger.warn({ message_id: messageId, reason, unsaid }, "a message cannot be delivered; it ends failed");
  }

  #makeClaimer(): Claimer {
    const { pool, troubles } = this.#parts;
    const pages = new DuePages(pool);
    return new Claimer({
      troubles,
      shelf: this.#shelf,
      verbs: {
        claimDue: (options) => claimDue(pool, options),
        listDue: (options, passedOver) => listDue(pool, options, passedOver),
        leaseThese: (messageIds, options) => leaseThese(pool, messageIds, options),
        listDuePages: (options, passedOver) => pages.list(options, passedOver),
      },
    });
  }

  #makeDispatch(): DispatchRole {
    const { config, pool, link, owner, now, random, troubles, logger } = this.#parts;
    const writer = this.#writer;
    const claimer = this.#makeClaimer();
    const sink: Omit<DispatcherSink, "low"> = {
      recordAttempts: (records, entries) => writer.recordAttempts(records, entries),
      brokerAcked: (entry) => this.settler.brokerAcked(entry),
      fail: (message, reason) => {
        this.#sayFailed(message.messageId, reason);
        writer.fail(message, reason);
      },
      release: (messages, dueInMs) => writer.release(messages, dueInMs),
      park: (destination, messages) => writer.park(destination, messages),
      answered: (destination, wasParked) => {
        if (wasParked) writer.unpark(destination);
      },
    };
    return new DispatchRole({
      link,
      now,
      random,
      sink,
      ackPrefix: config.ACKTOR_ACK_PREFIX,
      seal: new EnvelopeSeal(
        EnvelopeSigner.of({ privateKey: config.ACKTOR_ENVELOPE_PRIVATE_KEY, secret: config.ACKTOR_ACK_SECRET }),
        this.#parts.outbox,
      ),
      window: config.ACKTOR_WINDOW,
      destinationLevels: config.ACKTOR_DESTINATION_LEVELS,
      publishDeadlineMs: config.ACKTOR_PUBLISH_DEADLINE,
      ackTimeout: { minMs: config.ACKTOR_ACK_TIMEOUT_MIN, maxMs: config.ACKTOR_ACK_TIMEOUT_MAX },
      retry: { baseMs: config.ACKTOR_RETRY_BASE, capMs: config.ACKTOR_RETRY_CAP },
      policy: this.#parts.policy,
      wallClock: this.#parts.wallClock,
      pollMs: config.ACKTOR_POLL,
      leaseMs: config.ACKTOR_LEASE,
      instance: owner,
      claim: (options) => claimer.claim(options),
      supersede: async (from) => troubles.report("supersede", await supersedeAround(pool, this.#shelf, from)),
      onThrow: (error) => {
        logger.error({ err: error }, "the dispatcher met a fault of its own");
        troubles.gaveUp("dispatcher", failureOf(error));
      },
      deliveries: this.#parts.control.plane.station.deliveries,
      tracing: this.#parts.tracing,
      onActor: (actor) => this.#parts.control.followDispatcher(actor),
    });
  }

  #makeSettler(): Settler {
    const { config, logger, metrics, now, random } = this.#parts;
    const retry = { baseMs: config.ACKTOR_RETRY_BASE, capMs: config.ACKTOR_RETRY_CAP };
    return new Settler({
      verbs: this.#outbox,
      logger,
      now,
      guard: this.#parts.guard,
      ackPrefix: config.ACKTOR_ACK_PREFIX,
      authenticator: new AckAuthenticator(this.#ackTrust(), this.#parts.outbox, now),
      inFlight: (id) => this.dispatch.dispatcher.inFlight(id),
      onAnswer: (entry: InFlight) => this.dispatch.dispatcher.answered(entry),
      retryInMs: (retries) => retryDelayMs(retry, 0, retries, random),
      policy: this.#parts.policy,
      wallClock: this.#parts.wallClock,
      onPause: (entry) => this.dispatch.dispatcher.pause(entry),
      onWorking: (entry, forMs) => this.dispatch.dispatcher.working(entry, forMs),
      onSettled: (rows) => metrics.settled(rows),
      onLaneFreed: () => this.dispatch.wake(),
      deliveries: this.#parts.control.plane.station.deliveries,
      tracing: this.#parts.tracing,
    });
  }

  #ackTrust(): AckTrust | null {
    const { config, logger } = this.#parts;
    const trust = AckTrust.of({
      secrets: [config.ACKTOR_ACK_SECRET, config.ACKTOR_ACK_SECRET_OLD],
      publicKeys: config.ACKTOR_ACK_PUBLIC_KEYS ?? [],
      versions: config.ACKTOR_ACK_SIGNATURES,
    });
    if (trust !== null && config.ACKTOR_ACK_SIGNATURES.includes("1")) logger.warn({}, VERSION_1_WARNING);
    return trust;
  }

  #makeJanitor(): Janitor {
    const { config, pool, link, logger, owner, now, troubles } = this.#parts;
    return new Janitor({
      pool,
      troubles,
      shelf: this.#shelf,
      link,
      logger,
      owner,
      now,
      leaseMs: config.ACKTOR_LEASE,
      retentionMs: config.ACKTOR_RETENTION,
      oldWaitingMs: config.ACKTOR_OLD_WAITING,
      highWater: config.ACKTOR_HIGH_WATER,
      accepted: () => this.intake.accepted,
      probing: () => this.dispatch.open,
      smearMs: SMEAR_MS,
      dispatcher: this.dispatch.dispatcher,
      freed: () => this.dispatch.wake(),
      onActor: (role, actor) => this.#parts.control.followRole(role, actor),
    });
  }

  #makeIntake(): Intake {
    const { config, owner, now, prepared, troubles, logger } = this.#parts;
    const { dispatcher } = this.dispatch;
    const options = {
      instance: owner,
      leaseMs: config.ACKTOR_LEASE,
      idempotencyWindowMs: config.ACKTOR_IDEMPOTENCY_WINDOW,
    };
    return new Intake({
      clock: { now },
      leaseMs: config.ACKTOR_LEASE,
      outbox: { insert: (messages, deadlineMs) => this.#insert(messages, { ...options, deadlineMs }) },
      places: dispatcher,
      doorbell: { ring: () => this.dispatch.wake(true) },
      schema: {
        get isReady() {
          return prepared();
        },
      },
      level: this.janitor,
      troubles,
      logger,
      deliveries: this.#parts.control.plane.station.deliveries,
      tracing: this.#parts.tracing,
    });
  }
}
