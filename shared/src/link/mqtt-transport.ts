/**
 * One connection to the broker: one client object of the driver, from CONNECT to the closed socket. The only importer of
 * `mqtt`.
 *
 * Invariants:
 *  1. The driver never reconnects, resubscribes, stores or queues a PUBLISH: the machine and the outbox do.
 *  2. Every publish that was taken is settled exactly once: by its answer, its deadline, or the end of the connection.
 *  3. `ended` is said at most once, and never after `close`; `ready` only after SUBACK of every wanted subscription.
 *  4. At most `min(Receive Maximum, sendQuota)` publishes wait for an answer, and at most `HIGH_WATER_BYTES` wait in the
 *     socket. Nothing larger than the broker's Maximum Packet Size is written.
 *  5. A message that arrives is handed on at once and its PUBACK sent: the driver takes messages strictly one by one.
 *  6. A dead connection shows: no byte for `silenceMs` while a PUBLISH waits, or for 1.5 × keepalive at all.
 *  7. After `closed` there is no socket, no timer and no listener of ours that could fire.
 */
import {
  connect,
  type IClientOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
} from "mqtt";
import type { BrokerAddress } from "./broker-address.ts";
import { brokerLimits } from "./broker-limits.ts";
import type { FailureInput } from "./classify-failure.ts";
import { sizeOfPublish } from "./encode-publish.ts";
import type { BrokerLimits, IncomingMessage, OutgoingPublish, PublishOutcome, Subscription } from "./link.ts";
import { Outstanding, type OutstandingPublish } from "./outstanding.ts";
import { PacketIds } from "./packet-ids.ts";
import { PacketWriter } from "./packet-writer.ts";

/** Said by the broker when the connection ends without a goodbye. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** For mqtts and wss. The broker's certificate is always verified, against `ca` or the system's. */
export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface TransportOptions {
  readonly address: BrokerAddress;
  readonly username: string | null;
  readonly password: string | null;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  /** Milliseconds to CONNACK, and from a SUBSCRIBE to its SUBACK. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from a PUBLISH to its PUBACK (PUBCOMP). */
  readonly publishDeadlineMs: number;
  /** Milliseconds without a byte, while a PUBLISH waits, after which the connection is dead. */
  readonly silenceMs: number;
  /** Most publishes that wait for an answer, where the broker does not say less. */
  readonly sendQuota: number;
  readonly sharedSubscriptionsOn311: boolean;
  readonly will: Will | null;
  readonly tls: TlsOptions;
  /** What is wanted when CONNACK comes. */
  readonly subscriptions: () => readonly Subscription[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface TransportHandlers {
  ready(limits: BrokerLimits): void;
  ended(input: FailureInput): void;
  message(message: IncomingMessage): void;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
  /** Once in each event-loop turn in which publishes were settled or the socket drained. */
  turn(): void;
}

export type UnsentReason = Extract<PublishOutcome, { kind: "unsent" }>["why"];

const SWEEP_MS = 100;
const HIGH_WATER_BYTES = 4 * 1_024 * 1_024;
/** Told to a broker of MQTT 5, so that no message can fill our memory. */
const MAX_INCOMING_BYTES = 16 * 1_024 * 1_024;
/** A polite goodbye may take this long. */
const GOODBYE_MS = 500;
const DISCONNECT = Buffer.from([0xe0, 0x00]);

const ACKED: PublishOutcome = { kind: "acked", reasonCode: 0 };
const NOBODY_SUBSCRIBED: PublishOutcome = { kind: "acked", reasonCode: 0x10 };
const LOST_CONNECTION: PublishOutcome = { kind: "lost", why: "disconnected" };
const LOST_DEADLINE: PublishOutcome = { kind: "lost", why: "deadline" };

/** Makes the driver neither answer nor wait: the answer is ours, and the next message may come. */
const ANSWERED_BY_US = new Error("answered");
/** The driver's keepalive sets a timer on every packet; ours is part of the sweep. */
const NO_TIMERS = { set: () => 0, clear: () => undefined };

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
  readonly #ids = new PacketIds();
  readonly #outstanding = new Outstanding();
  readonly #writer: PacketWriter;
  readonly #sweep: NodeJS.Timeout;
  /** QoS 0, gathered and not yet handed to the socket. */
  #unwritten: OutstandingPublish[] = [];
  #turn: NodeJS.Immediate | null = null;
  #look: NodeJS.Immediate | null = null;
  #goodbye: NodeJS.Timeout | null = null;
  #limits: BrokerLimits | null = null;
  #keepaliveMs: number;
  #isReady = false;
  #isOver = false;
  readonly #subscribes = new Set<{ readonly sentAt: number }>();
  #receivedAt: number;
  #writtenAt: number;
  #pingedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TransportOptions, handlers: TransportHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#keepaliveMs = options.keepaliveSeconds * 1_000;
    this.#receivedAt = options.now();
    this.#writtenAt = this.#receivedAt;
    this.#client = connect(clientOptions(options, this.#ids));
    this.#writer = new PacketWriter(
      (bytes) => this.#client.stream.write(bytes),
      () => this.#scheduleTurn(),
    );
    this.closed = new Promise((resolve) => this.#client.once("close", resolve));
    this.#listen();
    this.#sweep = setInterval(() => this.#scheduleLook(), SWEEP_MS);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Publishes that wait for an answer. */
  get inFlight(): number {
    return this.#outstanding.size + this.#unwritten.length;
  }

  /** Monotonic milliseconds of the last byte in or out. */
  get activeAt(): number {
    return Math.max(this.#receivedAt, this.#writtenAt);
  }

  /** How many publishes it takes now. */
  capacity(): number {
    if (!this.#isReady || this.#limits === null) return 0;
    if (this.#writer.size + this.#client.stream.writableLength >= HIGH_WATER_BYTES) return 0;
    return Math.max(0, this.#quota() - this.#outstanding.size);
  }

  /**
   * Takes a publish; its outcome comes later, by `settled`.
   * @param tag given back with the outcome
   * @returns null, or why it was not taken: then nothing was written and no outcome will come
   */
  publish(message: OutgoingPublish, tag: number, onOutcome: OutstandingPublish["onOutcome"]): UnsentReason | null {
    const limits = this.#limits;
    if (!this.#isReady || limits === null) return "not_connected";
    if (message.qos > limits.maximumQos) return "qos_unsupported";
    if (message.retain && !limits.retainAvailable) return "retain_unsupported";
    const { protocolVersion, now } = this.#options;
    const size = sizeOfPublish(message, protocolVersion);
    if (size.total > limits.maximumPacketSize) return "too_large";
    const packetId = this.capacity() > 0 ? this.#packetId(message.qos) : null;
    if (packetId === null) return "window_full";
    this.#writer.publish(message, protocolVersion, packetId, size);
    const entry: OutstandingPublish = { packetId, qos: message.qos, sentAt: now(), tag, onOutcome };
    if (message.qos === 0) this.#unwritten.push(entry);
    else this.#outstanding.add(entry);
    return null;
  }

  /** Subscribes on this connection, or with the others when CONNACK comes. */
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

  #listen(): void {
    const client = this.#client;
    const { stream } = client;
    if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
    stream.on("data", () => {
      this.#receivedAt = this.#options.now();
    });
    stream.on("drain", () => this.#scheduleTurn());
    client.on("packetreceive", (packet) => this.#receive(packet));
    client.on("connect", (packet) => this.#connected(packet));
    // Listeners for errors stay for ever: a late one of a socket that was destroyed must not end the process.
    client.on("error", (error) => this.#end(fromError(error, this.#options.connectTimeoutMs)));
    stream.on("error", (error: Error) => this.#end(fromStreamError(error)));
    client.once("close", () => {
      this.#end({ kind: "closed", beforeConnack: this.#limits === null });
      if (this.#goodbye !== null) clearTimeout(this.#goodbye);
    });
    client.handleMessage = (packet, done) => {
      if (packet.qos === 1) {
        if (packet.messageId !== undefined && !this.#isOver) this.#writer.puback(packet.messageId);
        done(ANSWERED_BY_US);
      } else done();
      if (!this.#isOver) this.#handlers.message(toIncoming(packet));
    };
  }

  #connected(packet: IConnackPacket): void {
    if (this.#isOver) return;
    const { protocolVersion, sharedSubscriptionsOn311, subscriptions } = this.#options;
    this.#limits = brokerLimits(protocolVersion, packet.properties, sharedSubscriptionsOn311);
    const serverKeepalive = packet.properties?.serverKeepAlive;
    if (serverKeepalive !== undefined && serverKeepalive > 0) this.#keepaliveMs = serverKeepalive * 1_000;
    this.subscribe(subscriptions());
    this.#checkReady();
  }

  #checkReady(): void {
    if (this.#isReady || this.#subscribes.size > 0 || this.#limits === null) return;
    this.#isReady = true;
    this.#handlers.ready(this.#limits);
  }

  #receive(packet: Packet): void {
    if (this.#isOver) return;
    switch (packet.cmd) {
      case "puback":
        this.#answered(packet.messageId, 1, packet.reasonCode ?? 0);
        return;
      case "pubcomp":
        this.#answered(packet.messageId, 2, packet.reasonCode ?? 0);
        return;
      case "pubrec":
        this.#pubrec(packet.messageId, packet.reasonCode ?? 0);
        return;
      case "connack": {
        const { protocolVersion } = this.#options;
        const code = packet.reasonCode ?? packet.returnCode ?? 0;
        if (code > 0) this.#end({ kind: "connack", protocolVersion, code });
        return;
      }
      case "disconnect":
        this.#end({ kind: "disconnect", code: packet.reasonCode ?? 0 });
    }
  }

  #answered(packetId: number | undefined, qos: 1 | 2, reasonCode: number): void {
    if (packetId === undefined || !this.#outstanding.has(packetId)) return;
    const entry = this.#outstanding.get(packetId);
    // The wrong kind of answer answers nothing; the deadline will tell.
    if (entry !== undefined && entry.qos !== qos) return;
    this.#outstanding.settle(packetId);
    this.#ids.deallocate(packetId);
    this.#scheduleTurn();
    if (entry !== undefined) this.#handlers.settled(entry, outcomeOf(reasonCode), this.#options.now());
  }

  #pubrec(packetId: number | undefined, reasonCode: number): void {
    if (packetId === undefined || !this.#outstanding.has(packetId)) return;
    if (reasonCode >= 0x80) this.#answered(packetId, 2, reasonCode);
    else this.#writer.pubrel(packetId);
  }

  #quota(): number {
    return Math.min(this.#limits?.receiveMaximum ?? 0, this.#options.sendQuota);
  }

  #packetId(qos: 0 | 1 | 2): number | null {
    return qos === 0 ? 0 : this.#ids.allocate();
  }

  #scheduleTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      if (this.#isOver) return;
      this.#handlers.turn();
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writer.size > 0) this.#writtenAt = this.#options.now();
    this.#writer.flush();
    if (this.#unwritten.length === 0) return;
    const written = this.#unwritten;
    this.#unwritten = [];
    for (const entry of written) this.#handlers.settled(entry, ACKED, this.#writtenAt);
    this.#scheduleTurn();
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
    const dead = this.#overdue(now);
    if (dead !== null) {
      this.#end(dead);
      return;
    }
    for (const entry of this.#outstanding.expire(now - this.#options.publishDeadlineMs)) {
      this.#handlers.settled(entry, LOST_DEADLINE, now);
    }
    this.#pingIfQuiet(now);
  }

  /** What the broker owes for too long, or null. Silence comes before deadlines: its publishes fell with the connection. */
  #overdue(now: number): FailureInput | null {
    const { connectTimeoutMs, publishDeadlineMs, silenceMs } = this.#options;
    const [subscribe] = this.#subscribes;
    if (subscribe !== undefined && now - subscribe.sentAt >= connectTimeoutMs) {
      return { kind: "deadline", of: "suback", afterMs: connectTimeoutMs };
    }
    const waitsSince = Math.max(this.#receivedAt, this.#outstanding.oldestSentAt() ?? this.#receivedAt);
    if (this.#outstanding.size > 0 && now - waitsSince >= silenceMs) {
      return { kind: "deadline", of: "silence", afterMs: silenceMs };
    }
    // Their packet ids stay taken: a connection that loses answers would come to a stop.
    if (this.#outstanding.unanswered >= Math.ceil(this.#quota() / 2)) {
      return { kind: "deadline", of: "puback", afterMs: publishDeadlineMs };
    }
    const keepaliveMs = this.#keepaliveMs * 1.5;
    if (now - this.#receivedAt >= keepaliveMs) return { kind: "deadline", of: "keepalive", afterMs: keepaliveMs };
    return null;
  }

  #pingIfQuiet(now: number): void {
    const quietMs = now - Math.min(this.#receivedAt, this.#writtenAt);
    if (quietMs < this.#keepaliveMs || now - this.#pingedAt < this.#keepaliveMs) return;
    this.#pingedAt = now;
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
    clearInterval(this.#sweep);
    if (this.#turn !== null) clearImmediate(this.#turn);
    if (this.#look !== null) clearImmediate(this.#look);
    if (this.#client.connected) this.#writer.flush();
    const at = this.#options.now();
    const open = [...this.#unwritten, ...this.#outstanding.clear()];
    this.#unwritten = [];
    for (const entry of open) this.#handlers.settled(entry, LOST_CONNECTION, at);
  }

  #destroy(): void {
    this.#client.end(true);
    this.#client.stream.destroy();
  }
}

function clientOptions(options: TransportOptions, ids: PacketIds): IClientOptions {
  const { address, protocolVersion, connectTimeoutMs, will, tls } = options;
  const isWebSocket = address.protocol === "ws" || address.protocol === "wss";
  const isTls = address.protocol === "mqtts" || address.protocol === "wss";
  return {
    protocol: address.protocol,
    host: address.host,
    hostname: address.host,
    port: address.port,
    ...(isWebSocket ? { path: address.path } : {}),
    ...(isTls ? { ...tls, rejectUnauthorized: true } : {}),
    ...(options.username === null ? {} : { username: options.username }),
    ...(options.password === null ? {} : { password: options.password }),
    ...(will === null ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
    ...(protocolVersion === 5
      ? { properties: { sessionExpiryInterval: 0, maximumPacketSize: MAX_INCOMING_BYTES } }
      : {}),
    protocolId: "MQTT",
    protocolVersion,
    clientId: options.clientId,
    clean: true,
    keepalive: options.keepaliveSeconds,
    reschedulePings: false,
    timerVariant: NO_TIMERS,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    writeCache: false,
    messageIdProvider: ids,
    log: () => undefined,
  };
}

function outcomeOf(reasonCode: number): PublishOutcome {
  if (reasonCode === 0) return ACKED;
  if (reasonCode === 0x10) return NOBODY_SUBSCRIBED;
  return { kind: reasonCode < 0x80 ? "acked" : "refused", reasonCode };
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
