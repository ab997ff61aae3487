/**
 * The publisher's parts, put together. It needs an `Outbox`, a `Link`, a clock and chance, and neither PostgreSQL nor NATS nor
 * HTTP: the service gives it the real ones (app.ts), a simulation simulated ones.
 *
 * Parts that need each other share an object that is made first: the `InFlightBook` (dispatcher and settler), the `Doorbell`
 * (every part that makes rows due, and the dispatcher), the `WaitingLevel` (intake and janitor).
 *
 * Rows are claimed and published only between the start of the roles and `drain`. After `drain` no row is leased to this
 * process, every accepted request is answered, and no work is under way.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { IncomingMessage, Link } from "@acktor/shared/link/link";
import { AckPrefixes } from "@acktor/shared/protocol/ack-prefixes";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { Lifecycle } from "@acktor/shared/runtime/lifecycle";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { Greeter } from "./control/greeter.ts";
import { HeardDevices } from "./control/heard-devices.ts";
import { PresenceWatch } from "./control/presence-watch.ts";
import { Resumer } from "./control/resumer.ts";
import { LineBounds } from "./dispatch/ack-timeout.ts";
import { DeliveryPolicy } from "./dispatch/delivery-policy.ts";
import { Destinations } from "./dispatch/destinations.ts";
import { type DispatcherWatch, DispatchRole } from "./dispatch/dispatch-role.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { Doorbell } from "./dispatch/doorbell.ts";
import { EnvelopeSeal } from "./dispatch/envelope-seal.ts";
import { InFlightBook } from "./dispatch/in-flight-book.ts";
import { OutboxWriter } from "./dispatch/outbox-writer.ts";
import { RetryDelay } from "./dispatch/retry-delay.ts";
import { ackTrust, envelopeSigner } from "./envelope-keys.ts";
import { Intake } from "./intake/intake.ts";
import { HealthCheck } from "./janitor/health-check.ts";
import { Janitor } from "./janitor/janitor.ts";
import type { RoleWatch } from "./janitor/periodic-role.ts";
import { Prober } from "./janitor/prober.ts";
import { Counter, Expiry, ReplicaCount, Retention, Tally } from "./janitor/sweeps.ts";
import { WaitingLevel } from "./janitor/waiting-level.ts";
import type { FailedMessages, Outbox } from "./outbox/outbox.ts";
import type { OutboxIdentity } from "./outbox/outbox-identity.ts";
import { AckWriter, type Settlements } from "./settle/ack-writer.ts";
import { AckAuthenticator } from "./settle/authenticate-acks.ts";
import { Settler } from "./settle/settler.ts";

/** How long a stop waits for PUBACKs of what is in flight: a round trip of a slow line, within what a stop may take. */
const LAST_PUBACKS_MS = 500;
const MOST_LAST_PUBACKS_MS = 2_000;
const LOOK_EVERY_MS = 10;

export interface PublisherParts {
  readonly config: PublisherSettings;
  readonly outbox: Outbox;
  readonly link: Link;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly troubles: TroubleDesk;
  /** Whether PostgreSQL takes writes. */
  readonly database: DatabaseHealth;
  readonly tracing: Tracing;
  /** Catches what listeners throw at what strangers send. */
  readonly guard: ListenerGuard;
  /** Null: always the built-in behaviour. */
  readonly policy: ErrorPolicy | null;
  readonly identity: OutboxIdentity;
  /** Ready once the schema is there. */
  readonly schema: { readonly isReady: boolean };
  readonly failedMessages: FailedMessages;
  readonly settlements: Settlements;
  /** Steps of messages, for viewers. */
  readonly deliveries: DeliveryNotes;
  /** Receives the machines as they start, for viewers. */
  readonly watch: DispatcherWatch & RoleWatch;
}

export class Publisher {
  readonly level: WaitingLevel;
  readonly doorbell = new Doorbell();
  readonly dispatcher: Dispatcher;
  readonly dispatch: DispatchRole;
  readonly settler: Settler;
  readonly intake: Intake;
  readonly janitor: Janitor;
  readonly presence: PresenceWatch;
  readonly heard: HeardDevices;
  readonly #parts: PublisherParts;
  readonly #lifecycle = new Lifecycle();
  readonly #writer: OutboxWriter;
  readonly #ackWriter: AckWriter;
  readonly #resumer: Resumer;
  readonly #greeter: Greeter;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    const { config, link, clock, logger, policy, random, guard, identity } = parts;
    const { doorbell } = this;
    this.level = new WaitingLevel(config.ACKTOR_HIGH_WATER);
    const destinations = new Destinations(config.ACKTOR_DESTINATION_LEVELS);
    const book = new InFlightBook(destinations);
    const shared = {
      ...{ ...parts, doorbell, destinations, book, ackPrefix: config.ACKTOR_ACK_PREFIX, leaseMs: config.ACKTOR_LEASE },
      policy: new DeliveryPolicy(policy, clock),
      retryDelay: new RetryDelay({ baseMs: config.ACKTOR_RETRY_BASE, capMs: config.ACKTOR_RETRY_CAP }, random),
    };
    this.#writer = new OutboxWriter(shared);
    this.#ackWriter = new AckWriter(shared);
    this.dispatcher = new Dispatcher({
      ...{ ...shared, writes: this.#writer, brokerAcks: this.#ackWriter, window: config.ACKTOR_WINDOW },
      ackPrefixes: new AckPrefixes(config.ACKTOR_ACK_PREFIX, config.ACKTOR_ACK_TOPIC_FOR ?? []),
      seal: new EnvelopeSeal(envelopeSigner(config), identity),
      publishDeadlineMs: config.ACKTOR_PUBLISH_DEADLINE,
      ackTimeout: new LineBounds({ minMs: config.ACKTOR_ACK_TIMEOUT_MIN, maxMs: config.ACKTOR_ACK_TIMEOUT_MAX }, link),
    });
    const { dispatcher } = this;
    this.#ackWriter.heardBy(dispatcher.health);
    this.dispatch = new DispatchRole({ ...shared, dispatcher, pollMs: config.ACKTOR_POLL });
    const authenticator = new AckAuthenticator(ackTrust(config, logger), identity, clock);
    this.settler = new Settler({ ...shared, writer: this.#ackWriter, answers: dispatcher, authenticator });
    this.intake = new Intake({ ...shared, places: dispatcher, level: this.level });
    this.janitor = this.#makeJanitor();
    this.#resumer = new Resumer({ ...shared, memory: dispatcher.health });
    const levels = config.ACKTOR_DESTINATION_LEVELS;
    this.#greeter = new Greeter({ dispatcher, levels, next: this.#resumer, logger, guard, clock });
    const prefix = config.ACKTOR_PRESENCE_PREFIX;
    this.presence = new PresenceWatch({ prefix, births: this.#greeter, clock, logger, guard });
    const sources = config.ACKTOR_PRESENCE_FROM ?? [];
    this.heard = new HeardDevices({ sources, births: this.#greeter, clock });
    link.subscribe({ filter: `${config.ACKTOR_ACK_PREFIX}/+`, qos: 1, ignoresRetained: true });
    // A broker that refuses it stops nothing else: parked messages wait for their next retry.
    if (config.ACKTOR_PRESENCE === "on") link.subscribe({ filter: `${prefix}/+`, qos: 1, need: "optional" });
    for (const filter of this.heard.filters) link.subscribe({ filter, qos: 0, need: "optional" });
    link.on("link.connected", () => this.presence.connected());
    link.on(
      "link.message",
      guard.wrap("link.message", (message: IncomingMessage) => this.#receive(message)),
    );
  }

  /** What the supervisor runs, and starts again should one break. */
  roles(): Record<string, Role> {
    const roles: Record<string, Role> = { dispatcher: this.dispatch };
    for (const role of this.janitor.roles) roles[role.name] = role;
    return roles;
  }

  /** Stops cleanly; bounded by the deadlines of its statements. */
  drain(): Promise<void> {
    return this.#lifecycle.stop(() => this.#drain());
  }

  async #drain(): Promise<void> {
    const { link, outbox, troubles } = this.#parts;
    await this.intake.drain();
    this.presence.stop();
    this.#greeter.stop();
    await Promise.all([this.dispatch.stop(), this.janitor.stop(), this.#resumer.stop()]);
    await this.#lastPubacks();
    this.dispatcher.flushRecords();
    await link.stop();
    await this.#ackWriter.drain();
    await this.#writer.drain();
    troubles.report("release", await outbox.releaseAll());
  }

  async #lastPubacks(): Promise<void> {
    const { link, clock } = this.#parts;
    const patienceMs = Math.max(LAST_PUBACKS_MS, link.pace().expectedMs);
    const until = clock.now() + Math.min(MOST_LAST_PUBACKS_MS, patienceMs);
    const never = new AbortController().signal;
    while (link.info().inFlight > 0 && clock.now() < until) await pause(LOOK_EVERY_MS, never);
  }

  #receive(message: IncomingMessage): void {
    if (this.presence.handles(message.topic)) this.presence.receive(message);
    else if (this.heard.receive(message)) return;
    else this.settler.receive(message);
  }

  #makeJanitor(): Janitor {
    const { config, outbox, link, clock, database, logger, troubles, watch } = this.#parts;
    const { dispatcher, doorbell, level } = this;
    const works = [
      new Expiry(outbox, logger),
      new Counter(outbox, level, database),
      new Prober({
        ...{ outbox, dispatcher, destinations: dispatcher.health, gate: this.dispatch, doorbell, clock },
        leaseMs: config.ACKTOR_LEASE,
      }),
      new Retention(outbox, logger),
      new Tally(outbox),
      new ReplicaCount(outbox, dispatcher.health),
      new HealthCheck({ level, link, logger, clock, oldWaitingMs: config.ACKTOR_OLD_WAITING }),
    ];
    return new Janitor(works, troubles, watch);
  }
}
