/**
 * One connection to the broker, from CONNECT to the closed socket. It reads PUBLISH and PUBACK and writes PUBLISH, PUBACK
 * and PUBREL itself; the driver (driver.ts) keeps the control packets.
 *
 * Invariants:
 *  TRANSPORT-1. `ended` is called at most once, and never after `close`; `ready` only after SUBACK of every subscription that is
 *               not optional.
 *  TRANSPORT-2. Every accepted publish is settled before `ended` is called, or before `close` returns.
 *  TRANSPORT-3. A message that arrives is passed on immediately and its PUBACK sent: the driver handles messages strictly
 *               one by one.
 *  TRANSPORT-4. After `closed` there is no socket and no timer.
 *
 * What was tried (mosquitto 2.0.11, MQTT 5 / 3.1.1, 500 bytes, QoS 1, CPU µs of this process per message; two cores that
 * other processes use too, so compare the rows with each other):
 *
 *   out   the driver's `publish`                                                        52-61 / 32-41
 *         the same with a store that does nothing, no ping timers, one cork a turn          33 / 19
 *         our own bytes in one piece a turn, acks read by the driver                        11 / 11
 *   in    the driver's `message`                                                        20-28 / 17-24
 *         our own PUBACK, read by the driver                                                23 / 16
 *         our own reading, PUBACKs one by one                                            15-18 / 14-16
 *         our own reading, PUBACKs within 1 ms                    fewer writes: 7 µs each, when they come one by one
 *         the same, the socket paused for 1 ms between two readings       14-16 / 14, and 34 out: slower; not taken
 */
import { brokerLimits, type ConnackProperties } from "./broker-limits.ts";
import { decodePuback, decodePublish } from "./decode-publish.ts";
import { Driver, type DriverListener } from "./driver.ts";
import { MAX_INCOMING_BYTES } from "./driver-options.ts";
import type { FailureInput } from "./failure-input.ts";
import { type FrameReceiver, FrameSplitter } from "./frame-splitter.ts";
import { Liveness } from "./liveness.ts";
import type { BrokerLimits, IncomingMessage, OutgoingPublish, PublishOutcome, Subscription } from "./messages.ts";
import type { OnOutcome, OutstandingPublish } from "./outstanding.ts";
import { type PipeOwner, PublishPipe } from "./publish-pipe.ts";
import { Deadlines } from "./round-trip.ts";
import { Subscriber, type SubscriberOwner } from "./subscriber.ts";
import type { Transport, TransportListener, TransportOptions, Transports, UnsentReason } from "./transport.ts";

const SWEEP_MS = 100;
/** The broker has this long to close after DISCONNECT, and longer on a slow line. */
const GOODBYE_MS = 500;
const LONGEST_GOODBYE_MS = 3_000;
/** PUBACKs wait this long for more of them: a write costs more than everything else about one. */
const PUBACK_LINGER_MS = 1;

const PUBLISH = 3;
const PUBACK = 4;

/** Connections to a real broker. */
export const MQTT: Transports = {
  open(options, listener) {
    return new MqttTransport(options, listener);
  },
};

/** The methods of `Transport` are the link's; the others are called by its own parts: driver, frame splitter and pipe. */
class MqttTransport implements Transport, DriverListener, FrameReceiver, PipeOwner, SubscriberOwner {
  readonly #options: TransportOptions;
  readonly #listener: TransportListener;
  readonly #driver: Driver;
  readonly #pipe: PublishPipe;
  readonly #splitter: FrameSplitter;
  readonly #deadlines: Deadlines;
  readonly #liveness: Liveness;
  readonly #sweep: NodeJS.Timeout;
  readonly #subscriber: Subscriber;
  #turn: NodeJS.Immediate | null = null;
  #linger: NodeJS.Timeout | null = null;
  #look: NodeJS.Immediate | null = null;
  #goodbye: NodeJS.Timeout | null = null;
  #openingAt: number;
  /** When the socket was open: CONNACK is due. A WebSocket does not report it. */
  #openedAt: number | null = null;
  /** Null until CONNACK. */
  #limits: BrokerLimits | null = null;
  #isReady = false;
  #isOver = false;

  constructor(options: TransportOptions, listener: TransportListener) {
    this.#options = options;
    this.#listener = listener;
    const { roundTrip, clock, address } = options;
    this.#deadlines = new Deadlines(options, roundTrip);
    this.#openingAt = clock.now();
    if (address.protocol === "ws" || address.protocol === "wss") this.#openedAt = this.#openingAt;
    this.#liveness = new Liveness(this.#deadlines, options.keepaliveSeconds * 1_000, this.#openingAt);
    this.#pipe = new PublishPipe({ ...options, deadlines: this.#deadlines }, this);
    this.#subscriber = new Subscriber(options, this);
    this.#splitter = new FrameSplitter(MAX_INCOMING_BYTES, this);
    this.#driver = new Driver(options, this.#pipe.ids, this);
    this.#sweep = setInterval(() => this.#scheduleLook(), SWEEP_MS);
  }

  get closed(): Promise<void> {
    return this.#driver.closed;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get inFlight(): number {
    return this.#pipe.inFlight;
  }

  get activeAt(): number {
    return this.#liveness.activeAt;
  }

  capacity(): number {
    return this.#isReady ? this.#pipe.capacity() : 0;
  }

  publish(message: OutgoingPublish, tag: number, onOutcome: OnOutcome): UnsentReason | null {
    return this.#isReady ? this.#pipe.publish(message, tag, onOutcome) : "not_connected";
  }

  subscribe(subscriptions: readonly Subscription[]): void {
    if (this.#limits !== null && !this.#isOver) this.#subscriber.subscribe(subscriptions);
  }

  unsubscribe(filter: string): void {
    this.#subscriber.forget(filter);
    if (this.#limits !== null && !this.#isOver) this.#driver.unsubscribe(filter);
  }

  close(): Promise<void> {
    if (!this.#isOver) {
      this.#settleAll(null);
      if (this.#driver.isConnected) {
        this.#driver.sayGoodbye();
        const patienceMs = Math.max(GOODBYE_MS, 2 * this.#options.roundTrip.smoothedMs);
        this.#goodbye = setTimeout(() => this.#driver.destroy(), Math.min(LONGEST_GOODBYE_MS, patienceMs));
      } else this.#driver.destroy();
    }
    return this.closed;
  }

  // DriverListener

  socketOpened(): void {
    this.#openedAt = this.#options.clock.now();
  }

  bytesReceived(chunk: Buffer): void {
    this.#liveness.received(this.#options.clock.now());
    this.#splitter.push(chunk);
  }

  connackReceived(properties: ConnackProperties | undefined): void {
    if (this.#isOver) return;
    const { protocolVersion, sharedSubscriptionsOn311, wanted, roundTrip, clock } = this.#options;
    roundTrip.connected(clock.now() - (this.#openedAt ?? this.#openingAt));
    this.#limits = brokerLimits(protocolVersion, properties, sharedSubscriptionsOn311);
    const serverKeepAlive = properties?.serverKeepAlive ?? 0;
    if (serverKeepAlive > 0) this.#liveness.setKeepalive(serverKeepAlive * 1_000);
    this.subscribe([...wanted.values()]);
    this.#checkReady();
  }

  subackReceived(request: readonly Subscription[], codes: ReadonlyMap<string, number>, said: string | undefined): void {
    if (this.#isOver) return;
    const askedAt = this.#subscriber.askedAt(request);
    if (askedAt !== null) this.#options.roundTrip.sample(this.#options.clock.now() - askedAt);
    this.#subscriber.answered(request, codes, said);
    this.#checkReady();
  }

  pingrespReceived(): void {
    const { clock, roundTrip } = this.#options;
    const ms = this.#liveness.pingAnswered(clock.now());
    if (ms !== null) roundTrip.sample(ms);
  }

  pubrecReceived(packetId: number, reasonCode: number, said: string | undefined): void {
    if (!this.#isOver) this.#pipe.received(packetId, reasonCode, said);
  }

  pubcompReceived(packetId: number, reasonCode: number, said: string | undefined): void {
    if (!this.#isOver) this.#pipe.answered(packetId, 2, reasonCode, said);
  }

  message(message: IncomingMessage): void {
    if (!this.#isOver) this.#listener.message(message);
  }

  drained(): void {
    this.flushThisTurn();
  }

  /** Ends the connection. */
  failed(input: FailureInput): void {
    if (this.#isOver) return;
    this.#settleAll(input);
    this.#driver.destroy();
    this.#listener.ended(input, this.#subscriber.optionalAsked);
  }

  socketClosed(): void {
    this.failed({ kind: "closed", beforeConnack: this.#limits === null });
    if (this.#goodbye !== null) clearTimeout(this.#goodbye); // TRANSPORT-4
  }

  // SubscriberOwner

  sendSubscribe(request: readonly Subscription[]): void {
    this.#driver.subscribe(request);
  }

  refused(subscription: Subscription, code: number | null, said?: string): void {
    if (!this.#isOver) this.#listener.refused(subscription, code, said);
  }

  // FrameReceiver

  frame(bytes: Buffer, start: number, body: number, end: number): void {
    const header = bytes[start] ?? 0;
    const kind = header >> 4;
    if (kind === PUBACK && (header & 0x0f) === 0) {
      const puback = decodePuback(bytes, body, end);
      if (puback === null) this.malformed("a PUBACK that is too short");
      else this.#pipe.answered(puback.packetId, 1, puback.reasonCode, puback.said);
      return;
    }
    const isSimplePublish = kind === PUBLISH && (header & 0x04) === 0;
    if (!isSimplePublish || this.#limits === null) {
      this.#driver.parse(bytes.subarray(start, end));
      return;
    }
    const decoded = decodePublish(bytes, start, body, end, this.#options.protocolVersion);
    if (!decoded.ok) {
      this.malformed(decoded.why);
      return;
    }
    if (decoded.packetId > 0) this.#pipe.puback(decoded.packetId); // TRANSPORT-3
    this.#listener.message(decoded.message);
  }

  malformed(why: string): void {
    this.failed({ kind: "malformed", message: why });
  }

  // PipeOwner

  get buffered(): number {
    return this.#driver.buffered;
  }

  write(piece: Buffer): void {
    this.#driver.write(piece);
  }

  flushThisTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      if (this.#isOver) return;
      // A listener that hears of room writes into the same piece.
      this.#listener.roomChanged();
      if (!this.#isOver && this.#pipe.flush()) this.#liveness.written(this.#options.clock.now());
    });
  }

  flushSoon(): void {
    this.#linger ??= setTimeout(() => {
      this.#linger = null;
      this.flushThisTurn();
    }, PUBACK_LINGER_MS);
  }

  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void {
    this.#listener.settled(entry, outcome, at);
  }

  #checkReady(): void {
    if (this.#isReady || this.#isOver || this.#limits === null || !this.#subscriber.isSettled) return; // TRANSPORT-1
    this.#isReady = true;
    this.#pipe.open(this.#limits);
    this.#listener.ready(this.#limits);
  }

  /**
   * Checks deadlines after the next reading of the socket: when this process was delayed, answers may wait there, and the
   * broker is not to blame.
   */
  #scheduleLook(): void {
    this.#look ??= setImmediate(() => {
      this.#look = null;
      if (this.#isOver) return;
      if (this.#limits === null) this.#checkConnect(this.#options.clock.now());
      else this.#checkDeadlines(this.#options.clock.now());
    });
  }

  /** A socket that does not open tells nothing about the line; one that is open and waits for CONNACK may be slow. */
  #checkConnect(now: number): void {
    const { connectTimeoutMs, roundTrip } = this.#options;
    const afterMs = this.#openedAt === null ? connectTimeoutMs : this.#deadlines.handshakeMs;
    if (now - (this.#openedAt ?? this.#openingAt) < afterMs) return;
    if (this.#openedAt !== null) roundTrip.connectTimedOut();
    this.failed({ kind: "deadline", of: "connect", afterMs });
  }

  #checkDeadlines(now: number): void {
    const { neededSince: subscribedAt } = this.#subscriber;
    const owed = { ...this.#pipe.owed(), subscribedAt };
    const dead = this.#liveness.verdict(now, owed);
    if (dead !== null) {
      this.#options.roundTrip.backOff();
      this.failed(dead);
      return;
    }
    this.#pipe.expire(now);
    this.#subscriber.expire(now, this.#deadlines.subackMs);
    if (this.#isOver || !this.#liveness.wantsPing(now, owed)) return;
    this.#liveness.pinged(now);
    this.#driver.ping();
  }

  /**
   * From here on no publish is accepted and nothing more is reported. TRANSPORT-1, TRANSPORT-2
   * @param cause null where we close the connection
   */
  #settleAll(cause: FailureInput | null): void {
    this.#isOver = true;
    this.#isReady = false;
    this.#splitter.close();
    if (this.#driver.isConnected) this.#pipe.flush();
    this.#pipe.close(cause);
    // TRANSPORT-4
    clearInterval(this.#sweep);
    if (this.#linger !== null) clearTimeout(this.#linger);
    if (this.#turn !== null) clearImmediate(this.#turn);
    if (this.#look !== null) clearImmediate(this.#look);
  }
}
