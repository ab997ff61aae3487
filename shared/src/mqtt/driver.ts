/**
 * The `mqtt` driver, reduced to one connection and its control packets: CONNECT, SUBSCRIBE, PINGREQ, and the handshake of
 * QoS 2 messages that arrive. The only importer of `mqtt`. PUBLISH and PUBACK do not pass through it (mqtt-transport.ts).
 *
 * Every private behaviour that this file relies on has a test in test/unit/mqtt/driver-contract.test.ts.
 *
 * Invariants:
 *  DRIVER-1. The driver never reconnects, resubscribes, stores or queues a PUBLISH: the machine and the outbox do.
 *  DRIVER-2. Error listeners stay after the end: a late error must not end the process.
 */
import { type IConnackPacket, type IPublishPacket, MqttClient, type Packet } from "mqtt";
import { streamBuilder as openWebSocket } from "mqtt/lib/connect/ws";
import type { ConnackProperties } from "./broker-limits.ts";
import { type DriverOptions, driverOptions } from "./driver-options.ts";
import type { FailureInput, Said } from "./failure-input.ts";
import type { IncomingMessage, Subscription } from "./messages.ts";
import { openSocket } from "./open-socket.ts";
import type { PacketIds } from "./packet-ids.ts";
import type { TransportOptions } from "./transport.ts";

const DISCONNECT = Buffer.from([0xe0, 0x00]);

export interface DriverListener {
  /** The socket is open: CONNECT is on its way. */
  socketOpened(): void;
  /** Bytes from the socket, before the driver sees them. */
  bytesReceived(chunk: Buffer): void;
  /** A CONNACK that accepts the connection. */
  connackReceived(properties: ConnackProperties | undefined): void;
  /** The request that was given to `subscribe`, the code of each of its filters, and the Reason String. */
  subackReceived(request: readonly Subscription[], codes: ReadonlyMap<string, number>, said: string | undefined): void;
  pingrespReceived(): void;
  pubrecReceived(packetId: number, reasonCode: number, said: string | undefined): void;
  pubcompReceived(packetId: number, reasonCode: number, said: string | undefined): void;
  /** A message of QoS 2. */
  message(message: IncomingMessage): void;
  drained(): void;
  failed(input: FailureInput): void;
  /** The socket is closed. */
  socketClosed(): void;
}

export class Driver {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #options: TransportOptions;
  readonly #listener: DriverListener;
  readonly #client: MqttClient;
  /** The driver's parser. */
  #parser: NodeJS.WritableStream | null = null;

  /** Opens the socket and sends CONNECT. May throw what Node throws on unusable TLS options. */
  constructor(options: TransportOptions, ids: PacketIds, listener: DriverListener) {
    this.#options = options;
    this.#listener = listener;
    const toDriver = driverOptions(options, ids);
    this.#client = new MqttClient((client) => this.#openStream(client, toDriver), toDriver);
    this.closed = new Promise((resolve) => this.#client.once("close", resolve));
    this.#listen();
  }

  /** True from CONNACK to the end. */
  get isConnected(): boolean {
    return this.#client.connected;
  }

  /** Bytes that the socket has not passed on yet. */
  get buffered(): number {
    return this.#client.stream.writableLength;
  }

  write(piece: Buffer): void {
    this.#client.stream.write(piece);
  }

  /** Passes a packet to the driver's parser. */
  parse(packet: Buffer): void {
    this.#parser?.write(packet);
  }

  /** `subackReceived` reports the result. */
  subscribe(request: readonly Subscription[]): void {
    const byFilter = Object.fromEntries(
      request.map(({ filter, qos, ignoresRetained = false }) => [filter, { qos, rh: ignoresRetained ? 2 : 0 }]),
    );
    this.#client.subscribe(byFilter, (_error, asked = [], packet) => {
      // The packet has the order of `asked`.
      const codes = (packet?.granted ?? []).map((code, i) => [asked[i]?.topic ?? "", Number(code)] as const);
      this.#listener.subackReceived(request, new Map(codes), saidBy(packet).said);
    });
  }

  unsubscribe(filter: string): void {
    this.#client.unsubscribe(filter);
  }

  ping(): void {
    this.#client.sendPing();
  }

  /** Sends DISCONNECT and half-closes the socket. */
  sayGoodbye(): void {
    this.#client.stream.end(DISCONNECT);
  }

  /** Closes the socket now. */
  destroy(): void {
    this.#client.end(true);
    this.#client.stream.destroy();
  }

  /**
   * The driver pipes the socket into its parser. This pipe passes the listener first, which reads PUBLISH and PUBACK itself
   * and gives the rest back by `parse`.
   */
  #openStream(client: MqttClient, toDriver: DriverOptions): MqttClient["stream"] {
    const { address, tls } = this.#options;
    const isWebSocket = address.protocol === "ws" || address.protocol === "wss";
    const stream = isWebSocket ? openWebSocket(client, { ...toDriver }) : openSocket(address, tls);
    stream.pipe = (parser) => {
      this.#parser = parser;
      stream.on("data", (chunk: Buffer) => this.#listener.bytesReceived(chunk));
      return parser;
    };
    return stream;
  }

  #listen(): void {
    const client = this.#client;
    const { stream } = client;
    stream.on("connect", () => this.#listener.socketOpened());
    stream.on("drain", () => this.#listener.drained());
    client.on("packetreceive", (packet) => this.#packetReceived(packet));
    client.on("connect", (packet: IConnackPacket) => this.#listener.connackReceived(packet.properties));
    // DRIVER-2: neither listener is ever removed.
    client.on("error", (error) => this.#listener.failed(fromError(error)));
    stream.on("error", (error: Error) => this.#listener.failed(fromStreamError(error)));
    client.once("close", () => this.#listener.socketClosed());
    client.handleMessage = (packet, done) => {
      done();
      this.#listener.message(toIncoming(packet));
    };
  }

  /** The driver's callbacks hide reason codes, so packets are read when they arrive. */
  #packetReceived(packet: Packet): void {
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case "pingresp":
        this.#listener.pingrespReceived();
        return;
      case "pubcomp":
        this.#listener.pubcompReceived(messageId, packet.reasonCode ?? 0, saidBy(packet).said);
        return;
      case "pubrec":
        this.#listener.pubrecReceived(messageId, packet.reasonCode ?? 0, saidBy(packet).said);
        return;
      case "connack": {
        const code = packet.reasonCode ?? packet.returnCode ?? 0;
        const { protocolVersion } = this.#options;
        if (code > 0) this.#listener.failed({ kind: "connack", protocolVersion, code, ...saidBy(packet) });
        return;
      }
      case "auth":
        this.#listener.failed(unknownStep(packet));
        return;
      case "disconnect":
        this.#listener.failed({ kind: "disconnect", code: packet.reasonCode ?? 0, ...saidBy(packet) });
    }
  }
}

/** What a packet says about its code: the text and the other server, where it has them. */
function saidBy(packet: object | undefined): Said {
  const { properties } = (packet ?? {}) as { properties?: Record<string, unknown> };
  const { reasonString: said, serverReference } = properties ?? {};
  return {
    ...(typeof said === "string" && said !== "" ? { said } : {}),
    ...(typeof serverReference === "string" ? { serverReference } : {}),
  };
}

/** CONNECT carried all that we know; a broker that wants more speaks a method that we do not. */
function unknownStep({ properties }: Extract<Packet, { cmd: "auth" }>): FailureInput {
  const method = properties?.authenticationMethod ?? "without a name";
  const message = `the broker asks for a further step of the authentication method ${method}, which acktor does not know; use a method of one step (ACKTOR_MQTT_AUTH_METHOD), or a password`;
  return { kind: "credentials", code: "AUTH_STEP_UNKNOWN", message, needsOperator: true };
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

function fromError(error: Error & { code?: unknown }): FailureInput {
  const { code, message } = error;
  if (typeof code === "string") return { kind: "error", code, message: message || code };
  return { kind: "malformed", message };
}

/** An error without a code is the WebSocket's: the server answered HTTP instead of an upgrade. */
function fromStreamError(error: Error & { code?: unknown }): FailureInput {
  return { kind: "error", code: typeof error.code === "string" ? error.code : null, message: error.message };
}
