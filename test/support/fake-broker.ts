/**
 * A scripted broker. It answers like a normal broker, unless the test's script handles a packet itself.
 * Tests use it for refusals by code, silence, garbage and disconnects, which no real broker produces on demand.
 */
import net from "node:net";
import type { TestContext } from "node:test";
import mqttPacket, { type IConnectPacket, type Packet } from "mqtt-packet";
import { cleanUp } from "./cleanup.ts";
import { until } from "./until.ts";

/** Returns true when it has handled the packet; false requests the normal answer. */
export type Script = (packet: Packet, from: FakeConnection) => boolean;

export interface FakeBroker {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  /** Every connection since the start, the newest last. */
  readonly connections: readonly FakeConnection[];
  /** Waits for the CONNECT of the nth connection (from 0). */
  connection(n: number): Promise<FakeConnection>;
  /** Replaces the script for all further packets. */
  setScript(script: Script): void;
  /** Sockets that are open now. */
  open(): number;
}

export interface FakeConnection {
  /** Null until the CONNECT arrives. */
  readonly connect: IConnectPacket | null;
  /** Every packet after CONNECT, the newest last. At most 1,000 are kept. */
  readonly packets: readonly Packet[];
  readonly isClosed: boolean;
  /** Waits for `count` packets of one kind. */
  received(cmd: Packet["cmd"], count?: number): Promise<readonly Packet[]>;
  send(packet: Packet): void;
  sendBytes(bytes: Uint8Array): void;
  /** FIN. */
  end(): void;
  /** RST. */
  reset(): void;
  /** Stops reading: everything sent to it stays unanswered, as with a host that has vanished. */
  freeze(): void;
}

const KEPT = 1_000;
const WAIT_MS = 5_000;

/** Starts one; it stops with the test. */
export async function startFakeBroker(t: TestContext, script: Script = () => false): Promise<FakeBroker> {
  const state = { script };
  const connections: Connection[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    connections.push(new Connection(socket, (packet, from) => state.script(packet, from)));
    if (connections.length > KEPT) connections.shift();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  cleanUp(t, () => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    connections,
    connection: (n) => until(() => (connections[n]?.connect ? connections[n] : null), WAIT_MS, `connection ${n}`),
    setScript(next) {
      state.script = next;
    },
    open: () => sockets.size,
  };
}

class Connection implements FakeConnection {
  connect: IConnectPacket | null = null;
  readonly packets: Packet[] = [];
  readonly #socket: net.Socket;
  readonly #script: Script;

  constructor(socket: net.Socket, script: Script) {
    this.#socket = socket;
    this.#script = script;
    const parser = mqttPacket.parser();
    parser.on("packet", (packet) => this.#take(packet));
    parser.on("error", () => socket.destroy());
    socket.on("data", (bytes) => parser.parse(bytes));
    // The peer may close in any way; the `close` event follows.
    socket.on("error", () => socket.destroy());
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  received(cmd: Packet["cmd"], count = 1): Promise<readonly Packet[]> {
    const look = (): readonly Packet[] | null => {
      const found = this.packets.filter((packet) => packet.cmd === cmd);
      return found.length >= count ? found : null;
    };
    return until(look, WAIT_MS, `${count} × ${cmd}`);
  }

  send(packet: Packet): void {
    const protocolVersion = this.connect?.protocolVersion ?? 4;
    this.sendBytes(mqttPacket.generate(packet, { protocolVersion }));
  }

  sendBytes(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  freeze(): void {
    this.#socket.pause();
  }

  #take(packet: Packet): void {
    if (packet.cmd === "connect") this.connect = packet;
    else this.packets.push(packet);
    if (this.packets.length > KEPT) this.packets.shift();
    if (!this.#script(packet, this)) this.#answer(packet);
  }

  #answer(packet: Packet): void {
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case "connect":
        this.send({ cmd: "connack", returnCode: 0, reasonCode: 0, sessionPresent: false });
        return;
      case "subscribe":
        this.send({ cmd: "suback", messageId, granted: packet.subscriptions.map(({ qos }) => qos) });
        return;
      case "unsubscribe":
        this.send({ cmd: "unsuback", messageId, granted: packet.unsubscriptions.map(() => 0) });
        return;
      case "publish":
        if (packet.qos === 1) this.send({ cmd: "puback", messageId, reasonCode: 0 });
        if (packet.qos === 2) this.send({ cmd: "pubrec", messageId, reasonCode: 0 });
        return;
      case "pubrel":
        this.send({ cmd: "pubcomp", messageId, reasonCode: 0 });
        return;
      case "pingreq":
        this.send({ cmd: "pingresp" });
        return;
      case "disconnect":
        this.end();
    }
  }
}
