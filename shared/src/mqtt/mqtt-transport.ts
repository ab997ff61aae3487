/**
 * One connection to the broker: one client object of the driver, from CONNECT to the closed socket. The only importer of
 * `mqtt`.
 *
 * Invariants:
 *  1. The driver never reconnects, resubscribes, stores or queues a PUBLISH: the machine and the outbox do.
 *  2. `ended` is said at most once, and never after `close`; `ready` only after SUBACK of every wanted subscription.
 *  3. Every publish that was taken is settled before `ended` is said, or before `close` returns.
 *  4. A message that arrives is handed on at once and its PUBACK sent: the driver takes messages strictly one by one.
 *  5. After `closed` there is no socket and no timer. Error listeners stay: a late error must not end the process.
 *
 * What was tried (mosquitto 2.0.11, MQTT 5 / 3.1.1, 500 bytes, QoS 1, CPU µs of this process per message; two cores that
 * others use too, so read the rows against each other):
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
import { type IConnackPacket, type IPublishPacket, MqttClient, type Packet } from "mqtt";
import { streamBuilder as openWebSocket } from "mqtt/lib/connect/ws";
import { brokerLimits } from "./broker-limits.ts";
import { decodePuback, decodePublish } from "./decode-publish.ts";
import { type DriverOptions, driverOptions, MAX_INCOMING_BYTES } from "./driver-options.ts";
import type { FailureInput } from "./failure-input.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import { Liveness } from "./liveness.ts";
import type { BrokerLimits, IncomingMessage, OutgoingPublish, Subscription } from "./messages.ts";
import { openSocket } from "./open-socket.ts";
import type { OutstandingPublish } from "./outstanding.ts";
import { PublishPipe } from "./publish-pipe.ts";
import type { TransportHandlers, TransportOptions, UnsentReason } from "./transport-options.ts";

const SWEEP_MS = 100;
/** A polite goodbye may take this long. */
const GOODBYE_MS = 500;
/** PUBACKs wait this long for company: a write costs more than everything else about one. */
const PUBACK_LINGER_MS = 1;
const DISCONNECT = Buffer.from([0xe0, 0x00]);

const PUBLISH = 3;
const PUBACK = 4;

/** Opens a connection. May throw what the driver throws on unusable TLS options. */
export function openTransport(options: TransportOptions, handlers: TransportHandlers): MqttTransport {
  return new MqttTransport(options, handlers);
}

export class MqttTransport {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #options: TransportOptions;
  readonly #handlers: TransportHandlers;
  readonly #client: MqttClient;
  readonly #pipe: PublishPipe;
  readonly #splitter: FrameSplitter;
  readonly #liveness: Liveness;
  readonly #sweep: NodeJS.Timeout;
  readonly #subscribes = new Set<{ readonly sentAt: number }>();
  /** Where the driver reads from. */
  #driver: NodeJS.WritableStream | null = null;
  #turn: NodeJS.Immediate | null = null;
  #linger: NodeJS.Timeout | null = null;
  #look: NodeJS.Immediate | null = null;
  #goodbye: NodeJS.Timeout | null = null;
  /** Null until CONNACK. */
  #limits: BrokerLimits | null = null;
  #isReady = false;
  #isOver = false;

  constructor(options: TransportOptions, handlers: TransportHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    const { silenceMs, publishDeadlineMs, connectTimeoutMs: subackMs } = options;
    const keepaliveMs = options.keepaliveSeconds * 1_000;
    this.#liveness = new Liveness({ silenceMs, publishDeadlineMs, subackMs }, keepaliveMs, options.now());
    this.#pipe = new PublishPipe({
      ...options,
      write: (bytes) => void this.#client.stream.write(bytes),
      buffered: () => this.#client.stream.writableLength,
      wake: () => this.#scheduleTurn(),
      linger: () => this.#lingerTurn(),
      settled: handlers.settled,
    });
    this.#splitter = new FrameSplitter(
      MAX_INCOMING_BYTES,
      (bytes, start, body, end) => this.#frame(bytes, start, body, end),
      (why) => this.#end({ kind: "malformed", message: why }),
    );
    const toDriver = driverOptions(options, this.#pipe.ids);
    this.#client = new MqttClient((client) => this.#openStream(client, toDriver), toDriver);
    this.closed = new Promise((resolve) => this.#client.once("close", resolve));
    this.#listen();
    this.#sweep = setInterval(() => this.#scheduleLook(), SWEEP_MS);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Publishes that wait for an answer. */
  get inFlight(): number {
    return this.#pipe.inFlight;
  }

  /** Monotonic milliseconds of the last byte in or out. */
  get activeAt(): number {
    return this.#liveness.activeAt;
  }

  /** How many publishes it takes now. */
  capacity(): number {
    return this.#isReady ? this.#pipe.capacity() : 0;
  }

  /** See `PublishPipe.publish`. */
  publish(message: OutgoingPublish, tag: number, onOutcome: OutstandingPublish["onOutcome"]): UnsentReason | null {
    return this.#isReady ? this.#pipe.publish(message, tag, onOutcome) : "not_connected";
  }

  /** Subscribes on this connection. Before CONNACK there is nothing to do: it asks for what is wanted. */
  subscribe(subscriptions: readonly Subscription[]): void {
    if (this.#limits === null || this.#isOver || subscriptions.length === 0) return;
    const pending = { sentAt: this.#options.now() };
    this.#subscribes.add(pending);
    const request = Object.fromEntries(subscriptions.map(({ filter, qos }) => [filter, { qos }]));
    this.#client.subscribe(request, (error, _granted, packet) => {
      if (this.#isOver) return;
      this.#subscribes.delete(pending);
      const codes = packet?.granted ?? [];
      const refused = codes.findIndex((code) => Number(code) >= 0x80);
      if (error === null && refused === -1) {
        this.#checkReady();
        return;
      }
      const { protocolVersion } = this.#options;
      const filter = subscriptions[Math.max(0, refused)]?.filter ?? "";
      // Without a SUBACK it is the driver that found the filter invalid.
      this.#end({ kind: "suback", protocolVersion, filter, code: Number(codes[refused] ?? 0x8f) });
    });
  }

  unsubscribe(filter: string): void {
    if (this.#limits !== null && !this.#isOver) this.#client.unsubscribe(filter);
  }

  /** Says goodbye where there is a connection, and ends it in any case. Twice is fine. */
  close(): Promise<void> {
    if (!this.#isOver) {
      this.#settleAll();
      if (this.#client.connected) {
        this.#client.stream.end(DISCONNECT);
        this.#goodbye = setTimeout(() => this.#destroy(), GOODBYE_MS);
      } else this.#destroy();
    }
    return this.closed;
  }

  /**
   * The driver pipes the socket into its parser. Here the pipe leads past us first: what comes by the thousand is read
   * on the spot, the rest goes on to the driver.
   */
  #openStream(client: MqttClient, toDriver: DriverOptions): MqttClient["stream"] {
    const { address, tls } = this.#options;
    const isWebSocket = address.protocol === "ws" || address.protocol === "wss";
    const stream = isWebSocket ? openWebSocket(client, { ...toDriver }) : openSocket(address, tls);
    stream.pipe = (driver) => {
      this.#driver = driver;
      stream.on("data", (chunk: Buffer) => {
        this.#liveness.received(this.#options.now());
        this.#splitter.push(chunk);
      });
      return driver;
    };
    return stream;
  }

  #frame(bytes: Buffer, start: number, body: number, end: number): void {
    const header = bytes[start] ?? 0;
    const kind = header >> 4;
    if (kind === PUBACK && (header & 0x0f) === 0) {
      const puback = decodePuback(bytes, body, end);
      if (puback === null) this.#end({ kind: "malformed", message: "a PUBACK that is too short" });
      else this.#pipe.answered(puback.packetId, 1, puback.reasonCode);
      return;
    }
    const isSimplePublish = kind === PUBLISH && (header & 0x04) === 0;
    if (!isSimplePublish || this.#limits === null) {
      this.#driver?.write(bytes.subarray(start, end));
      return;
    }
    const decoded = decodePublish(bytes, start, body, end, this.#options.protocolVersion);
    if (!decoded.ok) {
      this.#end({ kind: "malformed", message: decoded.why });
      return;
    }
    if (decoded.packetId > 0) this.#pipe.puback(decoded.packetId);
    this.#handlers.message(decoded.message);
  }

  #listen(): void {
    const client = this.#client;
    const { stream } = client;
    stream.on("drain", () => this.#scheduleTurn());
    client.on("packetreceive", (packet) => this.#receive(packet));
    client.on("connect", (packet) => this.#connected(packet));
    client.on("error", (error) => this.#end(fromError(error, this.#options.connectTimeoutMs)));
    stream.on("error", (error: Error) => this.#end(fromStreamError(error)));
    client.once("close", () => {
      this.#end({ kind: "closed", beforeConnack: this.#limits === null });
      if (this.#goodbye !== null) clearTimeout(this.#goodbye);
    });
    // QoS 2 only: its handshake is the driver's.
    client.handleMessage = (packet, done) => {
      done();
      if (!this.#isOver) this.#handlers.message(toIncoming(packet));
    };
  }

  #connected(packet: IConnackPacket): void {
    if (this.#isOver) return;
    const { protocolVersion, sharedSubscriptionsOn311, subscriptions } = this.#options;
    this.#limits = brokerLimits(protocolVersion, packet.properties, sharedSubscriptionsOn311);
    const serverKeepalive = packet.properties?.serverKeepAlive;
    if (serverKeepalive !== undefined && serverKeepalive > 0) this.#liveness.setKeepalive(serverKeepalive * 1_000);
    this.subscribe(subscriptions());
    this.#checkReady();
  }

  #checkReady(): void {
    if (this.#isReady || this.#subscribes.size > 0 || this.#limits === null) return;
    this.#isReady = true;
    this.#pipe.open(this.#limits);
    this.#handlers.ready(this.#limits);
  }

  /** The driver's callbacks hide reason codes, so packets are looked at as they come. */
  #receive(packet: Packet): void {
    if (this.#isOver) return;
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case "pubcomp":
        this.#pipe.answered(messageId, 2, packet.reasonCode ?? 0);
        return;
      case "pubrec":
        this.#pipe.received(messageId, packet.reasonCode ?? 0);
        return;
      case "connack": {
        const code = packet.reasonCode ?? packet.returnCode ?? 0;
        if (code > 0) this.#end({ kind: "connack", protocolVersion: this.#options.protocolVersion, code });
        return;
      }
      case "disconnect":
        this.#end({ kind: "disconnect", code: packet.reasonCode ?? 0 });
    }
  }

  #scheduleTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      if (this.#isOver) return;
      // Those who hear of room write into the same piece.
      this.#handlers.turn();
      if (!this.#isOver && this.#pipe.flush()) this.#liveness.written(this.#options.now());
    });
  }

  #lingerTurn(): void {
    this.#linger ??= setTimeout(() => {
      this.#linger = null;
      this.#scheduleTurn();
    }, PUBACK_LINGER_MS);
  }

  /**
   * Looks at deadlines after the next reading of the socket: when this process was held up, answers may lie there, and
   * the broker is not to be blamed.
   */
  #scheduleLook(): void {
    this.#look ??= setImmediate(() => {
      this.#look = null;
      if (!this.#isOver && this.#limits !== null) this.#lookAtDeadlines(this.#options.now());
    });
  }

  #lookAtDeadlines(now: number): void {
    const [subscribe] = this.#subscribes;
    const dead = this.#liveness.verdict(now, { ...this.#pipe.owed(), subscribedAt: subscribe?.sentAt ?? null });
    if (dead !== null) {
      this.#end(dead);
      return;
    }
    this.#pipe.expire(now);
    if (this.#isOver || !this.#liveness.wantsPing(now)) return;
    this.#liveness.pinged(now);
    this.#client.sendPing();
  }

  #end(input: FailureInput): void {
    if (this.#isOver) return;
    this.#settleAll();
    this.#destroy();
    this.#handlers.ended(input);
  }

  /** From here on nothing is taken and nothing is said any more. */
  #settleAll(): void {
    this.#isOver = true;
    this.#isReady = false;
    this.#splitter.close();
    if (this.#client.connected) this.#pipe.flush();
    this.#pipe.close();
    clearInterval(this.#sweep);
    if (this.#linger !== null) clearTimeout(this.#linger);
    if (this.#turn !== null) clearImmediate(this.#turn);
    if (this.#look !== null) clearImmediate(this.#look);
  }

  #destroy(): void {
    this.#client.end(true);
    this.#client.stream.destroy();
  }
}

function toIncoming(packet: IPublishPacket): IncomingMessage {
  const { topic, payload, qos, retain, properties } = packet;
  return {
    topic,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    qos,
    retain,
    userProperties: properties?.userProperties,
  };
}

function fromError(error: Error & { code?: unknown }, connectTimeoutMs: number): FailureInput {
  const { code, message } = error;
  if (typeof code === "string") return { kind: "error", code, message: message || code };
  if (message === "connack timeout") return { kind: "deadline", of: "connect", afterMs: connectTimeoutMs };
  return { kind: "malformed", message };
}

/** Without a code it is the WebSocket's: an HTTP status instead of an upgrade. */
function fromStreamError(error: Error & { code?: unknown }): FailureInput {
  return { kind: "error", code: typeof error.code === "string" ? error.code : null, message: error.message };
}
